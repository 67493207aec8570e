// The script that compares the table with one read from a page. Arguments: the table's path, the path to write, the page's table as
// JSON `{ columns, rows }` of texts.

import { READ_TABLE } from "./read-table.ts";

export interface Comparison {
  file: string;
  /** What of the table was compared: `2015`, or `all rows`. */
  period: string;
  /** How the rows are named: by month, or by a category. */
  by: "month" | "category";
  /** Columns that both have. */
  columns: string[];
  /** Rows of the page that were found in the table. */
  matched: number;
  rows: { name: string; cells: { value: number | null; reference: number | null; difference: number | null }[] }[];
  /** The row that differs most, for each column. */
  largest: { column: string; name: string; value: number; reference: number; difference: number }[];
}

/** Rows an answer names; all of them are in the file. */
const ROWS_NAMED_MAX = 60;

export const COMPARE = `${READ_TABLE}const ROWS_NAMED_MAX = ${ROWS_NAMED_MAX};
${String.raw`
const table = readTable(process.argv[2]);
const file = process.argv[3];
const reference = JSON.parse(process.argv[4]);
const NAMES = "january february march april may june july august september october november december".split(" ");
const words = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
const figure = (text) => {
  const value = Number(String(text ?? "").trim());
  return String(text ?? "").trim() === "" || Number.isNaN(value) ? null : value;
};
const pairs = table.numbers.flatMap((column) => {
  const place = reference.columns.findIndex((header, at) => at > 0 && (" " + words(header) + " ").includes(" " + words(column.name) + " "));
  return place < 0 ? [] : [{ column, place }];
});
const monthOfLabel = (label) => NAMES.findIndex((name) => name === words(label) || name.slice(0, 3) === words(label)) + 1;
const byMonth = table.date !== null && reference.rows.some((row) => monthOfLabel(row[0] ?? "") > 0);
const years = table.date === null ? [] : known(table.date).map((text) => text.slice(0, 4));
const newest = byMonth && years.length > 0 ? most(years) : null;
const keyOfRow = (row) => {
  if (!byMonth) return words(String((table.category ?? table.date)?.values[row] ?? ""));
  const date = table.date.values[row];
  return date === null || date.slice(0, 4) !== newest ? "" : String(Number(date.slice(5, 7)));
};
const groups = new Map();
for (let row = 0; row < table.rows; row += 1) {
  const key = keyOfRow(row);
  if (key !== "") groups.set(key, [...(groups.get(key) ?? []), row]);
}
const rows = reference.rows.flatMap((row) => {
  const label = row[0] ?? "";
  const own = groups.get(byMonth ? String(monthOfLabel(label)) : words(label));
  if (own === undefined) return [];
  const cells = pairs.map(({ column, place }) => {
    const values = own.map((at) => column.values[at]).filter((value) => value !== null);
    const value = values.length === 0 ? null : mean(values);
    const given = figure(row[place]);
    return { value, reference: given, difference: value === null || given === null ? null : value - given };
  });
  return [{ name: short(label), cells }];
});
const largest = rows.length === 0 ? [] : pairs.flatMap(({ column }, at) => {
  const filled = rows.filter((row) => row.cells[at].difference !== null);
  if (filled.length === 0) return [];
  const far = filled.reduce((best, row) => (Math.abs(row.cells[at].difference) > Math.abs(best.cells[at].difference) ? row : best));
  return [{ column: short(column.name), name: far.name, ...far.cells[at] }];
});
const header = [byMonth ? "Month" : "Group", ...pairs.flatMap(({ column }) => [column.name, "Reference " + column.name, "Difference " + column.name])];
fs.writeFileSync(file, csvOf([header, ...rows.map((row) => [row.name, ...row.cells.flatMap((cell) => [cell.value, cell.reference, cell.difference])])]));
answer({
  file, period: newest ?? "all rows", by: byMonth ? "month" : "category", columns: pairs.map(({ column }) => short(column.name)),
  matched: rows.length, rows: rows.slice(0, ROWS_NAMED_MAX), largest,
});
`}`;
