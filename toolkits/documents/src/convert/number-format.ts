// Values of a workbook's cells as text: dates and times as ISO 8601, shares as percent, other numbers unrounded.

/** Formats that a workbook need not spell out. */
const BUILT_IN = new Map<number, string>([
  [9, "0%"],
  [10, "0.00%"],
  [14, "yyyy-mm-dd"],
  ...[15, 16, 17].map((id) => [id, "d-mmm-yy"] as const),
  ...[18, 19, 20, 21].map((id) => [id, "h:mm:ss"] as const),
  [22, "yyyy-mm-dd h:mm"],
  ...[27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58].map((id) => [id, "yyyy-mm-dd"] as const),
  ...[32, 33, 34, 35, 55, 56].map((id) => [id, "h:mm:ss"] as const),
  [45, "mm:ss"],
  [46, "[h]:mm:ss"],
  [47, "mm:ss"],
]);
const SECONDS_A_DAY = 86_400;
/** 31 December 9999. */
const LAST_DAY = 2_958_465;
/** Days from 1900's zero to 1904's. */
const SYSTEM_1904 = 1_462;
const DIGITS = 15;

export type Shape = "number" | "percent" | "date" | "time" | "moment" | "elapsed";

/** What a format shows; `codes` are those of the workbook by id. */
export function shapeOf(id: number, codes: ReadonlyMap<number, string>): Shape {
  const code = (codes.get(id) ?? BUILT_IN.get(id) ?? "").split(";")[0] ?? "";
  const bare = code.replace(/"[^"]*"?|\\.|[_*]./g, "");
  if (/\[(?:h+|m+|s+)\]/i.test(bare)) return "elapsed";
  const letters = bare
    .replace(/\[[^\]]*\]/g, "")
    .replace(/AM\/PM|A\/P/gi, "h")
    .replace(/General/gi, "");
  const hasTime = /[hs]/i.test(letters);
  // `m` is the month, or the minute beside hours or seconds.
  const hasDay = /[yd]/i.test(letters) || (/m/i.test(letters) && !hasTime);
  if (hasDay) return hasTime ? "moment" : "date";
  if (hasTime) return "time";
  return letters.includes("%") ? "percent" : "number";
}

export function numberText(raw: string, shape: Shape, is1904: boolean): string {
  const value = Number(raw);
  if (raw.trim() === "" || !Number.isFinite(value)) return raw;
  if (shape === "percent") return `${tidy(value * 100)}%`;
  if (shape === "number") return tidy(value);
  if (shape === "elapsed") return elapsed(value);
  return dateText(value + (is1904 ? SYSTEM_1904 : 0), shape) ?? tidy(value);
}

/** Without the noise of binary fractions. */
function tidy(value: number): string {
  return String(Number(value.toPrecision(DIGITS)));
}

function elapsed(days: number): string {
  const seconds = Math.round(Math.abs(days) * SECONDS_A_DAY);
  if (seconds > Number.MAX_SAFE_INTEGER) return tidy(days);
  const two = (count: number): string => String(count).padStart(2, "0");
  const sign = days < 0 ? "-" : "";
  return `${sign}${Math.floor(seconds / 3_600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function dateText(days: number, shape: Shape): string | undefined {
  if (days < 0 || days >= LAST_DAY + 1) return undefined;
  // The first system counts 29 February 1900, a day that never was.
  const since = days < 60 ? Date.UTC(1899, 11, 31) : Date.UTC(1899, 11, 30);
  const seconds = Math.round(days * SECONDS_A_DAY);
  const text = new Date(since + seconds * 1_000).toISOString();
  const [day, time] = [text.slice(0, 10), text.slice(11, 19)];
  const short = time.endsWith(":00") ? time.slice(0, 5) : time;
  if (shape === "time") return days < 1 ? short : `${day} ${short}`;
  const isMidnight = seconds % SECONDS_A_DAY === 0;
  return shape === "date" || isMidnight ? day : `${day} ${short}`;
}
