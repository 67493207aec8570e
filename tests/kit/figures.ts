// Plain recomputation of a table's figures, written apart from every tool and script of the product.

import type { TestTable } from "./tables.ts";

export interface ColumnFigures {
  name: string;
  count: number;
  missing: number;
  min: number;
  mean: number;
  max: number;
}

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

function cells({ header, rows }: TestTable, name: string): string[] {
  const place = header.indexOf(name);
  return rows.map((row) => (row[place] ?? "").trim());
}

/** Columns whose cells, where there are any, are all numbers; in the table's order. */
export function numericColumns(table: TestTable): string[] {
  return table.header.filter((name) => {
    const there = cells(table, name).filter((cell) => cell !== "");
    return there.length > 0 && there.every((cell) => NUMBER.test(cell));
  });
}

/** First column that holds dates only. */
export function dateColumn(table: TestTable): string | undefined {
  return table.header.find((name) => {
    const there = cells(table, name).filter((cell) => cell !== "");
    return there.length > 0 && there.every((cell) => DATE.test(cell));
  });
}

/** Neumaier's sum: the order of the rows hardly matters. */
export function sumOf(values: number[]): number {
  let sum = 0;
  let lost = 0;
  for (const value of values) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}

function figuresOf(name: string, texts: string[]): ColumnFigures {
  const values = texts.filter((cell) => cell !== "").map(Number);
  return {
    name,
    count: values.length,
    missing: texts.length - values.length,
    min: values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY),
    mean: sumOf(values) / values.length,
    max: values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY),
  };
}

/** Count, missing, minimum, mean and maximum of every numeric column. */
export function columnFigures(table: TestTable): ColumnFigures[] {
  return numericColumns(table).map((name) => figuresOf(name, cells(table, name)));
}

/** The same by group: by month (`2012-01`) of the date column, or by the values of another column; groups sorted. */
export function groupFigures(table: TestTable, by: string): Map<string, ColumnFigures[]> {
  const monthly = by === dateColumn(table);
  const groups = new Map<string, string[][]>();
  const place = table.header.indexOf(by);
  for (const row of table.rows) {
    const cell = (row[place] ?? "").trim();
    const group = monthly ? cell.slice(0, 7) : cell;
    groups.set(group, [...(groups.get(group) ?? []), row]);
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  const names = numericColumns(table);
  return new Map(
    sorted.map(([group, rows]) => [group, names.map((name) => figuresOf(name, cells({ ...table, rows }, name)))]),
  );
}
