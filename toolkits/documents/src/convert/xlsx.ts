// Workbooks: every sheet as a table, with the values that are stored, also for formulas.

import { LIMITS } from "../limits.ts";
import { Archive } from "./archive.ts";
import { addressOf, Inline, imageOf, MarkdownWriter, plainCell } from "./markdown.ts";
import { numberText, type Shape, shapeOf } from "./number-format.ts";
import { mainPart, partOfKind, type Relation, relationsOf } from "./office.ts";
import { type Source, seen } from "./source.ts";
import { readXml, type XmlElement } from "./xml.ts";

const { sheetsMax, tableRowsMax, tableColumnsMax, partsBytesMax } = LIMITS.convert;

interface Sheet {
  name: string;
  isHidden: boolean;
  relation: string;
}

interface Workbook {
  source: Source;
  strings: string[];
  shapes: Shape[];
  is1904: boolean;
}

export function xlsxToMarkdown(source: Source): string {
  const archive = new Archive(source);
  const main = mainPart(archive, source);
  const relations = relationsOf(archive, source, main.name);
  const { sheets, is1904 } = sheetsOf(main, source);
  const strings = partOfKind(archive, relations, "sharedStrings");
  const styles = partOfKind(archive, relations, "styles");
  const workbook: Workbook = {
    source,
    is1904,
    strings: strings === undefined ? [] : stringsOf(strings, source),
    shapes: styles === undefined ? [] : shapesOf(styles, source),
  };
  const writer = new MarkdownWriter(source);
  for (const sheet of sheets) {
    const part = relations.get(sheet.relation);
    const bytes = part === undefined || part.isExternal ? undefined : archive.part(part.target);
    writer.heading(2, plainCell(seen(sheet.name, source)) + (sheet.isHidden ? " (hidden)" : ""));
    // A sheet that is only a chart has no cells.
    if (part === undefined || bytes === undefined || part.kind !== "worksheet") continue;
    const owned = relationsOf(archive, source, part.target);
    new SheetReader(workbook, owned, part.target).write(bytes, writer);
    for (const shown of drawingsOf(archive, source, owned)) writer.paragraph(shown);
  }
  return writer.end();
}

function sheetsOf(
  { name, bytes }: { name: string; bytes: Uint8Array },
  source: Source,
): { sheets: Sheet[]; is1904: boolean } {
  const sheets: Sheet[] = [];
  let is1904 = false;
  readXml(
    bytes,
    name,
    source,
    {
      open: ({ name, attributes }) => {
        if (name === "s:workbookPr") is1904 = /^(?:1|true)$/.test(attributes.date1904 ?? "");
        if (name !== "s:sheet") return;
        const isHidden = (attributes.state ?? "visible") !== "visible";
        sheets.push({ name: attributes.name ?? "", isHidden, relation: attributes.id ?? "" });
      },
    },
    "s:workbook",
  );
  if (sheets.length > sheetsMax) throw source.tooMuch(`has ${sheets.length} sheets, ${sheetsMax} are the most`);
  return { sheets, is1904 };
}

/** Texts that cells refer to; how they are read aloud is left out. */
function stringsOf({ name, bytes }: { name: string; bytes: Uint8Array }, source: Source): string[] {
  const strings: string[] = [];
  let [text, isText, spoken, size] = ["", false, 0, 0];
  readXml(bytes, name, source, {
    open: ({ name }) => {
      if (name === "s:si") text = "";
      else if (name === "s:rPh") spoken += 1;
      else if (name === "s:t") isText = spoken === 0;
    },
    text: (piece) => {
      if (isText) text += piece;
    },
    close: (name) => {
      if (name === "s:t") isText = false;
      else if (name === "s:rPh") spoken -= 1;
      else if (name === "s:si") {
        strings.push(unescaped(text));
        size += text.length;
        if (size > partsBytesMax) throw source.tooMuch("has too much text");
      }
    },
  });
  return strings;
}

