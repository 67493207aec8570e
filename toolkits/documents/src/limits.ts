// What one document may hold. Every bound has a name here.

export const LIMITS = {
  blocksMax: 2_000,
  textCharactersMax: 20_000,
  runsMax: 400,
  titleCharactersMax: 200,
  altTextCharactersMax: 1_000,
  linkCharactersMax: 2_000,
  listItemsMax: 500,
  tableColumnsMax: 20,
  tableRowsMax: 2_000,
  /** Over all tables. */
  tableCellsMax: 20_000,
  chartCategoriesMax: 200,
  chartSeriesMax: 6,
  /** Over the document; each is drawn and compressed. */
  chartsMax: 40,
  picturesMax: 100,
  pictureBytesMax: 10 * 1024 * 1024,
  picturesBytesMax: 48 * 1024 * 1024,
  pictureSideMax: 20_000,
  pathCharactersMax: 240,
  /** Characters of all text together. */
  documentCharactersMax: 4_000_000,
  /** Of `pptx.create`; what fits a slide is measured besides. */
  deck: {
    slidesMax: 60,
    itemsMax: 40,
    tableColumnsMax: 12,
    tableRowsMax: 30,
    notesCharactersMax: 8_000,
  },
  /** Of `convert.toMarkdown`. */
  convert: {
    sourceBytesMax: 32 * 1024 * 1024,
    /** Of the answer, as UTF-8. */
    markdownBytesMax: 2 * 1024 * 1024,
    archiveEntriesMax: 5_000,
    /** Of one unpacked part, and of all that are read. */
    partBytesMax: 96 * 1024 * 1024,
    partsBytesMax: 192 * 1024 * 1024,
    /** Levels of elements in HTML and XML. */
    depthMax: 512,
    /** Elements of one file in HTML and XML. */
    elementsMax: 6_000_000,
    attributesMax: 256,
    /** Of the style sheets in one HTML file; what is beyond is not applied, and the notes say so. */
    styleCharactersMax: 1024 * 1024,
    styleSelectorsMax: 20_000,
    /** Of an element against a part of a selector, over the file. */
    styleChecksMax: 5_000_000,
    sheetsMax: 256,
    /** Rows of one table that are shown; the rest is counted. */
    tableRowsMax: 2_000,
    tableColumnsMax: 256,
    cellCharactersMax: 4_000,
  },
  /** Problems named in one answer. */
  problemsMax: 20,
} as const;
