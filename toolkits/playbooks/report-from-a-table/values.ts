// What the texts of a table mean: numbers with points or commas, dates in the usual orders, nothing.

/** How a column writes its numbers. */
export type Mark = "point" | "comma";

/** The parts of a day in the order a column writes them. */
export type DayOrder = "ymd" | "dmy" | "mdy";

const MISSING = new Set([
  "",
  "-",
  "--",
  "–",
  "—",
  ".",
  "?",
  "na",
  "n/a",
  "n.a.",
  "nan",
  "null",
  "none",
  "#n/a",
  "nil",
  "k.a.",
]);

const SPACES = /[\s\u00a0\u2007\u2009\u202f]+/g;

/** A text without the characters that are not seen, on one line. */
export function plain(text: string): string {
  // Most cells of a large table are like this.
  if (/^[!-~]*$/.test(text)) return text;
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ")
    .replace(SPACES, " ")
    .trim();
}

export function isMissing(text: string): boolean {
  return MISSING.has(text.toLowerCase());
}

const CURRENCIES: Record<string, string> = { $: "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR" };

/** What a number is written with: a percent sign, and a currency by its letters. */
export function unitsOf(text: string): { share: boolean; currency: string | undefined } {
  const sign = /[$€£¥₹]|USD|EUR|GBP|CHF/.exec(text)?.[0];
  return { share: text.includes("%"), currency: sign === undefined ? undefined : (CURRENCIES[sign] ?? sign) };
}

