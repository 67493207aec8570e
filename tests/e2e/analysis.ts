// Judges what the analysis of a table delivered against a plain recomputation from the table itself.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type ReadSlide, readDeck } from "../kit/deck.ts";
import { type ColumnFigures, columnFigures, dateColumn, groupFigures, numericColumns } from "../kit/figures.ts";
import { openXmlProblems } from "../kit/open-xml.ts";
import type { TestTable } from "../kit/tables.ts";
import { type Cell, readWorkbook, type Sheet, sheetOf, type Workbook } from "../kit/workbook.ts";

/** Figures are sums of doubles in one order or another. */
const DIGITS = 9;
/** The report writes four decimals. */
const REPORT_DIGITS = 4;
const REPORT_GROUPS = 60;

type Figures = Omit<ColumnFigures, "name">;

/** The first text column whose values repeat, where there is no date. */
function groupingOf(table: TestTable): string {
  const dated = dateColumn(table);
  if (dated !== undefined) return dated;
  const numbers = new Set(numericColumns(table));
  const repeats = (place: number): boolean =>
    new Set(table.rows.map((row) => row[place])).size <= table.rows.length / 2;
  return table.header.find((name, place) => !numbers.has(name) && repeats(place)) ?? "";
}

/** Works a formula of the summary out from the cells it points to. */
function workedOut(formula: string, workbook: Workbook): number {
  const [, sheetName = "", column = "", first = "", last = ""] =
    /\(?'?([^'!(]+)'?!\$?([A-Z]+)\$?(\d+):\$?[A-Z]+\$?(\d+)\)/.exec(formula) ?? [];
  const { cells } = sheetOf(workbook, sheetName);
  const values: number[] = [];
  for (let row = Number(first); row <= Number(last); row += 1) {
    const value = cells.get(`${column}${row}`)?.value;
    if (typeof value === "number") values.push(value);
  }
  const rows = Number(last) - Number(first) + 1;
  if (/^=?COUNT\(/.test(formula)) return values.length;
  if (/^=?ROWS\([^)]*\)-COUNT\(/.test(formula)) return rows - values.length;
  if (/^=?MIN\(/.test(formula)) return values.reduce((a, b) => Math.min(a, b));
  if (/^=?MAX\(/.test(formula)) return values.reduce((a, b) => Math.max(a, b));
  if (/^=?AVERAGE\(/.test(formula)) return values.reduce((a, b) => a + b, 0) / values.length;
  throw new Error(`no figure of a summary: ${formula}`);
}

function judgeSummary(sheet: Sheet, workbook: Workbook, table: TestTable): void {
  const expected = columnFigures(table);
  const headers = (sheet.rows[0] ?? []).map(String);
  expect(headers).toEqual(["Column", "Count", "Missing", "Min", "Mean", "Max"]);
  expect(sheet.rows.slice(1).map(([name]) => name)).toEqual(expected.map(({ name }) => name));
  for (const [place, { count, missing, min, mean, max }] of expected.entries()) {
    for (const [at, figure] of [count, missing, min, mean, max].entries()) {
      const cell: Cell | undefined = sheet.cells.get(`${"BCDEF"[at]}${place + 2}`);
      expect(cell?.value).toBeCloseTo(figure, DIGITS);
      expect(workedOut(cell?.formula ?? "", workbook)).toBeCloseTo(figure, DIGITS);
    }
  }
}

function judgeData(sheet: Sheet, table: TestTable): void {
  const numbers = new Set(numericColumns(table));
  expect(sheet.rows[0]).toEqual(table.header);
  expect(sheet.rows.length).toBe(table.rows.length + 1);
  for (const [place, name] of table.header.entries()) {
    if (!numbers.has(name)) continue;
    // A minus before zero is not kept by a workbook.
    const value = (text = ""): number | string => (text === "" ? "" : Number(text) + 0);
    const wrong = table.rows.flatMap((row, at) =>
      value(row[place]) === (sheet.rows[at + 1]?.[place] ?? "") ? [] : [at],
    );
    expect(wrong).toEqual([]);
  }
}

function judgeGroups(sheet: Sheet, table: TestTable): void {
  const groups = [...groupFigures(table, groupingOf(table))];
  const rows = sheet.rows.slice(1);
  // A month may be kept as a text or as a date: its place in the order says which it is.
  expect(rows.length).toBe(groups.length);
  for (const [place, [, figures]] of groups.entries()) {
    for (const [at, { count, mean }] of figures.entries()) {
      const value = rows[place]?.[at + 2];
      if (count === 0) expect(value ?? "").toBe("");
      else expect(value).toBeCloseTo(mean, DIGITS);
    }
  }
}

/** Cells of each table row of a Markdown text, unescaped. */
function markdownRows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/\\(.)/g, "$1")),
    );
}

function expectRow(row: string[] | undefined, figures: (number | undefined)[]): void {
  expect(row?.length).toBe(figures.length + 1);
  for (const [at, figure] of figures.entries()) {
    const cell = row?.[at + 1] ?? "";
    if (figure === undefined) expect(cell).toBe("–");
    else expect(Number(cell)).toBeCloseTo(figure, REPORT_DIGITS - 1);
  }
}

const listed = ({ count, missing, min, mean, max }: Figures): number[] => [count, missing, min, mean, max];

