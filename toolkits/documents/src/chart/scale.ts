// The value axis: round steps, and numbers as people write them.

export interface Scale {
  least: number;
  most: number;
  step: number;
  /** From the least to the most, both included. */
  ticks: number[];
}

const STEPS = [1, 2, 2.5, 5, 10];
const MINUS = "\u2212";
const THIN_SPACE = "\u2009";

/** About `wanted` steps over the values; bars start at zero, lines only where zero is near. */
export function scaleOf(values: number[], startsAtZero: boolean, wanted = 5): Scale {
  let low = values.length > 0 ? Math.min(...values) : 0;
  let high = values.length > 0 ? Math.max(...values) : 1;
  const isNearZero = low >= 0 ? low < high * 0.4 : high > low * 0.4;
  if (startsAtZero || isNearZero) {
    low = Math.min(low, 0);
    high = Math.max(high, 0);
  }
  if (low === high) {
    const room = low === 0 ? 1 : Math.abs(low) / 2;
    if (low >= 0) high += room;
    if (low < 0 || !startsAtZero) low -= low === 0 ? 0 : room;
  }
  const step = roundStep((high - low) / wanted);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, place) => tidied((first + place) * step, step));
  return { least: ticks[0] ?? 0, most: ticks.at(-1) ?? 1, step, ticks };
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10;
  return Number((step * power).toPrecision(3));
}

/** Without the noise of binary fractions. */
function tidied(value: number, step: number): number {
  return Number(value.toFixed(Math.max(0, Math.min(20, decimalsOf(step) + 1))));
}

/** Digits after the point that a step needs. */
export function decimalsOf(step: number): number {
  const text = step.toExponential();
  const [mantissa = "1", exponent = "0"] = text.split("e");
  return Math.max(0, (mantissa.split(".")[1]?.length ?? 0) - Number(exponent));
}

/** A tick's number: thousands in threes, large ones shortened. */
export function tickText(value: number, step: number): string {
  const size = Math.max(Math.abs(value), step);
  if (size >= 1e12) return signed(value / 1e12, Math.min(3, decimalsOf(step / 1e12)), "T");
  if (size >= 1e9) return signed(value / 1e9, Math.min(3, decimalsOf(step / 1e9)), "B");
  if (size >= 1e6) return signed(value / 1e6, Math.min(3, decimalsOf(step / 1e6)), "M");
  return signed(value, Math.min(8, decimalsOf(step)), "");
}

/** A value beside its mark: one digit more than the axis, none that says nothing. */
export function valueText(value: number, step: number): string {
  const digits = Math.min(8, decimalsOf(step) + 1);
  const text = tickText(value, 10 ** -digits * (Math.abs(value) >= 1e6 ? 1e6 : 1));
  return text.replace(/(\.\d*?)0+(?=\D*$)/, "$1").replace(/\.(?=\D*$)/, "");
}

function signed(value: number, decimals: number, suffix: string): string {
  const [whole = "0", part] = Math.abs(value).toFixed(decimals).split(".");
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(?:\d{3})+$)/g, THIN_SPACE) : whole;
  const digits = part === undefined ? grouped : `${grouped}.${part}`;
  return `${value < 0 && /[1-9]/.test(digits) ? MINUS : ""}${digits}${suffix}`;
}
