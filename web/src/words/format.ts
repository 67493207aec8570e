// How times, amounts and hashes are written.

const NARROW_GAP = "\u00a0";

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });

/** 14:11 */
export function clock(at: number): string {
  return clockFormat.format(at);
}

/** "today", or 22 December. */
export function day(at: number, now: number): string {
  return new Date(at).toDateString() === new Date(now).toDateString() ? "today" : dayFormat.format(at);
}

const two = (value: number): string => String(value).padStart(2, "0");

/** 1:12 or 1:04:18. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** 0.2 s below a minute, else as a clock. */
export function shortDuration(ms: number): string {
  if (ms >= 60_000) return duration(ms);
  return `${ms < 10_000 ? (Math.max(0, ms) / 1000).toFixed(1) : String(Math.round(ms / 1000))}${NARROW_GAP}s`;
}

/** 840, 41k, 1.2M. */
export function amount(count: number): string {
  if (count < 1_000) return String(count);
  if (count < 999_500) return `${count < 9_950 ? (count / 1_000).toFixed(1) : Math.round(count / 1_000)}k`;
  return `${(count / 1_000_000).toFixed(1)}M`;
}

/** 18 204 */
export function sequenceText(sequence: number): string {
  return String(sequence).replace(/\B(?=(\d{3})+$)/g, NARROW_GAP);
}

/** 9f3c 41d0 */
export function shortHash(hash: string): string {
  return `${hash.slice(0, 4)}${NARROW_GAP}${hash.slice(4, 8)}`;
}

/** 980 B, 12 KB, 1.1 MB. */
export function fileSize(bytes: number): string {
  if (bytes < 1_000) return `${bytes}${NARROW_GAP}B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1_000)}${NARROW_GAP}KB`;
  return `${(bytes / 1_000_000).toFixed(1)}${NARROW_GAP}MB`;
}

/** "1 task", "3 tasks". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** "Document writer" from `document-writer`. */
export function roleTitle(role: string): string {
  const words = role.replace(/[-_]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** $0.84, under $0.01, $0; with "and unpriced" where a price is not known. Millionths of a US dollar. */
export function money(spent: { costMicroUsd: number; unpricedTokens: number; tokens: number }): string {
  const { costMicroUsd: cost, unpricedTokens, tokens } = spent;
  if (unpricedTokens > 0 && unpricedTokens === tokens) return "no price known";
  return unpricedTokens > 0 ? `${dollars(cost)} and unpriced` : dollars(cost);
}

/** Millionths of a US dollar. */
export function dollars(cost: number): string {
  if (cost === 0) return "$0";
  return cost < 10_000 ? "under $0.01" : `$${(cost / 1_000_000).toFixed(2)}`;
}
