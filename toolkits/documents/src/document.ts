// A document from its blocks.

import {
  AlignmentType,
  BorderStyle,
  Document,
  type FileChild,
  Footer,
  HeadingLevel,
  ImageRun,
  Packer,
  PageBreak,
  PageNumber,
  PageOrientation,
  Paragraph,
  TabStopType,
  TextRun,
} from "docx";
import type { ChartPicture } from "./chart/raster.ts";
import { missingLetters } from "./check.ts";
import { LIMITS } from "./limits.ts";
import { canonicalPackage } from "./package.ts";
import { HAIR, INK_FAINT } from "./palette.ts";
import { type Picture, readPicture } from "./picture.ts";
import { DocumentProblem } from "./problem.ts";
import type { Block, BlockOf, CreateArguments } from "./schema.ts";
import { BULLETS, documentNumbering, documentStyles, NUMBERS, SANS } from "./styles.ts";
import { tableOf } from "./table.ts";
import { runsOf } from "./text.ts";

/** Twips. */
const PAGES = { A4: { width: 11_906, height: 16_838 }, Letter: { width: 12_240, height: 15_840 } } as const;
const MARGIN = { top: 1_304, bottom: 1_247, left: 1_361, right: 1_361, header: 620, footer: 620 };
const TWIPS_PER_PIXEL = 15;
/** A picture leaves room for its caption. */
const PICTURE_HEIGHT_SHARE = 0.82;
/** A table of more columns gets a page of its own, turned. */
const UPRIGHT_COLUMNS_MAX = 8;
const HEADINGS = [
  HeadingLevel.HEADING_1,
  HeadingLevel.HEADING_2,
  HeadingLevel.HEADING_3,
  HeadingLevel.HEADING_4,
] as const;

export interface Sources {
  /** The bytes of a file in the project; `at` is the place in the arguments. */
  read: (path: string, at: string) => Promise<Uint8Array>;
  draw: (block: BlockOf<"chart">) => Promise<ChartPicture>;
}

export interface MadeDocument {
  bytes: Uint8Array;
  warnings: string[];
}

export async function makeDocument(call: CreateArguments, sources: Sources): Promise<MadeDocument> {
  const builder = new Builder(call, sources);
  const parts = await builder.parts();
  const file = new Document({
    title: call.title,
    creator: call.author ?? "",
    lastModifiedBy: call.author ?? "",
    styles: documentStyles(call.language ?? "en-US"),
    numbering: documentNumbering(),
    sections: parts.map(({ isWide, children }) => ({
      properties: { page: { size: pageOf(call, isWide), margin: MARGIN } },
      footers: { default: footerOf(call.title, textFrame(call, isWide).width) },
      children,
    })),
  });
  const bytes = canonicalPackage(await Packer.toBuffer(file), call.date);
  return { bytes, warnings: builder.warnings };
}

/** Pages in one direction. */
interface Part {
  /** Turned, for a table of many columns. */
  isWide: boolean;
  children: FileChild[];
}

function pageOf(call: CreateArguments, isWide: boolean) {
  const size = PAGES[call.pageSize ?? "A4"];
  return { ...size, orientation: isWide ? PageOrientation.LANDSCAPE : PageOrientation.PORTRAIT };
}

/** Twips of a page that text has. */
function textFrame(call: CreateArguments, isWide: boolean): { width: number; height: number } {
  const { width, height } = PAGES[call.pageSize ?? "A4"];
  const [across, down] = isWide ? [height, width] : [width, height];
  return { width: across - MARGIN.left - MARGIN.right, height: down - MARGIN.top - MARGIN.bottom };
}

class Builder {
  readonly warnings: string[] = [];
  private readonly frame: { width: number; height: number };
  private readonly call: CreateArguments;
  private readonly sources: Sources;
  private drawings = 0;
  private orderedLists = 0;
  private pictureBytes = 0;

  constructor(call: CreateArguments, sources: Sources) {
    this.call = call;
    this.sources = sources;
    this.frame = textFrame(call, false);
  }

  async parts(): Promise<Part[]> {
    const { title, subtitle, author, date, blocks } = this.call;
    const byline = [author, date].filter((part) => part !== undefined).join(" \u00b7 ");
    const made: FileChild[] = [new Paragraph({ heading: HeadingLevel.TITLE, children: [new TextRun(title)] })];
    if (subtitle !== undefined) made.push(new Paragraph({ style: "Subtitle", children: [new TextRun(subtitle)] }));
    made.push(new Paragraph({ style: "Byline", children: [new TextRun(byline)] }));
    const parts: Part[] = [{ isWide: false, children: made }];
    for (const [place, block] of blocks.entries()) {
      const isWide = block.type === "table" && block.columns.length > UPRIGHT_COLUMNS_MAX;
      const part = parts.at(-1);
      const children = await this.block(block, `blocks[${place}]`, isWide);
      if (part?.isWide === isWide) part.children.push(...children);
      else parts.push({ isWide, children });
    }
    return parts;
  }