export function judgeReport(text: string, table: TestTable): void {
  const rows = markdownRows(text);
  for (const figures of columnFigures(table)) {
    expectRow(
      rows.find(([name]) => name === figures.name),
      listed(figures),
    );
    for (const [kind, value] of [
      ["highest", figures.max],
      ["lowest", figures.min],
    ] as const)
      expect(text).toContain(`- ${kind} ${figures.name}: ${Number(value.toFixed(REPORT_DIGITS))} (`);
    if (figures.missing > 0) expect(text).toContain(`- ${figures.name}: missing value, ${figures.missing}\u00d7`);
    else expect(text).not.toContain(`- ${figures.name}: missing value`);
  }
  const by = groupingOf(table);
  const place = table.header.indexOf(by);
  const length = by === dateColumn(table) ? 7 : undefined;
  for (const [name, figures] of [...groupFigures(table, by)].slice(0, REPORT_GROUPS)) {
    const size = table.rows.filter((row) => (row[place] ?? "").slice(0, length) === name).length;
    const means = figures.map(({ count, mean }) => (count === 0 ? undefined : mean));
    expectRow(
      rows.find(([first]) => first === name),
      [size, ...means],
    );
  }
}

/** What another reader sees in the deck: five titles, the summary, each end of the columns. */
async function judgeDeck(path: string, table: TestTable): Promise<void> {
  expect(await openXmlProblems(path)).toEqual([]);
  const { slides } = readDeck(path);
  expect(new Set(slides.map(({ title }) => title ?? "")).size).toBe(5);
  for (const { title } of slides) expect(title?.length ?? 0).toBeGreaterThan(5);
  const [cover, summary, groups, findings, method] = slides;
  expect(cover?.title).toBe(`Analysis of ${table.name}`);
  expect(wordsOf(cover)).toContain(`${table.rows.length} rows, ${table.header.length} columns`);
  const rows = summary?.shapes.find((shape) => shape.table !== undefined)?.table ?? [];
  const expected = columnFigures(table);
  expect(rows[0]).toEqual(["Column", "Count", "Missing", "Min", "Mean", "Max"]);
  expect(rows.length).toBe(expected.length + 1);
  for (const [at, figures] of expected.entries()) expectRow(rows[at + 1], listed(figures));
  judgeGroupSlide(groups, table);
  for (const { name, max, min } of expected) {
    const shown = (figure: number): number => Number(figure.toFixed(REPORT_DIGITS));
    const line = wordsOf(findings)
      .split("\n")
      .find((words) => words.startsWith(`${name}: highest ${shown(max)} (`));
    expect(line).toContain(`, lowest ${shown(min)} (`);
  }
  expect(wordsOf(method)).toContain("How it was done");
}

const wordsOf = (slide: ReadSlide | undefined): string =>
  (slide?.shapes ?? []).flatMap(({ text }) => (text ?? []).map(([, words]) => words)).join("\n");

/** A chart whose words name the groups with the highest and the lowest mean, or the groups as a table. */
function judgeGroupSlide(slide: ReadSlide | undefined, table: TestTable): void {
  const groups = [...groupFigures(table, groupingOf(table))].map(([name, [first]]) => ({ name, first }));
  const filled = groups.filter(({ first }) => (first?.count ?? 0) > 0);
  const means = filled.map(({ first }) => first?.mean ?? 0);
  const of = (mean: number): string => filled[means.indexOf(mean)]?.name ?? "";
  expect(slide?.title).toContain(`is highest in ${of(Math.max(...means))}, lowest in ${of(Math.min(...means))}`);
  const rows = slide?.shapes.find((shape) => shape.table !== undefined)?.table;
  if (rows === undefined) {
    const chart = slide?.shapes.find(({ picture }) => picture !== undefined)?.picture;
    expect(chart?.altText).toContain(`of ${groups.length} groups. `);
    expect(chart?.pixels[0]).toBeGreaterThan(1_000);
    return;
  }
  for (const [at, { name, first }] of groups.slice(0, rows.length - 1).entries()) {
    expect(rows[at + 1]?.[0]).toBe(name);
    expect(Number(rows[at + 1]?.[2])).toBeCloseTo(first?.mean ?? 0, REPORT_DIGITS - 1);
  }
}

/** Workbook, report and deck of a project, or those that were asked for. */
export async function judgeDelivery(
  folder: string,
  table: TestTable,
  { chartsBeside = 0, deck = true } = {},
): Promise<void> {
  const path = join(folder, "analysis.xlsx");
  expect(await openXmlProblems(path)).toEqual([]);
  const workbook = readWorkbook(path);
  judgeSummary(sheetOf(workbook, "Summary"), workbook, table);
  judgeData(sheetOf(workbook, "Data"), table);
  judgeGroups(sheetOf(workbook, /^By (month|category)$/), table);
  expect(workbook.charts.length - chartsBeside).toBe(Math.min(4, numericColumns(table).length));
  for (const sheet of workbook.sheets) expect([...sheet.cells.values()].filter((cell) => cell.error)).toEqual([]);
  judgeReport(readFileSync(join(folder, "report.md"), "utf8"), table);
  if (deck) await judgeDeck(join(folder, "deck.pptx"), table);
}
