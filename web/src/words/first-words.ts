// Long texts in few words.

/** The first sentence or line of an answer, without marks. */
export function firstWords(answer: string): string {
  const line = answer.split("\n").find((one) => /\w/.test(one) && !/^#{1,6}\s/.test(one)) ?? answer;
  return line
    .replace(/[*_`#>|]/g, "")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .slice(0, 180);
}

/** A result on one line, without what was meant for programs, cut between words. */
export function shortened(preview: string, max = 180): string {
  const words = (preview.split("```", 1)[0] ?? "")
    .replace(/[*_`#]/g, "")
    .replace(/\s+/g, " ")
    .trim();
  if (words.length <= max) return words;
  const end = words.lastIndexOf(" ", max);
  return `${words.slice(0, end > 0 ? end : max)} \u2026`;
}