  private async block(block: Block, at: string, isWide: boolean): Promise<FileChild[]> {
    switch (block.type) {
      case "heading":
        return [new Paragraph({ heading: HEADINGS[block.level - 1], children: runsOf(block.text) })];
      case "paragraph":
        return [new Paragraph({ children: runsOf(block.text) })];
      case "quote":
        return [new Paragraph({ style: "Quote", children: runsOf(block.text) })];
      case "code":
        return [new Paragraph({ style: "Code", children: runsOf(block.text) })];
      case "list":
        return this.list(block);
      case "table":
        // Two tables in a row would become one.
        return [tableOf(block, textFrame(this.call, isWide).width), caption(block.caption ?? "")];
      case "image":
        return this.image(block, at);
      case "chart":
        return this.chart(block, at);
      case "pageBreak":
        return [new Paragraph({ children: [new PageBreak()] })];
    }
  }

  private list(block: BlockOf<"list">): Paragraph[] {
    const instance = block.ordered ? ++this.orderedLists : 0;
    const numbering = (level: number) => ({ reference: block.ordered ? NUMBERS : BULLETS, level, instance });
    const item = (text: Parameters<typeof runsOf>[0], level: number): Paragraph =>
      new Paragraph({ style: "ListParagraph", numbering: numbering(level), children: runsOf(text) });
    return block.items.flatMap((entry) => {
      if (typeof entry === "string" || Array.isArray(entry)) return [item(entry, 0)];
      return [item(entry.text, 0), ...(entry.items ?? []).map((below) => item(below, 1))];
    });
  }

  private async image(block: BlockOf<"image">, at: string): Promise<Paragraph[]> {
    const place = `${at}.path`;
    const picture = readPicture(await this.sources.read(block.path, place), block.path, place);
    this.pictureBytes += picture.bytes.byteLength;
    if (this.pictureBytes > LIMITS.picturesBytesMax)
      throw new DocumentProblem(
        "LIMIT_EXCEEDED",
        place,
        `the pictures together have more than ${LIMITS.picturesBytesMax} bytes`,
      );
    const own = picture.width * TWIPS_PER_PIXEL;
    const wanted = block.widthPercent === undefined ? own : (this.frame.width * block.widthPercent) / 100;
    return this.figure(picture, wanted, block.altText, block.caption);
  }

  private async chart(block: BlockOf<"chart">, at: string): Promise<Paragraph[]> {
    const { png, missing } = await this.sources.draw(block);
    this.warnings.push(...missingLetters(at, missing));
    const picture = readPicture(png, "the chart", at);
    return this.figure(picture, (this.frame.width * (block.widthPercent ?? 100)) / 100, block.altText, block.caption);
  }

  /** `wanted` is a width in twips; a picture never leaves the text's frame. */
  private figure(picture: Picture, wanted: number, altText: string, words: string | undefined): Paragraph[] {
    const heightMax = this.frame.height * PICTURE_HEIGHT_SHARE;
    const width = Math.min(wanted, this.frame.width, (heightMax * picture.width) / picture.height);
    const height = (width * picture.height) / picture.width;
    this.drawings += 1;
    const image = new ImageRun({
      type: picture.kind,
      data: picture.bytes,
      transformation: {
        width: Math.max(1, Math.round(width / TWIPS_PER_PIXEL)),
        height: Math.max(1, Math.round(height / TWIPS_PER_PIXEL)),
      },
      altText: { id: String(this.drawings), name: `Picture ${this.drawings}`, description: altText },
    });
    const keepNext = words !== undefined;
    const figure = new Paragraph({ style: "Figure", keepNext, children: [image] });
    return words === undefined ? [figure] : [figure, caption(words)];
  }
}

function caption(words: string): Paragraph {
  return new Paragraph({ style: "Caption", children: words === "" ? [] : [new TextRun(words)] });
}

/** The title, and the page of how many. */
function footerOf(title: string, width: number): Footer {
  const look = { font: SANS, size: 17, color: INK_FAINT };
  return new Footer({
    children: [
      new Paragraph({
        alignment: AlignmentType.LEFT,
        tabStops: [{ type: TabStopType.RIGHT, position: width }],
        spacing: { before: 0, after: 0 },
        border: { top: { style: BorderStyle.SINGLE, size: 4, color: HAIR, space: 8 } },
        children: [
          new TextRun({ ...look, text: shortTitle(title) }),
          new TextRun({ ...look, children: ["\t", PageNumber.CURRENT, " / ", PageNumber.TOTAL_PAGES] }),
        ],
      }),
    ],
  });
}

/** One line beside the page number. */
function shortTitle(title: string): string {
  const letters = [...title];
  return letters.length <= 90 ? title : `${letters.slice(0, 89).join("").trimEnd()}\u2026`;
}
