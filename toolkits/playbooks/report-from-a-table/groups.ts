// The one comparison the report makes: a measure over time, by category, or by size.

import { type Column, sumOf, topOf } from "./columns.ts";
import { type Day, dayAt, isoOf, serialOf } from "./values.ts";

export interface Group {
  label: string;
  /** Rows of the group with a number of the measure. */
  count: number;
  sum: number;
  /** None without such rows. */
  mean: number | null;
  /** Of a period: first day, and first day of the next, as a workbook counts days. */
  from?: number;
  until?: number;
  /** Of a size: from here, below there; the last takes its upper end in. */
  low?: number;
  high?: number;
}

export interface Groups {
  by: "period" | "category" | "size" | "value";
  /** Place of the measure among the columns; none for `value`, which counts rows. */
  measure: number | undefined;
  /** Place of the column that makes the groups. */
  key: number;
  /** What a group is: `month`, `Region`. */
  what: string;
  groups: Group[];
  /** Categories beyond those shown. */
  left: number;
}

const CATEGORIES_MAX = 12;
const PERIODS_MAX = 60;
const DAYS_MAX = 31;
const SIZES = 10;

/** Names that are no measure: whatever counts or numbers the rows. */
const NO_MEASURE =
  /^(?:id|nr|no|num|number|index|idx|row|key|code|zip|plz|year|jahr|month|monat|day|tag|phone|tel)\b|(?:[_ ]|^)id$/i;

export function groupsOf(columns: Column[]): Groups {
  const measure = measureOf(columns);
  const day = columns.findIndex((column) => column.figures.kind === "date" && column.figures.distinct > 1);
  if (measure !== undefined && day !== -1) {
    const periods = byPeriod(columns, measure, day);
    if (periods !== undefined) return periods;
  }
  const category = categoryOf(columns);
  if (measure !== undefined && category !== undefined) return byCategory(columns, measure, category);
  if (measure !== undefined) return bySize(columns, measure);
  return byValue(columns, category ?? day);
}

function measureOf(columns: Column[]): number | undefined {
  const numbers = columns
    .map((column, at) => ({ at, figures: column.figures }))
    .filter((one) => one.figures.kind === "number");
  const counts = (one: (typeof numbers)[number]): boolean => {
    const { figures } = one;
    const isRunning =
      figures.values > 2 &&
      figures.distinct === figures.values &&
      (figures.max ?? 0) - (figures.min ?? 0) === figures.values - 1;
    return isRunning || NO_MEASURE.test(figures.name);
  };
  return (
    numbers.find((one) => !counts(one) && one.figures.distinct > 1) ??
    numbers.find((one) => !counts(one)) ??
    numbers[0]
  )?.at;
}

function categoryOf(columns: Column[]): number | undefined {
  const texts = columns.map((column, at) => ({ at, figures: column.figures }));
  const fits = texts.filter(
    ({ figures }) =>
      (figures.kind === "text" || figures.kind === "yes/no") &&
      figures.distinct >= 2 &&
      figures.distinct <= Math.max(2, Math.min(200, figures.values / 2)),
  );
  return (fits.find(({ figures }) => figures.distinct <= CATEGORIES_MAX) ?? fits[0])?.at;
}

function groupOf(label: string, values: number[]): Group {
  const sum = sumOf(values);
  return { label, count: values.length, sum, mean: values.length === 0 ? null : sum / values.length };
}

const day = (year: number, month: number, date: number): Day => ({ year, month, day: date });

interface Period {
  what: string;
  /** Of `YYYY-MM-DD`, what names it. */
  letters: number;
  start: (one: Day) => Day;
  next: (start: Day) => Day;
}

const PERIODS: Period[] = [
  {
    what: "day",
    letters: 10,
    start: (one) => day(one.year, one.month, one.day),
    next: (start) => dayAt(serialOf(start) + 1),
  },
  {
    what: "month",
    letters: 7,
    start: (one) => day(one.year, one.month, 1),
    next: ({ year, month }) => (month === 12 ? day(year + 1, 1, 1) : day(year, month + 1, 1)),
  },
  { what: "year", letters: 4, start: (one) => day(one.year, 1, 1), next: ({ year }) => day(year + 1, 1, 1) },
];

