// Words of an answer while it is being written.

import type { TextDelta } from "../stream/frame-parser.ts";

export interface LiveText {
  stepId: string;
  text: string;
  /** UTF-8 bytes up to where `text` reaches. */
  end: number;
}

/** Characters kept; a person reads the tail. */
const CHARS_MAX = 4_000;

const encoder = new TextEncoder();

/** The text with a piece added. A piece from the start begins anew; one that was seen already changes nothing. */
export function withDelta(known: LiveText | undefined, delta: TextDelta): LiveText {
  const { stepId, offset, text } = delta;
  const bytes = encoder.encode(text);
  const end = offset + bytes.length;
  if (known?.stepId !== stepId || offset === 0) return { stepId, text: text.slice(-CHARS_MAX), end };
  if (end <= known.end) return known;
  const fresh = offset < known.end ? new TextDecoder().decode(bytes.subarray(known.end - offset)) : text;
  const gap = offset > known.end ? "\u2026 " : "";
  return { stepId, text: (known.text + gap + fresh).slice(-CHARS_MAX), end };
}
