// Text from outside, with what does not show made to show.

export interface Piece {
  text: string;
  /** True: `text` names a character that would not be seen or would reorder others. */
  hidden: boolean;
}

// Controls but tab and line feed, direction marks, zero width, fillers, tags, private use. The selector that only colours a
// pictograph is let through behind one.
const HIDDEN =
  /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]|(?!(?<=\p{Extended_Pictographic})\ufe0f)\p{Default_Ignorable_Code_Point}/gu;

/** Characters of one text that are named one by one. A text with more is made to hold up the page; the rest stand as U+FFFD. */
const NAMED_MAX = 2_000;

export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let start = 0;
  let named = 0;
  for (const match of text.matchAll(HIDDEN)) {
    named += 1;
    if (named > NAMED_MAX) {
      found.push({ text: text.slice(start).replace(HIDDEN, "\ufffd"), hidden: false });
      return found;
    }
    if (match.index > start) found.push({ text: text.slice(start, match.index), hidden: false });
    const code = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    found.push({ text: `U+${code}`, hidden: true });
    start = match.index + match[0].length;
  }
  if (start < text.length) found.push({ text: text.slice(start), hidden: false });
  return found;
}

/** For names and labels, where only text fits. */
export function visible(text: string): string {
  return pieces(text)
    .map((piece) => (piece.hidden ? `[${piece.text}]` : piece.text))
    .join("");
}

export interface SentencePart {
  text: string;
  /** A machine fact, in mono. */
  fact: boolean;
}

/** Splits a sentence with machine facts in backticks. */
export function sentenceParts(sentence: string): SentencePart[] {
  return sentence
    .split("`")
    .map((text, place, all) => ({ text, fact: place % 2 === 1 && place < all.length - 1 }))
    .filter((part) => part.text !== "");
}
