// What each column holds, and its figures.

import type { Cell } from "../playbook.ts";
import type { Grid } from "./grid.ts";
import {
  type Day,
  type DayOrder,
  dayOf,
  evidence,
  isAmbiguous,
  isCode,
  isMissing,
  isoOf,
  type Mark,
  numberOf,
  serialOf,
  unitsOf,
} from "./values.ts";

export type Kind = "number" | "date" | "yes/no" | "text" | "empty";

/** Of the values that are there, so many must read as a number or a date for the column to be one. */
const SHARE_READ = 0.95;
const VALUES_SHOWN = 3;
/** Values looked at, spread over the column, before all of them are read. */
const SAMPLE = 100;
const SAMPLE_SHARE = 0.7;
/** Values that are asked how they write their numbers. */
const MARK_SAMPLE = 2_000;

export interface Figures {
  name: string;
  kind: Kind;
  /** Rows with a value of the column's kind. */
  values: number;
  missing: number;
  distinct: number;
  /** Values that are there and do not read as the column's kind; they stay as they stand. */
  unread: number;
  unreadShown: string[];
  /** Of numbers; of dates as a workbook counts days. */
  min?: number;
  max?: number;
  sum?: number;
  mean?: number;
  median?: number;
  deviation?: number;
  /** Of dates, as `YYYY-MM-DD`. */
  first?: string;
  last?: string;
  /** Every number was written with a percent sign. */
  share?: boolean;
  /** Numbers with a percent sign, when others have none. */
  sharesAmong?: number;
  /** Currencies the numbers are written with, when there is more than one. */
  currencies?: string[];
  mark?: Mark;
  order?: DayOrder;
  /** Nothing in the column itself told which way it is meant. */
  guessed?: boolean;
  /** The most frequent values of a text, the most frequent first. */
  top?: { value: string; count: number }[];
}

export interface Column {
  figures: Figures;
  /** The cell as it is written to the cleaned table. */
  clean: string[];
  /** Numbers; `undefined` where there is none. */
  numbers: (number | undefined)[];
  days: (Day | undefined)[];
}

export type MarkChoice = "auto" | Mark;

const textOf = (cell: Cell): string => {
  if (cell === null) return "";
  const text = typeof cell === "string" ? cell : String(cell);
  return isMissing(text) ? "" : text;
};

export function columnsOf(grid: Grid, choice: MarkChoice): Column[] {
  const texts = grid.headers.map((_, at) => grid.rows.map((row) => textOf(row[at] ?? null)));
  const marks = texts.map((column) => markOf(column));
  // What one column shows holds for those that show nothing.
  const told = marks.find((mark) => mark !== undefined);
  const general: Mark = told ?? (grid.separator === ";" ? "comma" : "point");
  return grid.headers.map((name, at) => {
    const cells = grid.rows.map((row) => row[at] ?? null);
    const mark = choice === "auto" ? (marks[at] ?? general) : choice;
    const guessed = choice === "auto" && marks[at] === undefined;
    return columnOf(name, cells, texts[at] ?? [], mark, guessed);
  });
}

/** So many of the values that are there, evenly spread. */
function spread(texts: string[], most: number): string[] {
  const there = texts.filter((text) => text !== "");
  const step = Math.max(1, there.length / most);
  const found: string[] = [];
  for (let at = 0; at < there.length; at += step) found.push(there[Math.floor(at)] ?? "");
  return found;
}

/** Whether it is worth reading the whole column so. */
function looksLike(texts: string[], isRead: (text: string) => boolean): boolean {
  const sample = spread(texts, SAMPLE);
  return sample.filter(isRead).length >= sample.length * SAMPLE_SHARE;
}

function markOf(texts: string[]): Mark | undefined {
  const count = { point: 0, comma: 0 };
  for (const text of spread(texts, MARK_SAMPLE)) {
    const mark = evidence(text);
    if (mark !== undefined) count[mark] += 1;
  }
  if (count.point === 0 && count.comma === 0) return undefined;
  return count.comma > count.point ? "comma" : "point";
}

function columnOf(name: string, cells: Cell[], texts: string[], mark: Mark, guessed: boolean): Column {
  const there = texts.filter((text) => text !== "").length;
  const base: Figures = {
    name,
    kind: "empty",
    values: 0,
    missing: texts.length - there,
    distinct: new Set(texts.filter((text) => text !== "")).size,
    unread: 0,
    unreadShown: [],
  };
  const nothing = texts.map(() => undefined);
  if (there === 0) return { figures: base, clean: texts, numbers: nothing, days: nothing };
  // Eight digits that are a day each, as `20240105`, are no amounts.
  const isJoined = texts.every((text) => text === "" || (/^\d{8}$/.test(text) && dayOf(text, "ymd") !== undefined));
  return (
    (isJoined ? asDays(base, texts, there) : undefined) ??
    asNumbers(base, cells, texts, there, mark, guessed) ??
    asDays(base, texts, there) ??
    asFlags(base, cells, texts, there) ?? {
      figures: { ...base, kind: "text", values: there, top: topOf(texts) },
      clean: texts,
      numbers: nothing,
      days: nothing,
    }
  );
}

const enough = (read: number, there: number): boolean => read === there || (there >= 20 && read / there >= SHARE_READ);

function unreadOf(texts: string[], isRead: (at: number) => boolean): Pick<Figures, "unread" | "unreadShown"> {
  const unread = texts.filter((text, at) => text !== "" && !isRead(at));
  return {
    unread: unread.length,
    unreadShown: [...new Set(unread)].slice(0, VALUES_SHOWN).map((text) => text.slice(0, 60)),
  };
}

