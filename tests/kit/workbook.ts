// Reads a workbook from its own XML, without any library of spreadsheets: cells, formulas with cached values, charts.

import { readFileSync } from "node:fs";
import { XMLParser } from "fast-xml-parser";
import { strFromU8, unzipSync } from "fflate";

export interface Cell {
  /** `B7`. */
  at: string;
  /** Number, text, boolean; the cached value where there is a formula. */
  value: number | string | boolean | undefined;
  formula?: string;
  error?: true;
}

export interface Sheet {
  name: string;
  cells: Map<string, Cell>;
  /** Values by row, from A1 to the last used cell. */
  rows: Cell["value"][][];
}

export interface Workbook {
  sheets: Sheet[];
  /** Kinds of charts in drawings, as `lineChart`. */
  charts: string[];
  /** Names of the package's parts. */
  parts: string[];
}

type Node = Record<string, unknown>;

const LISTS = new Set(["sheet", "row", "c", "si", "r", "Relationship"]);
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: true,
  isArray: (name) => LISTS.has(name),
});

function nodes(value: unknown): Node[] {
  return value === undefined || value === "" ? [] : ([value].flat() as Node[]);
}

function text(value: unknown): string {
  if (typeof value === "object" && value !== null) return text((value as Node)["#text"] ?? "");
  return value === undefined ? "" : String(value);
}

/** Text of a shared or inline string, rich or not. */
function stringOf(item: Node): string {
  const runs = nodes(item.r);
  return runs.length > 0 ? runs.map((run) => text(run.t)).join("") : text(item.t);
}

function placeOf(at: string): [row: number, column: number] {
  const [, letters = "", digits = ""] = /^([A-Z]+)(\d+)$/.exec(at) ?? [];
  const column = [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0);
  return [Number(digits) - 1, column - 1];
}

function readCell(node: Node, strings: string[]): Cell {
  const at = text(node["@r"]);
  const kind = text(node["@t"]) || "n";
  const raw = node.v === undefined ? undefined : text(node.v);
  const cell: Cell = { at, value: undefined };
  if (kind === "s") cell.value = strings[Number(raw)];
  else if (kind === "inlineStr") cell.value = stringOf((node.is ?? {}) as Node);
  else if (kind === "b") cell.value = raw === "1";
  else if (kind === "str" || kind === "e" || kind === "d") cell.value = raw;
  else if (raw !== undefined && raw !== "") cell.value = Number(raw);
  if (kind === "e") cell.error = true;
  if (node.f !== undefined) cell.formula = text(node.f);
  return cell;
}

function readSheet(name: string, xml: Node, strings: string[]): Sheet {
  const cells = new Map<string, Cell>();
  const rows: Cell["value"][][] = [];
  const data = ((xml.worksheet as Node).sheetData ?? {}) as Node;
  for (const row of nodes(data.row)) {
    for (const node of nodes(row.c)) {
      const cell = readCell(node, strings);
      cells.set(cell.at, cell);
      const [rowAt, columnAt] = placeOf(cell.at);
      while (rows.length <= rowAt) rows.push([]);
      const values = rows[rowAt];
      if (values) values[columnAt] = cell.value;
    }
  }
  return { name, cells, rows };
}

export function readWorkbook(path: string): Workbook {
  const files = unzipSync(readFileSync(path));
  const xml = (part: string): Node => {
    const bytes = files[part];
    if (bytes === undefined) throw new Error(`${path} has no part ${part}`);
    return parser.parse(strFromU8(bytes)) as Node;
  };
  const strings = files["xl/sharedStrings.xml"]
    ? nodes((xml("xl/sharedStrings.xml").sst as Node).si).map(stringOf)
    : [];
  const links = new Map(
    nodes((xml("xl/_rels/workbook.xml.rels").Relationships as Node).Relationship).map((link) => [
      text(link["@Id"]),
      text(link["@Target"]),
    ]),
  );
  const listed = nodes(((xml("xl/workbook.xml").workbook as Node).sheets as Node).sheet);
  const sheets = listed.map((sheet) => {
    const target = links.get(text(sheet["@id"])) ?? "";
    return readSheet(text(sheet["@name"]), xml(target.startsWith("/") ? target.slice(1) : `xl/${target}`), strings);
  });
  const charts = Object.keys(files)
    .filter((part) => /^xl\/charts\/chart\d+\.xml$/.test(part))
    .flatMap((part) => [...strFromU8(files[part] ?? new Uint8Array()).matchAll(/<c:(\w+Chart)>/g)])
    .map((match) => match[1] ?? "");
  return { sheets, charts, parts: Object.keys(files) };
}

export function sheetOf(workbook: Workbook, name: RegExp | string): Sheet {
  const found = workbook.sheets.find((sheet) =>
    typeof name === "string" ? sheet.name === name : name.test(sheet.name),
  );
  if (!found) throw new Error(`no sheet ${name} among ${workbook.sheets.map((sheet) => sheet.name).join(", ")}`);
  return found;
}
