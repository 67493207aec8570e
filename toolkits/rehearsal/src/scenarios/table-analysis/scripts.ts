// The scripts the workers run: each is the reading part and one question. Arguments: the table's path, then paths to write.

import { READ_TABLE } from "./read-table.ts";

/** Most numeric columns an answer names; a model's answer has its own limit. */
export const COLUMNS_MAX = 40;
/** Most groups an answer names; all of them are in the file. */
export const GROUPS_NAMED_MAX = 60;

const LIMITS = `const COLUMNS_MAX = ${COLUMNS_MAX};\nconst GROUPS_NAMED_MAX = ${GROUPS_NAMED_MAX};\n`;

function script(body: string): string {
  return READ_TABLE + LIMITS + body;
}

export interface Profile {
  path: string;
  rows: number;
  delimiter: string;
  columnCount: number;
  numberCount: number;
  /** The first `COLUMNS_MAX` numeric columns; `place` counts from 0. */
  numbers: {
    name: string;
    place: number;
    count: number;
    missing: number;
    min: number | null;
    mean: number | null;
    max: number | null;
  }[];
  dates: { name: string; count: number; missing: number; first: string; last: string }[];
  texts: { name: string; count: number; missing: number; distinct: number; most: string | null; times: number }[];
}

export const PROFILE = script(`
const table = readTable(process.argv[2]);
const numbers = table.numbers.slice(0, COLUMNS_MAX).map((column) => {
  const values = known(column);
  const figures = { min: least(values), mean: mean(values), max: most(values) };
  return { name: short(column.name), place: column.place, count: values.length, missing: table.rows - values.length, ...figures };
});
const dates = table.columns.filter((column) => column.kind === "date").slice(0, 10).map((column) => {
  const values = known(column);
  return { name: short(column.name), count: values.length, missing: table.rows - values.length, first: least(values), last: most(values) };
});
const texts = table.columns.filter((column) => column.kind === "text").slice(0, 30).map((column) => {
  const counts = new Map();
  for (const value of known(column)) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [top, times] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [null, 0]);
  const count = table.rows - column.missing;
  return { name: short(column.name), count, missing: column.missing, distinct: counts.size, most: top === null ? null : short(top), times };
});
answer({
  path: table.path, rows: table.rows, delimiter: table.delimiter, columnCount: table.columns.length,
  numberCount: table.numbers.length, numbers, dates, texts,
});
`);

export interface Clean {
  file: string;
  rows: number;
  columnCount: number;
  /** Cells that read differently now. */
  changed: { trimmed: number; emptied: number; numbers: number; dates: number };
}

export const CLEAN = script(`
const table = readTable(process.argv[2]);
const file = process.argv[3];
const changed = { trimmed: 0, emptied: 0, numbers: 0, dates: 0 };
const cleaned = table.columns.map((column) => column.cells.map((cell, row) => {
  const original = table.records[row][column.place] ?? "";
  const value = column.values[row];
  const empty = value === null && (column.kind === "text" || MISSING_VALUE.test(cell));
  const text = empty ? "" : value === null ? cell : String(value);
  if (text === original) return text;
  if (empty && cell !== "") changed.emptied += 1;
  else if (text === cell) changed.trimmed += 1;
  else if (column.kind === "number") changed.numbers += Number(Number(cell) !== value);
  else changed.dates += 1;
  return text;
}));
const rows = Array.from({ length: table.rows }, (_, row) => cleaned.map((column) => column[row]));
fs.writeFileSync(file, csvOf([table.columns.map((column) => column.name), ...rows]));
answer({ file, rows: table.rows, columnCount: table.columns.length, changed });
`);

export interface Groups {
  file: string;
  by: "month" | "category" | "none";
  /** Header of the column the rows are put together by; empty for `none`. */
  column: string;
  count: number;
  /** Names of the numeric columns, in the order of each group's means. */
  numbers: string[];
  /** The first `GROUPS_NAMED_MAX`. */
  groups: { name: string; rows: number; means: (number | null)[] }[];
  /** Group with the highest and the lowest mean of each numeric column. */
  peaks: { column: string; high: string; highMean: number; low: string; lowMean: number }[];
}

export const GROUPS = script(`
const table = readTable(process.argv[2]);
const file = process.argv[3];
const by = table.date ? "month" : table.category ? "category" : "none";
const column = table.date ?? table.category;
const nameOf = (row) => {
  const value = column === null ? "all rows" : column.values[row];
  if (value === null) return "(missing)";
  return by === "month" ? value.slice(0, 7) : value;
};
const places = new Map();
for (let row = 0; row < table.rows; row += 1) {
  const name = nameOf(row);
  if (!places.has(name)) places.set(name, []);
  places.get(name).push(row);
}
const numbers = table.numbers.slice(0, COLUMNS_MAX);
const order = [...places.keys()].sort((a, b) => (a === "(missing)") - (b === "(missing)") || (a < b ? -1 : a > b ? 1 : 0));
const groups = order.map((name) => {
  const rows = places.get(name);
  const means = numbers.map((column) => {
    const values = rows.map((row) => column.values[row]).filter((value) => value !== null);
    return values.length === 0 ? null : mean(values);
  });
  return { name, rows: rows.length, means };
});
const title = by === "month" ? "Month" : by === "category" ? column.name : "Group";
const header = [title, "Rows", ...numbers.map((column) => "Mean of " + column.name)];
fs.writeFileSync(file, csvOf([header, ...groups.map((group) => [group.name, group.rows, ...group.means])]));
const peaks = numbers.flatMap((column, place) => {
  const filled = groups.filter((group) => group.means[place] !== null);
  if (filled.length === 0) return [];
  const high = filled.reduce((best, group) => (group.means[place] > best.means[place] ? group : best));
  const low = filled.reduce((best, group) => (group.means[place] < best.means[place] ? group : best));
  return [{ column: short(column.name), high: short(high.name), highMean: high.means[place], low: short(low.name), lowMean: low.means[place] }];
});
answer({
  file, by, column: column === null ? "" : short(column.name), count: groups.length,
  numbers: numbers.map((column) => short(column.name)),
  groups: groups.slice(0, GROUPS_NAMED_MAX).map((group) => ({ ...group, name: short(group.name), means: group.means.slice(0, 8) })), peaks,
});
`);

