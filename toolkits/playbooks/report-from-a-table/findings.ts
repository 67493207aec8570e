// What the first task hands to the others: figures, the comparison, and what is wrong with the table. Small enough to be a result.

import type { Column, Figures } from "./columns.ts";
import type { Grid } from "./grid.ts";
import type { Groups } from "./groups.ts";
import { shown } from "./values.ts";

/** Columns whose figures are handed on. */
const COLUMNS_MAX = 40;
const RESULT_CHARS_MAX = 30_000;
const TOP_MAX = 5;

export interface Issue {
  column: string;
  issue: string;
  rows: number;
  shown: string;
}

export interface Findings {
  path: string;
  sheet?: string;
  rows: number;
  columns: number;
  cells: number;
  missing: number;
  figures: Figures[];
  columnsLeft: number;
  groups: Groups;
  /** Of the measure and the key of the groups, which may lie beyond the figures. */
  measure?: Figures;
  key: Figures;
  issues: Issue[];
}

export function findingsOf(path: string, grid: Grid, columns: Column[], groups: Groups): Findings {
  const all = columns.map((column) => column.figures);
  const empty: Figures = { name: "", kind: "empty", values: 0, missing: 0, distinct: 0, unread: 0, unreadShown: [] };
  const figures = all.slice(0, COLUMNS_MAX).map((one) => slim(one));
  const findings: Findings = {
    path,
    ...(grid.sheet === undefined ? {} : { sheet: grid.sheet }),
    rows: grid.rows.length,
    columns: all.length,
    cells: grid.rows.length * all.length,
    missing: all.reduce((sum, one) => sum + one.missing, 0),
    figures,
    columnsLeft: all.length - figures.length,
    groups,
    ...(groups.measure === undefined ? {} : { measure: slim(all[groups.measure] ?? empty) }),
    key: slim(all[groups.key] ?? empty),
    issues: issuesOf(grid, all),
  };
  while (JSON.stringify(findings).length > RESULT_CHARS_MAX && findings.figures.length > 8) {
    findings.figures.pop();
    findings.columnsLeft += 1;
    findings.issues = findings.issues.slice(0, 60);
  }
  return findings;
}

const slim = (one: Figures): Figures => ({
  ...one,
  ...(one.top === undefined
    ? {}
    : { top: one.top.slice(0, TOP_MAX).map(({ value, count }) => ({ value: short(value, 40), count })) }),
});

export function short(text: string, most: number): string {
  const letters = [...text];
  return letters.length <= most
    ? text
    : `${letters
        .slice(0, most - 1)
        .join("")
        .trimEnd()}…`;
}

function issuesOf(grid: Grid, figures: Figures[]): Issue[] {
  const all = grid.rows.length;
  const issues: Issue[] = [];
  const tell = (column: string, rows: number, issue: string, shown = ""): void => {
    if (rows > 0) issues.push({ column, issue, rows, shown });
  };
  for (const one of figures) {
    const { name, kind, values, missing } = one;
    if (kind === "empty") tell(name, all, "no values at all");
    else tell(name, missing, "missing values", `${shown((100 * missing) / all)} % of the rows`);
    tell(name, one.unread, `values that are no ${kind}, left out of its figures`, one.unreadShown.join(", "));
    const twice = "could be read two ways;";
    if (one.guessed && kind === "number")
      tell(name, values, `${twice} the decimal mark was taken to be a ${one.mark ?? "point"}`);
    tell(name, one.sharesAmong ?? 0, "percent signs beside numbers without one; 5% was read as 0.05");
    const currencies = one.currencies?.join(", ");
    if (currencies) tell(name, values, "more than one currency, added up as if they were one", currencies);
    if (one.guessed && kind === "date") tell(name, values, `${twice} the day was taken to come first`, one.first);
  }
  tell("", duplicates(grid), "rows that repeat an earlier one in every cell, kept");
  const { total } = grid;
  const isTotal = total?.isLeftOut
    ? "a closing row of totals, left out"
    : "the last row is called a total but its numbers are not the sums; it was kept";
  if (total) tell("", 1, isTotal, short(total.label, 60));
  tell("", grid.emptyRows, "empty rows, left out");
  tell("", grid.skippedRows, "rows above the table, left out");
  tell("", grid.namedByUs, "columns without a name, given one");
  return issues;
}

