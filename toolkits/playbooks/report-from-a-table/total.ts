// A closing row of totals is no data: with it every sum would be twice as large.

import type { Cell } from "../playbook.ts";
import { type Column, columnsOf, type MarkChoice } from "./columns.ts";
import type { Grid } from "./grid.ts";
import { isMissing, type Mark, numberOf } from "./values.ts";

const TOTAL = /^(?:grand[ -]?total|totals?|sum|summe|gesamt(?:summe)?|insgesamt)\s*:?$/i;

export interface Read {
  grid: Grid;
  columns: Column[];
}

/** The table's columns, without a last row that is called a total and whose numbers are the sums (of some columns the means) of those above it. */
export function columnsWithoutTotal(grid: Grid, choice: MarkChoice): Read {
  const last = grid.rows.at(-1) ?? [];
  const at = last.findIndex((cell) => cell !== null && cell !== "");
  const label = last[at];
  if (grid.rows.length < 2 || typeof label !== "string" || !TOTAL.test(label))
    return { grid, columns: columnsOf(grid, choice) };
  const above: Grid = { ...grid, rows: grid.rows.slice(0, -1) };
  const columns = columnsOf(above, choice);
  const fits = columns.map((column, place) => (place === at ? undefined : fitOf(column, last[place] ?? null)));
  if (fits.includes("sum") && !fits.includes("neither"))
    return { grid: { ...above, total: { label, isLeftOut: true } }, columns };
  return { grid: { ...grid, total: { label, isLeftOut: false } }, columns: columnsOf(grid, choice) };
}

type Fits = "sum" | "mean" | "neither";

/** What the cell is of the column; undefined where it is nothing, or the column has no numbers to add up. */
function fitOf({ figures }: Column, cell: Cell): Fits | undefined {
  if (figures.kind !== "number") return undefined;
  const readings =
    typeof cell === "number" ? [{ value: cell, rounding: 0 }] : MARKS.flatMap((mark) => read(cell, mark));
  if (readings.length === 0) return undefined;
  const is = (wanted: number): boolean =>
    readings.some(({ value, rounding }) => Math.abs(value - wanted) <= Math.max(1e-9 * Math.abs(wanted), rounding));
  return is(figures.sum ?? 0) ? "sum" : is(figures.mean ?? 0) ? "mean" : "neither";
}

const MARKS: Mark[] = ["point", "comma"];

/** With half of the last place that is written. */
function read(cell: Cell, mark: Mark): { value: number; rounding: number }[] {
  const value = typeof cell === "string" && !isMissing(cell) ? numberOf(cell, mark) : undefined;
  if (value === undefined) return [];
  const text = String(cell);
  const [, tail = ""] = text.split(mark === "point" ? "." : ",");
  const places = tail.replace(/\D/g, "").length + (text.includes("%") ? 2 : 0);
  return [{ value, rounding: 0.500_001 * 10 ** -places }];
}