export interface Extremes {
  /** Rows count from 1 below the header; \`label\` tells the row by its date or its first text. */
  extremes: { column: string; kind: "highest" | "lowest"; value: number; row: number; label: string; times: number }[];
}

export const EXTREMES = script(`
const table = readTable(process.argv[2]);
const naming = table.date ?? table.columns.find((column) => column.kind === "text") ?? null;
const extreme = (column, kind, value) => {
  const row = column.values.indexOf(value);
  const times = column.values.filter((other) => other === value).length;
  return { column: short(column.name), kind, value, row: row + 1, label: short(naming?.values[row] ?? "row " + (row + 1)), times };
};
const extremes = table.numbers.slice(0, COLUMNS_MAX).flatMap((column) => [
  extreme(column, "highest", most(known(column))),
  extreme(column, "lowest", least(known(column))),
]);
answer({ extremes });
`);

export interface Quality {
  /** `examples`: rows (from 1 below the header) or values. */
  issues: { check: string; column: string; count: number; examples: string }[];
  /** The issues as a CSV file, then the checks that found nothing. */
  csv: string;
}

export const QUALITY = script(String.raw`
const table = readTable(process.argv[2]);
const issues = [];
const CHECKS = [
  "missing value", "not a number", "not a date", "far from the other values", "spelled in several ways", "the same in every row",
  "repeats an earlier row", "another number of cells than headers", "day without a row",
];
const rowsWhere = (values, test) => values.flatMap((value, row) => (test(value, row) ? [row + 1] : []));
const note = (check, column, count, examples) => {
  if (count > 0) issues.push({ check, column, count, examples: examples.slice(0, 5).map(short).join(" ") });
};
const numbered = (check, column, rows) => note(check, column, rows.length, rows.map((row) => "row " + row));
for (const column of table.columns) {
  const isMissing = column.kind === "text" ? MISSING : MISSING_VALUE;
  const name = short(column.name);
  numbered("missing value", name, rowsWhere(column.cells, (cell) => isMissing.test(cell)));
  if (column.kind !== "text")
    numbered("not a " + column.kind, name, rowsWhere(column.cells, (cell, row) => column.values[row] === null && !isMissing.test(cell)));
  if (column.kind === "number") {
    const sorted = known(column).sort((a, b) => a - b);
    const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
    const reach = 3 * (at(0.75) - at(0.25));
    const [low, high] = [at(0.25) - reach, at(0.75) + reach];
    if (reach > 0) numbered("far from the other values", name, rowsWhere(column.values, (value) => value !== null && (value < low || value > high)));
  }
  if (column.kind === "text") {
    const spellings = new Map();
    for (const value of new Set(known(column))) {
      const key = value.normalize("NFKC").toLowerCase().replace(/\s+/g, " ");
      spellings.set(key, [...(spellings.get(key) ?? []), value]);
    }
    const doubtful = [...spellings.values()].filter((list) => list.length > 1);
    note("spelled in several ways", name, doubtful.length, doubtful.map((list) => list.join(" / ")));
  }
  if (table.rows > 1 && new Set(column.values).size === 1) note("the same in every row", name, table.rows, [column.values[0] ?? "(missing)"]);
}
const seen = new Set();
const repeated = rowsWhere(table.records, (record) => {
  const key = JSON.stringify(record);
  return seen.has(key) || !seen.add(key);
});
numbered("repeats an earlier row", "(whole row)", repeated);
note("another number of cells than headers", "(whole row)", table.ragged, []);
if (table.date) {
  const days = [...new Set(known(table.date).filter((text) => text.length >= 10).map((text) => Date.parse(text.slice(0, 10)) / 86400000))].sort((a, b) => a - b);
  const steps = days.slice(1).map((day, place) => day - days[place]);
  const daily = steps.filter((step) => step === 1).length >= 0.5 * steps.length;
  const gaps = daily ? steps.flatMap((step, place) => (step > 1 ? [{ after: days[place], days: step - 1 }] : [])) : [];
  const total = gaps.reduce((sum, gap) => sum + gap.days, 0);
  note("day without a row", short(table.date.name), total, gaps.map((gap) => "after " + new Date(gap.after * 86400000).toISOString().slice(0, 10)));
}
const listed = issues.slice(0, 120);
const clear = CHECKS.filter((check) => !issues.some((issue) => issue.check === check)).map((check) => [check, "(every column)", 0, ""]);
const lines = listed.map((issue) => [issue.check, issue.column, issue.count, issue.examples]);
const csv = csvOf([["check", "column", "count", "examples"], ...lines, ...clear]);
answer({ issues: listed, csv });
`);