function duplicates(grid: Grid): number {
  const seen = new Set<string>();
  let doubles = 0;
  for (const row of grid.rows) {
    const key = JSON.stringify(row);
    if (seen.has(key)) doubles += 1;
    else seen.add(key);
  }
  return doubles;
}

/** What a reader should know first. */
export function keyFacts(findings: Findings): string[] {
  const { groups, measure } = findings;
  const facts = [
    `${shown(findings.rows)} rows in ${shown(findings.columns)} columns were read from ${short(findings.path, 60)}.`,
    findings.missing === 0
      ? "No value is missing."
      : `${shown(findings.missing)} of ${shown(findings.cells)} cells are empty (${shown((100 * findings.missing) / findings.cells)} %).`,
  ];
  if (measure !== undefined && measure.values > 0) {
    const name = short(measure.name, 40);
    facts.push(
      `${name}: ${shown(measure.mean ?? 0)} on average, from ${shown(measure.min ?? 0)} to ${shown(measure.max ?? 0)}; half of the values are at most ${shown(measure.median ?? 0)}.`,
    );
  }
  const isMean = groups.by === "category" || groups.by === "period";
  const sorted = groups.groups
    .filter((group) => group.count > 0)
    .sort((a, b) => (isMean ? (b.mean ?? 0) - (a.mean ?? 0) : b.count - a.count));
  const [most, least] = [sorted[0], sorted.at(-1)];
  if (most !== undefined && least !== undefined && sorted.length > 1) {
    if (isMean)
      facts.push(
        `By ${short(groups.what, 40)}, the average is highest for ${short(most.label, 40)} (${valueShown(most.mean)}) and lowest for ${short(least.label, 40)} (${valueShown(least.mean)}).`,
      );
    else facts.push(`Most frequent: ${short(most.label, 40)} (${shown(most.count)} rows).`);
  }
  const { length } = findings.issues;
  if (length === 1) facts.push("One point about the table's quality is told at the end.");
  if (length > 1) facts.push(`${shown(length)} points about the table's quality are listed at the end.`);
  return facts;
}

/** What the chart shows, in words. */
export function chartTitle(findings: Findings): string {
  const { groups, measure } = findings;
  const name = short(measure?.name ?? "", 50);
  if (groups.by === "period") return `${name}: average by ${groups.what}`;
  if (groups.by === "category") return `${name}: average by ${short(groups.what, 50)}`;
  if (groups.by === "size") return `${name}: how many rows by size`;
  return `${short(groups.what, 50)}: how many rows`;
}

export const valueShown = (value: number | null | undefined): string => shown(value ?? Number.NaN);

/** The numbers that are drawn; null leaves a gap. */
export const drawn = (findings: Findings): (number | null)[] =>
  findings.groups.groups.map((group) =>
    findings.groups.by === "period" || findings.groups.by === "category" ? group.mean : group.count,
  );

export function drawing(findings: Findings): Record<string, unknown> {
  const { groups } = findings;
  const values = drawn(findings);
  const title = chartTitle(findings);
  const isMean = groups.by === "period" || groups.by === "category";
  return {
    kind: groups.by === "period" ? "line" : "bar",
    title,
    categories: groups.groups.map((group, at) => short(group.label, 40) || `Group ${at + 1}`),
    series: [{ name: isMean ? short(findings.measure?.name ?? "Average", 60) : "Rows", values }],
    altText: short(
      `${title}. ${groups.groups
        .slice(0, 12)
        .map((group, at) => `${short(group.label, 30)}: ${valueShown(values[at])}`)
        .join("; ")}.`,
      900,
    ),
    xTitle: short(groups.what, 60) || "Group",
    yTitle: isMean ? "Average" : "Rows",
  };
}
