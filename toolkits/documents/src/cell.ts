// Cells of a table as a reader sees them, whatever kind of document holds them.

import type { Cell, Column, RichText } from "./schema.ts";

export type Side = "left" | "right" | "center";

/** Signs, digits, separators and a unit or currency around them. */
const NUMERIC =
  /^[\s(]*[-+\u2212]?\p{Sc}?\s?\d[\d\s.,'\u2019\u00a0\u202f]*(?:\s?(?:%|\p{Sc}|[\p{L}\u00b0\u00b5/\u00b2\u00b3]{1,4}))?[\s)]*$/u;
const MINUS = "\u2212";

/** The text alone. */
export function plainOf(text: RichText): string {
  return typeof text === "string" ? text : text.map((piece) => piece.text).join("");
}

/** `null` is a dash; a number has the digits its column asks for. */
export function shown(value: string | number | boolean | null, column: Column): string {
  if (value === null) return "\u2013";
  if (typeof value !== "number") return String(value);
  const digits = column.decimals === undefined ? String(value) : value.toFixed(column.decimals);
  // A rounded zero has no sign.
  const isNegative = digits.startsWith("-") && Number(digits) !== 0;
  return (isNegative ? MINUS : "") + digits.replace(/^-/, "");
}

/** As a reader sees it. */
export function textOf(value: Cell, column: Column): string {
  return Array.isArray(value) ? plainOf(value) : shown(value, column);
}

/** The first column names its row. Other columns whose filled cells are all numbers stand at the right. */
export function sideOf(table: { columns: Column[]; rows: Cell[][] }, place: number): Side {
  if (place === 0 && table.columns.length > 1) return "left";
  const filled = table.rows.map((row) => row[place] ?? null).filter((value) => value !== null && value !== "");
  const isNumber = (value: Cell): boolean =>
    typeof value === "number" || (typeof value === "string" && NUMERIC.test(value));
  return filled.length > 0 && filled.every(isNumber) ? "right" : "left";
}
