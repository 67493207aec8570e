// Tables of text after RFC 4180, with the separators and marks that programs really write.

import { LIMITS } from "../limits.ts";
import { MarkdownWriter, plainCell } from "./markdown.ts";
import { decoded, type Source, seen } from "./source.ts";

const SEPARATORS = [",", ";", "\t", "|"];
/** Records that are looked at to find the separator. */
const PROBE = 24;
/** Fields of one record that are kept; further ones are counted by the table. */
const FIELDS_MAX = LIMITS.convert.tableColumnsMax + 1;

export function csvToMarkdown(source: Source): string {
  const hint = /^sep=(.)\r?\n/;
  const whole = decoded(source).replace(/^\ufeff/, "");
  const said = hint.exec(whole)?.[1];
  const text = said === undefined ? whole : whole.replace(hint, "");
  const { rows, count } = records(text, said ?? separatorOf(text), LIMITS.convert.tableRowsMax + 1);
  const writer = new MarkdownWriter(source);
  const cells = rows.map((row) => row.map((field) => plainCell(seen(field, source))));
  writer.table(cells, count);
  return writer.end();
}

/** The one that cuts most of the first records into the same number of fields. */
function separatorOf(text: string): string {
  const beginning = text.slice(0, 256 * 1024);
  const judged = SEPARATORS.map((separator) => {
    const { rows } = records(beginning, separator, PROBE);
    const widths = rows.map(({ length }) => length);
    const usual = widths[0] ?? 1;
    const same = widths.filter((width) => width === usual).length / Math.max(1, widths.length);
    return { separator, score: usual > 1 ? same + Math.min(usual, 50) / 1_000 : 0 };
  });
  return judged.reduce((best, each) => (each.score > best.score ? each : best)).separator;
}

/** At most `rowsMax` records, and how many there are; empty lines are none. A quote counts only where a field begins. */
function records(text: string, separator: string, rowsMax: number): { rows: string[][]; count: number } {
  const rows: string[][] = [];
  let count = 0;
  let row: string[] = [];
  let width = 0;
  let at = 0;
  const end = (): void => {
    if (width > 1 || row[0] !== "") {
      count += 1;
      if (rows.length < rowsMax) rows.push(row);
    }
    row = [];
    width = 0;
  };
  while (at < text.length) {
    const { value, next } = text[at] === '"' ? quoted(text, at, separator) : bare(text, at, separator);
    if (width < FIELDS_MAX) row.push(value);
    width += 1;
    at = next;
    if (text[at] === separator) {
      at += 1;
      // A separator at the very end stands before one more, empty field.
      if (at === text.length) row.push("");
      continue;
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
    at += 1;
    end();
  }
  if (width > 0) end();
  return { rows, count };
}

interface Field {
  value: string;
  /** Where the separator, the line's end or the text's end is. */
  next: number;
}

function bare(text: string, from: number, separator: string): Field {
  let at = from;
  while (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") at += 1;
  return { value: text.slice(from, at), next: at };
}

/** Two quotes mean one; what stands between the closing quote and the separator belongs to the field. */
function quoted(text: string, from: number, separator: string): Field {
  const parts: string[] = [];
  let at = from + 1;
  for (;;) {
    const close = text.indexOf('"', at);
    if (close < 0) return { value: parts.join("") + text.slice(at), next: text.length };
    parts.push(text.slice(at, close));
    if (text[close + 1] !== '"') {
      const { value, next } = bare(text, close + 1, separator);
      return { value: parts.join("") + value, next };
    }
    parts.push('"');
    at = close + 2;
  }
}
