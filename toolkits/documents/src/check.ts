// Checks of arguments that all tools share.

import type { z } from "zod";
import { LIMITS } from "./limits.ts";
import { DocumentProblem, placeOf } from "./problem.ts";

/** The arguments, or a refusal that names the first places that do not fit. */
export function parsed<Shape extends z.ZodType>(shape: Shape, input: unknown): z.output<Shape> {
  const { success, data, error } = shape.safeParse(input);
  if (success) return data;
  const lines = error.issues.slice(0, LIMITS.problemsMax).map((issue) => `${placeOf(issue.path)}: ${issue.message}`);
  const more = error.issues.length > lines.length ? [`and ${error.issues.length - lines.length} more`] : [];
  throw new DocumentProblem("INVALID_ARGUMENTS", placeOf(error.issues[0]?.path ?? []), [...lines, ...more].join("\n"));
}

/** `ending` as `.docx`, in any case. */
export function checkEnding(path: string, ending: string): void {
  if (!path.toLowerCase().endsWith(ending)) throw invalid("path", `${path} does not end in ${ending}`);
}

/** Each list at `at` has as many entries as there are things beside it. */
export function checkLengths(lists: unknown[][], wanted: number, at: string, what: string, beside: string): void {
  lists.forEach((list, place) => {
    if (list.length !== wanted)
      throw invalid(`${at}[${place}]`, `has ${list.length} ${what} beside ${wanted} ${beside}`);
  });
}

/** What the missing letters of a chart are told with. */
export function missingLetters(at: string, letters: readonly string[]): string[] {
  if (letters.length === 0) return [];
  return [`${at}: the charts' font has no ${letters.map((letter) => JSON.stringify(letter)).join(", ")}`];
}

export function invalid(at: string, why: string): DocumentProblem {
  return new DocumentProblem("INVALID_ARGUMENTS", at, `${at}: ${why}`);
}

export function tooMuch(at: string, why: string): DocumentProblem {
  return new DocumentProblem("LIMIT_EXCEEDED", at, `${at}: ${why}`);
}
