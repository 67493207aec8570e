// A file to convert, what it is called in refusals, and what there is to say about it.

import { DocumentProblem } from "../problem.ts";

const AT = "sourcePath";

export class Source {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly warnings: string[] = [];

  constructor(path: string, bytes: Uint8Array) {
    this.path = path;
    this.bytes = bytes;
  }

  warn(what: string): void {
    if (!this.warnings.includes(what)) this.warnings.push(what);
  }

  /** The file is not what it should be. */
  broken(why: string): DocumentProblem {
    return new DocumentProblem("INVALID_ARGUMENTS", AT, `${this.path} ${why}`);
  }

  tooMuch(why: string): DocumentProblem {
    return new DocumentProblem("LIMIT_EXCEEDED", AT, `${this.path} ${why}`);
  }
}

/** Invisible, and able to change what a reader takes a text for; the joiners that scripts and emoji need stay. */
const HIDDEN =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const CONTROL = /(?![\t\n\r])[\p{Cc}\p{Surrogate}\ufffe\uffff]/gu;

/** A text without what cannot be seen. */
export function seen(text: string, source: Source): string {
  const clean = text.replace(HIDDEN, "").replace(CONTROL, "");
  if (clean.length !== text.length) source.warn("Invisible characters were left out.");
  return clean;
}

/** Text by its byte order mark, else UTF-8, else as Windows has it. */
export function decoded(source: Source, declared?: string): string {
  const { bytes } = source;
  const marked =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? "utf-16le"
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? "utf-16be"
        : undefined;
  if (marked !== undefined) return new TextDecoder(marked).decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const named = declared === undefined ? undefined : decoderOf(declared);
    if (named !== undefined && named.encoding !== "utf-8" && named.encoding !== "windows-1252")
      return named.decode(bytes);
    source.warn("The text is not UTF-8; it was read as Windows-1252.");
    return windowsText(bytes);
  }
}

/** From 0x80 on, where Windows-1252 is not Latin-1. Node's own decoder takes one for the other. */
const WINDOWS =
  "\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f" +
  "\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178";

function windowsText(bytes: Uint8Array): string {
  const latin = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  return latin.replace(/[\u0080-\u009f]/g, (letter) => WINDOWS[letter.charCodeAt(0) - 0x80] ?? letter);
}

function decoderOf(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label);
  } catch {
    return undefined;
  }
}
