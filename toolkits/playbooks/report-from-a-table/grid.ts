// Reads the whole table and finds its header.

import type { Cell, Tools } from "../playbook.ts";
import { isMissing, numberOf, plain } from "./values.ts";

/** Rows of one call. */
const PAGE_ROWS = 5_000;
/** Cells that fit the engine's heap with what is computed from them. */
const CELLS_MAX = 600_000;
const HEADER_CHARS_MAX = 80;

export interface Grid {
  headers: string[];
  /** Texts as they stand; numbers, booleans and null from workbooks. Each as long as the headers. */
  rows: Cell[][];
  separator: string | undefined;
  sheet: string | undefined;
  emptyRows: number;
  /** Rows above the header. */
  skippedRows: number;
  namedByUs: number;
  /** The last row, when it is called a total: whether it was one. */
  total?: { label: string; isLeftOut: boolean };
}

const textOf = (cell: Cell): string => (typeof cell === "string" ? plain(cell) : cell === null ? "" : String(cell));

export async function readGrid(tools: Tools, path: string, sheet: string | undefined): Promise<Grid> {
  const asked = sheet === undefined ? { path } : { path, sheet };
  let page = await tools.table.read({ ...asked, limit: PAGE_ROWS });
  if (page.rowsTotal * page.width > CELLS_MAX)
    throw new Error(
      `the table has ${page.rowsTotal} rows of ${page.width} cells; at most ${CELLS_MAX} cells can be analysed`,
    );
  const { separator, sheet: found } = page;
  const rows = page.rows;
  while (page.nextOffset !== undefined) {
    page = await tools.table.read({ ...asked, offset: page.nextOffset, limit: PAGE_ROWS });
    for (const row of page.rows) rows.push(row);
  }
  const full = rows.map((row) => row.map((cell) => (typeof cell === "string" ? plain(cell) : cell)));
  return shaped(full, separator, found);
}

const filled = (row: Cell[]): number => row.filter((cell) => textOf(cell) !== "").length;

function shaped(rows: Cell[][], separator: string | undefined, sheet: string | undefined): Grid {
  const width = Math.max(0, ...rows.slice(0, 200).map(filled));
  // A title above a table fills a cell or two of many.
  const isAbove = (row: Cell[]): boolean => filled(row) === 0 || (width >= 3 && filled(row) <= width / 3);
  let start = 0;
  while (start < rows.length && isAbove(rows[start] ?? [])) start += 1;
  const body = rows.slice(start).filter((row) => filled(row) > 0);
  const emptyRows = rows.length - start - body.length;
  if (body.length === 0) throw new Error("the table has no rows");
  const hasHeader = isHeader(body);
  const data = hasHeader ? body.slice(1) : body;
  if (data.length === 0) throw new Error("the table has a header and no rows");
  const columns = body.reduce((most, row) => Math.max(most, row.length), 0);
  const { headers, namedByUs } = names(hasHeader ? (body[0] ?? []) : [], columns);
  const used = headers.map(
    (_, at) => hasName(hasHeader ? body[0]?.[at] : null) || data.some((row) => textOf(row[at] ?? null) !== ""),
  );
  const keep = headers.map((_, at) => at).filter((at) => used[at]);
  return {
    headers: keep.map((at) => headers[at] ?? ""),
    rows: data.map((row) => keep.map((at) => row[at] ?? null)),
    separator,
    sheet,
    emptyRows,
    skippedRows: start,
    namedByUs: hasHeader ? namedByUs : keep.length,
  };
}

const hasName = (cell: Cell | undefined): boolean => textOf(cell ?? null) !== "";

const isNumber = (cell: Cell): boolean =>
  typeof cell === "number" ||
  (typeof cell === "string" && (numberOf(cell, "point") ?? numberOf(cell, "comma")) !== undefined);

/** Rows looked at below names that are years. */
const BELOW_ROWS = 20;

const isYear = (cell: Cell): boolean => {
  const year = Number(textOf(cell));
  return Number.isInteger(year) && year >= 1900 && year <= 2100;
};

/** Names stand above values: none of them is a number, but years that rise or fall may be, unless years stand below them too. */
function isHeader(body: Cell[][]): boolean {
  const first = (body[0] ?? []).filter((cell) => textOf(cell) !== "");
  if (body.length < 2) return first.every((cell) => typeof cell === "string" && !isNumber(cell));
  const numbers = first.filter(isNumber);
  if (numbers.length === 0) return first.some((cell) => typeof cell === "string" && !isMissing(cell));
  if (numbers.length < 2 || numbers.length === first.length || !numbers.every(isYear)) return false;
  const years = numbers.map((cell) => Number(textOf(cell)));
  const steps = years.slice(1).map((year, at) => year - (years[at] ?? 0));
  if (steps.every((step) => step === 1)) return true;
  if (!steps.every((step) => step > 0) && !steps.every((step) => step < 0)) return false;
  const places = (body[0] ?? []).flatMap((cell, at) => (isNumber(cell) ? [at] : []));
  const below = body.slice(1, 1 + BELOW_ROWS);
  return below.some((row) => places.some((at) => textOf(row[at] ?? null) !== "" && !isYear(row[at] ?? null)));
}

function names(header: Cell[], columns: number): { headers: string[]; namedByUs: number } {
  const taken = new Set<string>();
  let namedByUs = 0;
  const headers: string[] = [];
  for (let at = 0; at < columns; at += 1) {
    const own = [...textOf(header[at] ?? null)].slice(0, HEADER_CHARS_MAX).join("").trim();
    if (own === "") namedByUs += 1;
    const base = own === "" ? `Column ${at + 1}` : own;
    let name = base;
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) name = `${base} (${number})`;
    taken.add(name.toLowerCase());
    headers.push(name);
  }
  return { headers, namedByUs };
}