/** Digits with their marks, the rest taken away; undefined when there is more than a number. */
function digitsOf(text: string): { digits: string; negative: boolean; share: boolean } | undefined {
  let rest = text
    .replace(SPACES, "")
    .replace(/['’]/g, "")
    .replace(/\u2212/g, "-");
  const bracketed = /^\((.+)\)$/.exec(rest);
  if (bracketed) rest = bracketed[1] ?? "";
  rest = rest.replace(/^(?:[$€£¥₹]|USD|EUR|GBP|CHF)/, "").replace(/(?:[$€£¥₹]|USD|EUR|GBP|CHF)$/, "");
  const share = rest.endsWith("%");
  if (share) rest = rest.slice(0, -1);
  const sign = /^[+-]/.exec(rest)?.[0] ?? "";
  rest = rest.slice(sign.length).replace(/^[$€£¥₹]/, "");
  if (!/^\d[\d.,]*(?:[eE][+-]?\d{1,3})?$|^[.,]\d+$/.test(rest)) return undefined;
  return { digits: rest, negative: sign === "-" || bracketed !== null, share };
}

/** A number in the given way of writing; undefined when it is none. */
export function numberOf(text: string, mark: Mark): number | undefined {
  if (mark === "point" ? /^-?\d{1,15}(?:\.\d{1,17})?$/.test(text) : /^-?\d{1,15}$/.test(text)) return Number(text);
  const parts = digitsOf(text);
  if (parts === undefined) return undefined;
  const [decimal, group] = mark === "point" ? [".", ","] : [",", "."];
  const { digits } = parts;
  const at = digits.indexOf(decimal);
  if (at !== -1 && digits.indexOf(decimal, at + 1) !== -1) return undefined;
  const whole = at === -1 ? digits : digits.slice(0, at);
  const tail = at === -1 ? "" : digits.slice(at + 1);
  if (tail.includes(group)) return undefined;
  if (whole.includes(group)) {
    const groups = whole.split(group);
    // Nobody groups what starts with a zero: `0.123` is no thousand.
    if (whole.startsWith("0")) return undefined;
    const ok = groups.every((one, place) => (place === 0 ? /^\d{1,3}$/.test(one) : /^\d{3}$/.test(one)));
    if (!ok) return undefined;
  }
  const value = Number(`${whole.split(group).join("") || "0"}${at === -1 ? "" : `.${tail || "0"}`}`);
  if (!Number.isFinite(value)) return undefined;
  const signed = parts.negative ? -value : value;
  return parts.share ? signed / 100 : signed;
}

/** A text that starts with a zero it does not need is a name (a code, a telephone number). */
export function isCode(text: string): boolean {
  return /^[+]?0\d+$/.test(text) || /^\+\d{5,}$/.test(text) || /^\d{16,}$/.test(text);
}

/** Which way a text can only be meant; undefined when both read it, or neither. */
export function evidence(text: string): Mark | undefined {
  if (!text.includes(".") && !text.includes(",")) return undefined;
  const digits = digitsOf(text)?.digits;
  if (digits === undefined || !/[.,]/.test(digits)) return undefined;
  const [point, comma] = [numberOf(text, "point"), numberOf(text, "comma")];
  if (point !== undefined && comma === undefined) return "point";
  if (comma !== undefined && point === undefined) return "comma";
  return undefined;
}

/** Both ways read it, and not as the same number: `1.234`. */
export function isAmbiguous(text: string): boolean {
  if (!text.includes(".") && !text.includes(",")) return false;
  const [point, comma] = [numberOf(text, "point"), numberOf(text, "comma")];
  return point !== undefined && comma !== undefined && point !== comma;
}

const NAMED_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");

export interface Day {
  year: number;
  month: number;
  day: number;
  /** `HH:MM:SS`, when the text had a time. */
  time?: string;
}

function day(year: number, month: number, date: number, time?: string): Day | undefined {
  const full = year < 100 ? (year < 70 ? 2000 + year : 1900 + year) : year;
  if (full < 1900 || full > 2200 || month < 1 || month > 12 || date < 1 || date > 31) return undefined;
  const days = new Date(Date.UTC(full, month, 0)).getUTCDate();
  return date > days ? undefined : { year: full, month, day: date, ...(time === undefined ? {} : { time }) };
}

/** A date in the given order; undefined when it is none. */
export function dayOf(text: string, order: DayOrder): Day | undefined {
  const match = /^(.*?\d)(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?$/.exec(text);
  if (!match) return undefined;
  const [, written = "", hour, minute, second] = match;
  const two = (part: string | undefined): string => (part ?? "0").padStart(2, "0");
  const time = hour === undefined ? undefined : `${two(hour)}:${two(minute)}:${two(second)}`;
  if (hour !== undefined && (Number(hour) > 23 || Number(minute) > 59)) return undefined;
  const named = /^(\d{1,2})[ -]([A-Za-z]{3})[a-z]*\.?[ -](\d{4})$/.exec(written);
  if (named)
    return day(Number(named[3]), NAMED_MONTHS.indexOf((named[2] ?? "").toLowerCase()) + 1, Number(named[1]), time);
  const joined = /^((?:19|20)\d{2})(\d{2})(\d{2})$/.exec(written);
  if (joined) return order === "ymd" ? day(Number(joined[1]), Number(joined[2]), Number(joined[3]), time) : undefined;
  const parts = /^(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})$/.exec(written);
  if (!parts) return undefined;
  const [first, second2, third] = [parts[1] ?? "", parts[3] ?? "", parts[4] ?? ""];
  const [a, b, c] = [Number(first), Number(second2), Number(third)];
  if (order === "ymd") return first.length === 4 && third.length <= 2 ? day(a, b, c, time) : undefined;
  if (first.length > 2 || (third.length !== 4 && third.length !== 2)) return undefined;
  return order === "dmy" ? day(c, b, a, time) : day(c, a, b, time);
}

const pad = (value: number, length = 2): string => String(value).padStart(length, "0");

export function isoOf(one: Day): string {
  const date = `${pad(one.year, 4)}-${pad(one.month)}-${pad(one.day)}`;
  return one.time === undefined ? date : `${date} ${one.time}`;
}

/** Days since 1899-12-30, as a workbook counts them. */
export function serialOf(one: Day): number {
  const days = Date.UTC(one.year, one.month - 1, one.day) / 86_400_000 + 25_569;
  const [hours = 0, minutes = 0, seconds = 0] = (one.time ?? "0:0:0").split(":").map(Number);
  return days + (hours * 3_600 + minutes * 60 + seconds) / 86_400;
}

/** The day so many days after 1899-12-30. */
export function dayAt(serial: number): Day {
  const date = new Date((serial - 25_569) * 86_400_000);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

/** A number for people: groups of three, at most four digits that say something after the point. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) || size >= 1e6 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4;
  const [whole = "0", tail] = size.toFixed(decimals).split(".");
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ",");
  const rest = tail === undefined ? "" : `.${tail}`.replace(/\.?0+$/, "");
  const text = `${grouped}${rest}`;
  return value < 0 && text !== "0" ? `−${text}` : text;
}
