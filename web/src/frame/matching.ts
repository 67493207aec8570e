// What of a list fits some words.

/** Entries that hold every word, those that begin with the text first. */
export function matching<T extends { words: string; detail: string }>(list: readonly T[], text: string): T[] {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  const whole = (entry: T): string => `${entry.words} ${entry.detail}`.toLowerCase();
  const found = list.filter((entry) => wanted.every((word) => whole(entry).includes(word)));
  const starts = (entry: T): number => (entry.words.toLowerCase().startsWith(wanted[0] ?? "") ? 0 : 1);
  return wanted.length === 0 ? found : [...found].sort((a, b) => starts(a) - starts(b));
}
