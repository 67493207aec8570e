// How figures and words of a table are written. Formatting only: nothing is computed here.

const DIGITS = 4;

/** At most four decimals; very small numbers keep four significant digits. */
export function shown(value: number | null): string {
  if (value === null) return "–";
  if (value !== 0 && Math.abs(value) < 10 ** (1 - DIGITS)) return String(Number(value.toPrecision(DIGITS)));
  return String(Number(value.toFixed(DIGITS)));
}

/** What Markdown would read; an underscore inside a word is none. */
const MARKUP = /[\\`*[\]<>|#~]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu;

/** Text of a table inside Markdown: one line, nothing that Markdown would read. */
export function plain(text: string): string {
  return text.replace(/\s+/g, " ").replace(MARKUP, (c) => `\\${c}`);
}

/** Text without the markup that Markdown needs. */
export function bare(text: string): string {
  return text.replace(/^- /, "").replace(/\\([\\`*[\]<>|#~_])/g, "$1");
}

/** What a document can hold of a text, on one line, shortened. */
export function brief(text: string, charactersMax: number): string {
  const line = text.replace(/[\p{Cc}\p{Surrogate}\ufffe\uffff\s]+/gu, " ").trim();
  const letters = [...line];
  return letters.length <= charactersMax
    ? line
    : `${letters
        .slice(0, charactersMax - 1)
        .join("")
        .trimEnd()}\u2026`;
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const ruler = header.map((_, place) => (place === 0 ? "---" : "---:"));
  return [line(header), line(ruler), ...rows.map(line)].join("\n");
}

/** `1 row`, `2 rows`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `A`, `Z`, `AA` for 0, 25, 26. */
export function columnLetters(place: number): string {
  const letter = String.fromCharCode(65 + (place % 26));
  return place < 26 ? letter : columnLetters(Math.floor(place / 26) - 1) + letter;
}

/** A result text: words for people, then data for the next task. */
export function resultText(words: string, data: object): string {
  return `${words}\n\n\`\`\`json\n${JSON.stringify(data)}\n\`\`\``;
}

/** The data of a result text. */
export function dataOf<T>(text: string | undefined): T | undefined {
  const json = /^```json\n(.*)\n```$/m.exec(text ?? "")?.[1];
  return json === undefined ? undefined : (JSON.parse(json) as T);
}

/** The words of a result text. */
export function wordsOf(text: string | undefined): string {
  return (text ?? "").split("\n\n```json\n")[0] ?? "";
}
