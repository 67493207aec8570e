// Text with styles as runs of a paragraph.

import { ExternalHyperlink, TextRun } from "docx";
import type { RichText } from "./schema.ts";

type Piece = Exclude<RichText, string>[number];

/** Runs of a text; a line break in it stays one. */
export function runsOf(text: RichText): (TextRun | ExternalHyperlink)[] {
  const pieces: Piece[] = typeof text === "string" ? [{ text }] : text;
  return pieces.flatMap((piece): (TextRun | ExternalHyperlink)[] => {
    const runs = styled(piece);
    return piece.link === undefined
      ? runs
      : [new ExternalHyperlink({ link: new URL(piece.link).href, children: runs })];
  });
}

function styled(piece: Piece): TextRun[] {
  const style = piece.code ? "CodeText" : piece.link === undefined ? undefined : "Hyperlink";
  return piece.text.split(/\r\n|\r|\n/).map(
    (line, place) =>
      new TextRun({
        text: line,
        ...(place > 0 ? { break: 1 } : {}),
        ...(piece.bold ? { bold: true } : {}),
        ...(piece.italic ? { italics: true } : {}),
        ...(style === undefined ? {} : { style }),
      }),
  );
}
