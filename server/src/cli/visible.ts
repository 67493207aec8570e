// Text of models, tools and files for a terminal: what could move the cursor, hide, or reorder other text is spelled out,
// in the same form as in the core's questions.

const HIDDEN = new RegExp(
  "[\\p{Cc}\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f" +
    "\\u3164\\ufe00-\\ufe0e\\ufeff\\uffa0\\ufff0-\\ufffb\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}\\p{Cs}]",
  "gu",
);

function spelled(char: string): string {
  return `[U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`;
}

/** On one line. */
export function line(text: string): string {
  return text.replace(HIDDEN, spelled);
}

/** Line breaks and tabs stay. */
export function block(text: string): string {
  return text.replace(HIDDEN, (char) => (char === "\n" || char === "\t" ? char : spelled(char)));
}

/** On one line, breaks shown as spaces, cut to a length. */
export function short(text: string, charsMax: number): string {
  const flat = line(text.replace(/\s+/g, " ").trim());
  return flat.length <= charsMax ? flat : `${flat.slice(0, charsMax - 1)}…`;
}

/** JSON on one line that a terminal shows as it is: the same value, with what is hidden written as escapes. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(HIDDEN, (char) =>
    Array.from({ length: char.length }, (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}
