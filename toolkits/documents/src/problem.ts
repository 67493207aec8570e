// What is wrong with a call, in words that its caller can act on.

export type ProblemCode = "INVALID_ARGUMENTS" | "PATH_OUTSIDE" | "NOT_FOUND" | "LIMIT_EXCEEDED" | "EXECUTION_FAILED";

/** A refusal with a stable code; `path` is the place in the arguments, such as `blocks[2].rows[0]`. */
export class DocumentProblem extends Error {
  readonly code: ProblemCode;
  readonly path: string;

  constructor(code: ProblemCode, path: string, message: string) {
    super(message);
    this.name = "DocumentProblem";
    this.code = code;
    this.path = path;
  }
}

/** `["blocks", 2, "rows", 0]` as `blocks[2].rows[0]`. */
export function placeOf(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return text.replace(/^\./, "") || "arguments";
}
