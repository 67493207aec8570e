// An answer in a line.

/** The first sentence or line of an answer, without marks. */
export function firstWords(answer: string): string {
  const line = answer.split("\n").find((one) => /\w/.test(one) && !/^#{1,6}\s/.test(one)) ?? answer;
  return line
    .replace(/[*_`#>|]/g, "")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .slice(0, 180);
}
