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
  /** Problems named in one answer. */
  problemsMax: 20,
} as const;