/** By the shortest period of which there are not too many, with those between that have no rows; days only where there are few. */
function byPeriod(columns: Column[], measure: number, key: number): Groups | undefined {
  const days = columns[key]?.days ?? [];
  const numbers = columns[measure]?.numbers ?? [];
  for (const period of PERIODS) {
    const found = new Map<number, number[]>();
    for (const [row, one] of days.entries()) {
      const value = numbers[row];
      if (one === undefined || value === undefined) continue;
      const start = serialOf(period.start(one));
      const known = found.get(start);
      if (known) known.push(value);
      else found.set(start, [value]);
    }
    if (found.size < 2) return undefined;
    const most = period.what === "day" ? DAYS_MAX : PERIODS_MAX;
    if (found.size > most) continue;
    const starts = [...found.keys()].sort((a, b) => a - b);
    const groups: Group[] = [];
    for (let from = starts[0] ?? 0; from <= (starts.at(-1) ?? 0) && groups.length <= most; ) {
      const first = dayAt(from);
      const until = serialOf(period.next(first));
      groups.push({ ...groupOf(isoOf(first).slice(0, period.letters), found.get(from) ?? []), from, until });
      from = until;
    }
    if (groups.length > most) continue;
    return { by: "period", measure, key, what: period.what, groups, left: 0 };
  }
  return undefined;
}

function byCategory(columns: Column[], measure: number, key: number): Groups {
  const texts = columns[key]?.clean ?? [];
  const numbers = columns[measure]?.numbers ?? [];
  const found = new Map<string, number[]>();
  for (const [row, text] of texts.entries()) {
    const value = numbers[row];
    if (text === "" || value === undefined) continue;
    const known = found.get(text);
    if (known) known.push(value);
    else found.set(text, [value]);
  }
  const groups = [...found].map(([label, values]) => groupOf(label, values));
  groups.sort((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1));
  const shown = groups
    .slice(0, CATEGORIES_MAX)
    .sort((a, b) => (b.mean ?? 0) - (a.mean ?? 0) || (a.label < b.label ? -1 : 1));
  return {
    by: "category",
    measure,
    key,
    what: columns[key]?.figures.name ?? "",
    groups: shown,
    left: Math.max(0, groups.length - CATEGORIES_MAX),
  };
}

/** Ten steps of one width from the smallest to the largest. */
function bySize(columns: Column[], measure: number): Groups {
  const values = (columns[measure]?.numbers ?? []).filter((value) => value !== undefined);
  const { min = 0, max = 0, name = "" } = columns[measure]?.figures ?? {};
  const steps = max > min ? SIZES : 1;
  const width = (max - min) / steps;
  const edge = (at: number): number => (at === steps ? max : min + width * at);
  const groups = Array.from({ length: steps }, (_, at) => {
    const [low, high] = [edge(at), edge(at + 1)];
    const inside = values.filter((value) => value >= low && (at === steps - 1 ? value <= high : value < high));
    return { ...groupOf(`${Number(low.toPrecision(6))} to ${Number(high.toPrecision(6))}`, inside), low, high };
  });
  return { by: "size", measure, key: measure, what: name, groups, left: 0 };
}

/** No numbers: how often each value is there. */
function byValue(columns: Column[], wanted: number | undefined): Groups {
  const known =
    wanted !== undefined && wanted !== -1 ? wanted : columns.findIndex((column) => column.figures.values > 0);
  const key = Math.max(0, known);
  const texts = columns[key]?.clean ?? [];
  const top = topOf(texts);
  const groups = top.map(({ value, count }) => ({ label: value, count, sum: count, mean: 1 }));
  return {
    by: "value",
    measure: undefined,
    key,
    what: columns[key]?.figures.name ?? "",
    groups,
    left: new Set(texts.filter((text) => text !== "")).size - top.length,
  };
}
