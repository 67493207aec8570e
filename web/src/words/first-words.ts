// Long texts in few words.

/** Marks of Markdown, and what a backslash made none; an underscore inside a name is none. */
const MARKS = /\\([^\p{L}\p{N}\s])|[*`#>|]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu;

/** The first sentence or line of an answer, without marks. */
export function firstWords(answer: string): string {
  const line = answer.split("\n").find((one) => /\w/.test(one) && !/^#{1,6}\s/.test(one)) ?? answer;
  return line
    .replace(MARKS, "$1")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .slice(0, 180);
}

/** A result on one line, without what was meant for programs and without the list after a sentence, cut between words. */
export function shortened(preview: string, max = 180): string {
  const words = (preview.split("```", 1)[0] ?? "")
    .replace(MARKS, "$1")
    .replace(/\s+/g, " ")
    .replace(/(?<=[.!?]) - .*$/, "")
    .replace(/(?<=:) - /g, " ")
    .replace(/ - (?=\S)/g, "; ")
    .trim();
  if (words.length <= max) return words;
  const end = words.lastIndexOf(" ", max);
  return `${words.slice(0, end > 0 ? end : max)} \u2026`;
}