/** `_x000D_` stands for a character that XML would change. */
function unescaped(text: string): string {
  return text.replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** What the number format of each style shows. */
function shapesOf({ name, bytes }: { name: string; bytes: Uint8Array }, source: Source): Shape[] {
  const codes = new Map<number, string>();
  const ids: number[] = [];
  let isCells = false;
  readXml(bytes, name, source, {
    open: ({ name, attributes }) => {
      if (name === "s:numFmt") codes.set(Number(attributes.numFmtId), (attributes.formatCode ?? "").slice(0, 255));
      else if (name === "s:cellXfs") isCells = true;
      else if (name === "s:xf" && isCells) ids.push(Number(attributes.numFmtId ?? 0));
    },
    close: (name) => {
      if (name === "s:cellXfs") isCells = false;
    },
  });
  const known = new Map<number, Shape>();
  return ids.map((id) => {
    const shape = known.get(id) ?? shapeOf(id, codes);
    known.set(id, shape);
    return shape;
  });
}

/** `B7` as column 1, row 6. */
function placeOf(reference: string): { column: number; row: number } | undefined {
  const [, letters = "", digits = ""] = /^\$?([A-Za-z]{1,3})\$?(\d{1,7})$/.exec(reference) ?? [];
  if (letters === "") return undefined;
  const column = [...letters.toUpperCase()].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  return { column, row: Number(digits) - 1 };
}

interface Cell {
  text: string;
  isCode?: boolean;
}

class SheetReader {
  private readonly workbook: Workbook;
  private readonly relations: Map<string, Relation>;
  private readonly part: string;
  /** Rows that hold something, by their number. */
  private readonly rows = new Map<number, Cell[]>();
  private rowCount = 0;
  private row = -1;
  private column = -1;
  private isRowUsed = false;
  private columnsLost = false;
  private kind = "";
  private shape: Shape = "number";
  private value = "";
  private formula = "";
  private reading: "value" | "formula" | undefined;
  private readonly links: { reference: string; address: string }[] = [];

  constructor(workbook: Workbook, relations: Map<string, Relation>, part: string) {
    this.workbook = workbook;
    this.relations = relations;
    this.part = part;
  }

  write(bytes: Uint8Array, writer: MarkdownWriter): void {
    const { source } = this.workbook;
    readXml(bytes, this.part, source, {
      open: (element) => this.open(element),
      text: (text) => {
        if (this.reading === "value") this.value += text;
        else if (this.reading === "formula") this.formula += text;
      },
      close: (name) => this.close(name),
    });
    if (this.columnsLost) source.warn(`Columns after the first ${tableColumnsMax} are not shown.`);
    const addresses = new Map(this.links.map(({ reference, address }) => [reference, address]));
    const first = Math.min(...[...this.rows.values()].map((cells) => cells.findIndex((cell) => cell !== undefined)));
    const rows = [...this.rows].map(([row, cells]) =>
      Array.from(cells, (cell, column) => this.cellText(cell, addresses.get(`${row}:${column}`))).slice(
        Number.isFinite(first) ? first : 0,
      ),
    );
    writer.table(rows, this.rowCount);
  }

  private cellText(cell: Cell | undefined, link: string | undefined): string {
    if (cell === undefined) return "";
    const inline = new Inline();
    inline.add(seen(cell.text, this.workbook.source), {
      ...(cell.isCode ? { code: true } : {}),
      ...(link === undefined ? {} : { link }),
    });
    return inline.take();
  }

  private open({ name, attributes }: XmlElement): void {
    if (name === "s:row") {
      this.row = attributes.r === undefined ? this.row + 1 : Number(attributes.r) - 1;
      this.column = -1;
      this.isRowUsed = false;
      if (attributes.hidden === "1") this.workbook.source.warn("Hidden rows are shown as the others.");
    } else if (name === "s:col" && attributes.hidden === "1")
      this.workbook.source.warn("Hidden columns are shown as the others.");
    else if (name === "s:c") {
      this.column = placeOf(attributes.r ?? "")?.column ?? this.column + 1;
      this.kind = attributes.t ?? "n";
      this.shape = this.workbook.shapes[Number(attributes.s ?? 0)] ?? "number";
      this.value = "";
      this.formula = "";
    } else if (name === "s:v" || name === "s:t") this.reading = "value";
    else if (name === "s:f") this.reading = "formula";
    else if (name === "s:rPh") this.reading = undefined;
    else if (name === "s:hyperlink") this.link(attributes);
  }

  private close(name: string): void {
    if (name === "s:v" || name === "s:t" || name === "s:f") this.reading = undefined;
    else if (name === "s:c") this.endCell();
    else if (name === "s:row" && this.isRowUsed) this.rowCount += 1;
  }

  private endCell(): void {
    const cell = this.cell();
    if (cell.text === "") return;
    this.isRowUsed = true;
    if (this.column >= tableColumnsMax) {
      this.columnsLost = true;
      return;
    }
    const known = this.rows.get(this.row);
    if (known !== undefined) known[this.column] = cell;
    else if (this.rows.size <= tableRowsMax) {
      const cells: Cell[] = [];
      cells[this.column] = cell;
      this.rows.set(this.row, cells);
    }
  }

  private cell(): Cell {
    const { strings, is1904, source } = this.workbook;
    const { kind, value } = this;
    if (kind === "s") return { text: strings[Number(value)] ?? "" };
    if (kind === "inlineStr" || kind === "str") return { text: unescaped(value) };
    if (kind === "b") return { text: value === "" ? "" : value === "1" ? "TRUE" : "FALSE" };
    if (kind === "e") return { text: value };
    if (kind === "d") return { text: value.replace("T", " ").replace(/ 00:00:00(?:\.0+)?Z?$/, "") };
    if (value === "" && this.formula !== "") {
      source.warn("Formulas without a stored value are shown as formulas.");
      return { text: `=${this.formula}`, isCode: true };
    }
    return { text: numberText(value, this.shape, is1904) };
  }

  private link({ ref = "", id = "" }: Record<string, string>): void {
    const [from = "", to = from] = ref.split(":");
    const place = from === to ? placeOf(from) : undefined;
    const address = addressOf(this.relations.get(id)?.isExternal ? (this.relations.get(id)?.target ?? "") : "");
    if (place !== undefined && address !== undefined && this.links.length < tableRowsMax * 4)
      this.links.push({ reference: `${place.row}:${place.column}`, address });
  }
}

/** Pictures and charts of a sheet by the texts they have. */
function drawingsOf(archive: Archive, source: Source, owned: Map<string, Relation>): string[] {
  const drawing = partOfKind(archive, owned, "drawing");
  if (drawing === undefined) return [];
  const shown: string[] = [];
  let kind = "";
  readXml(drawing.bytes, drawing.name, source, {
    open: ({ name, attributes }) => {
      if (name === "xdr:pic" || name === "xdr:graphicFrame") kind = name;
      if (name !== "xdr:cNvPr" || kind === "" || shown.length >= sheetsMax) return;
      const words = seen(attributes.descr ?? attributes.title ?? attributes.name ?? "", source);
      shown.push(kind === "xdr:pic" ? imageOf(words, undefined) : `Chart: ${plainCell(words)}`);
      kind = "";
    },
  });
  return shown;
}