function asNumbers(
  base: Figures,
  cells: Cell[],
  texts: string[],
  there: number,
  mark: Mark,
  guessed: boolean,
): Column | undefined {
  const isTyped = cells.some((cell) => typeof cell === "number");
  if (!isTyped && !looksLike(texts, (text) => !isCode(text) && numberOf(text, mark) !== undefined)) return undefined;
  const numbers = texts.map((text, at) => {
    const cell = cells[at];
    if (typeof cell === "number") return cell;
    return text === "" || typeof cell === "boolean" || isCode(text) ? undefined : numberOf(text, mark);
  });
  const read = numbers.filter((value) => value !== undefined);
  if (read.length === 0 || !enough(read.length, there)) return undefined;
  const written = texts.filter((_, at) => numbers[at] !== undefined && typeof cells[at] === "string");
  const units = written.filter((text) => !/^[-\d.,]+$/.test(text)).map(unitsOf);
  const shares = units.filter((unit) => unit.share).length;
  const currencies = [...new Set(units.flatMap((unit) => unit.currency ?? []))].sort();
  const ambiguous = guessed && written.some(isAmbiguous);
  return {
    figures: {
      ...base,
      ...unreadOf(texts, (at) => numbers[at] !== undefined),
      kind: "number",
      values: read.length,
      distinct: new Set(read).size,
      ...summary(read),
      ...(shares > 0 ? (shares === read.length ? { share: true } : { sharesAmong: shares }) : {}),
      ...(currencies.length > 1 ? { currencies } : {}),
      ...(written.some((text) => /[.,]/.test(text)) ? { mark } : {}),
      ...(ambiguous ? { guessed: true } : {}),
    },
    // A number is written so that it reads back as itself, whatever the way it was written in.
    clean: texts.map((text, at) => (numbers[at] === undefined ? text : String(numbers[at]))),
    numbers,
    days: texts.map(() => undefined),
  };
}

/** Adds up without losing what is small beside what is large (Neumaier). */
export function sumOf(values: readonly number[]): number {
  let sum = 0;
  let lost = 0;
  for (const value of values) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}

function summary(values: number[]): Partial<Figures> {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  const sum = sumOf(values);
  const mean = sum / values.length;
  const spread = sumOf(values.map((value) => (value - mean) ** 2));
  return {
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    sum,
    mean,
    median: Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + upper) / 2 : upper,
    ...(values.length > 1 ? { deviation: Math.sqrt(spread / (values.length - 1)) } : {}),
  };
}

function asDays(base: Figures, texts: string[], there: number): Column | undefined {
  const all: DayOrder[] = ["ymd", "dmy", "mdy"];
  const orders = all.filter((order) => looksLike(texts, (text) => dayOf(text, order) !== undefined));
  if (orders.length === 0) return undefined;
  const read = orders.map((order) => texts.map((text) => (text === "" ? undefined : dayOf(text, order))));
  const counts = read.map((days) => days.filter((one) => one !== undefined).length);
  const most = Math.max(...counts);
  if (!enough(most, there)) return undefined;
  const at = counts.indexOf(most);
  const order = orders[at] ?? "ymd";
  const days = read[at] ?? [];
  const known = days.filter((one) => one !== undefined);
  const sorted = known.map((one) => ({ iso: isoOf(one), serial: serialOf(one) })).sort((a, b) => a.serial - b.serial);
  return {
    figures: {
      ...base,
      ...unreadOf(texts, (row) => days[row] !== undefined),
      kind: "date",
      values: known.length,
      distinct: new Set(sorted.map((one) => one.iso)).size,
      min: sorted[0]?.serial ?? 0,
      max: sorted.at(-1)?.serial ?? 0,
      first: sorted[0]?.iso ?? "",
      last: sorted.at(-1)?.iso ?? "",
      order,
      // Both orders read every date: the day comes first where nothing says otherwise.
      ...(order === "dmy" && counts[orders.indexOf("mdy")] === most ? { guessed: true } : {}),
    },
    clean: texts.map((text, row) => {
      const one = days[row];
      return one === undefined ? text : isoOf(one);
    }),
    numbers: texts.map(() => undefined),
    days,
  };
}

const FLAGS: Record<string, string> = { true: "TRUE", false: "FALSE", yes: "yes", no: "no", ja: "ja", nein: "nein" };

function asFlags(base: Figures, cells: Cell[], texts: string[], there: number): Column | undefined {
  const flags = texts.map((text, at) => (typeof cells[at] === "boolean" ? String(cells[at]) : text.toLowerCase()));
  const known = flags.filter((flag) => flag !== "" && Object.hasOwn(FLAGS, flag));
  if (known.length !== there || new Set(known).size > 2) return undefined;
  const clean = flags.map((flag) => (flag === "" ? "" : (FLAGS[flag] ?? "")));
  return {
    figures: { ...base, kind: "yes/no", values: there, distinct: new Set(known).size, top: topOf(clean) },
    clean,
    numbers: texts.map(() => undefined),
    days: texts.map(() => undefined),
  };
}

/** The twelve most frequent. */
export function topOf(texts: string[]): { value: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const text of texts) if (text !== "") counts.set(text, (counts.get(text) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return sorted.slice(0, 12).map(([value, count]) => ({ value, count }));
}
