// Markdown (GitHub's) as blocks in containers: lists, quotes, cells of tables.

import { LIMITS } from "../limits.ts";
import type { Source } from "./source.ts";

const { markdownBytesMax, tableColumnsMax, tableRowsMax, cellCharactersMax } = LIMITS.convert;

export interface Marks {
  bold?: boolean;
  italic?: boolean;
  strike?: boolean;
  code?: boolean;
  link?: string;
}

interface Run extends Marks {
  /** Joined at the end: looking at a long text after each addition costs more than making it. */
  parts: string[];
  /** Markdown already. */
  isRaw?: boolean;
}

/** What stands between characters of words is no emphasis. */
function plain(text: string): string {
  return text
    .replace(/[\\*`[\]]/g, "\\$&")
    .replace(/<(?=[a-zA-Z/!?])/g, "\\<")
    .replace(/&(?=#?\w+;)/g, "\\&")
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\_")
    .replace(/~~/g, "\\~\\~");
}

/** Backticks, more than stand together in a text. */
function fenceFor(text: string, least: number): string {
  const longest = (text.match(/`+/g) ?? []).reduce((most, { length }) => Math.max(most, length), 0);
  return "`".repeat(Math.max(least, longest + 1));
}

/** Code in a fence of more backticks than it holds. */
function inlineCode(text: string): string {
  const fence = fenceFor(text, 1);
  const pad = text.startsWith("`") || text.endsWith("`") ? " " : "";
  return `${fence}${pad}${text}${pad}${fence}`;
}

/** Addresses that run something, or hold their own content, lead nowhere. */
export function addressOf(address: string): string | undefined {
  if (address.length > LIMITS.linkCharactersMax) return undefined;
  const given = address.replace(/[\p{Cc} ]+/gu, " ").trim();
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(given.replace(/\s/g, ""))?.[1]?.toLowerCase();
  if (given === "") return undefined;
  if (scheme !== undefined && !["http", "https", "mailto", "tel", "ftp"].includes(scheme)) return undefined;
  return given.replace(
    /[ ()<>|\\]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

export function imageOf(altText: string, address: string | undefined): string {
  return `![${plain(altText.replace(/\s+/g, " ").trim())}](${address ?? ""})`;
}

/** Text of one block, piece by piece. */
export class Inline {
  private runs: Run[] = [];
  private atBlank = true;
  private hasText = false;

  add(text: string, marks: Marks = {}): void {
    if (text === "") return;
    const last = this.runs.at(-1);
    const isSame = (["bold", "italic", "strike", "code", "link"] as const).every(
      (mark) => (last?.[mark] ?? false) === (marks[mark] ?? false),
    );
    if (last !== undefined && isSame && !last.isRaw) last.parts.push(text);
    else this.runs.push({ ...marks, parts: [text] });
    this.atBlank = (text.at(-1) ?? "").trim() === "";
    this.hasText ||= text.trim() !== "";
  }

  addRaw(markdown: string, link?: string): void {
    this.runs.push({ parts: [markdown], isRaw: true, ...(link === undefined ? {} : { link }) });
    this.atBlank = false;
    this.hasText = true;
  }

  /** Ends with a blank, or has nothing yet. */
  get isAtBlank(): boolean {
    return this.atBlank;
  }

  get isEmpty(): boolean {
    return !this.hasText;
  }

  /** The text alone. */
  bare(): string {
    return this.runs.map(({ parts }) => parts.join("")).join("");
  }

  take(): string {
    const said = this.runs.map(shown).join("").trim();
    this.runs = [];
    this.atBlank = true;
    this.hasText = false;
    return said;
  }
}

function shown(run: Run): string {
  const whole = run.parts.join("");
  const text = whole.trim();
  if (text === "") return whole;
  const before = whole.slice(0, whole.length - whole.trimStart().length);
  const after = whole.slice(whole.trimEnd().length);
  let said = run.isRaw ? text : run.code ? inlineCode(text.replace(/\n/g, " ")) : plain(text);
  if (run.bold && !run.code) said = `**${said}**`;
  if (run.italic && !run.code) said = `*${said}*`;
  if (run.strike && !run.code) said = `~~${said}~~`;
  if (run.link !== undefined) said = `[${said}](${run.link})`;
  return before + said + after;
}

/** One line of several. */
function oneLine(text: string, between: string): string {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(between);
}

interface Container {
  /** Before the first line; used once. */
  marker: string;
  /** Before every other. */
  rest: string;
  isUsed: boolean;
}

interface Piece {
  text: string;
  /** Goes on with the list before it. */
  isItem: boolean;
  /** Begins one. */
  isFirst: boolean;
  /** The quote it stands in. */
  quote: Container | undefined;
}

interface Level {
  pieces: Piece[];
  containers: Container[];
}

/** Blocks of a document in order. */
export class MarkdownWriter {
  private readonly levels: Level[] = [{ pieces: [], containers: [] }];
  private readonly source: Source;
  private bytes = 0;

  constructor(source: Source) {
    this.source = source;
  }

  private get level(): Level {
    return this.levels.at(-1) ?? { pieces: [], containers: [] };
  }

  /** Inside a cell: blocks become its text. */
  get isInCell(): boolean {
    return this.levels.length > 1;
  }

  heading(level: number, text: string): void {
    if (text === "") return;
    const line = oneLine(text, " ");
    this.block(this.isInCell ? line : `${"#".repeat(Math.min(6, Math.max(1, level)))} ${line}`);
  }

  paragraph(text: string): void {
    if (text === "") return;
    // What looks like the beginning of another block is none.
    const safe = text
      .replace(/^([ \t]*)(#{1,6}(?=\s|$)|[>+-](?=\s|$)|-{3,}$|=+$)/gm, "$1\\$2")
      .replace(/^([ \t]*\d{1,9})([.)])(?=\s|$)/gm, "$1\\$2");
    this.block(this.isInCell ? safe : safe.replace(/\n/g, "\\\n"));
  }

  code(text: string, language = ""): void {
    const body = text.trimEnd();
    if (body.trim() === "") return;
    if (this.isInCell) {
      this.block(body.split("\n").map(inlineCode).join("\n"));
      return;
    }
    const fence = fenceFor(body, 3);
    this.block(`${fence}${language.replace(/[^\w+#.-]/g, "")}\n${body}\n${fence}`);
  }

  rule(): void {
    if (!this.isInCell) this.block("---");
  }

  /** Rows of cells as Markdown; the first is the header. `rowCount` where more were there than are given. */
  table(rows: readonly (readonly string[])[], rowCount = rows.length): void {
    const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
    if (width === 0) return;
    if (this.isInCell) {
      this.block(rows.map((row) => row.filter((cell) => cell !== "").join("; ")).join("\n"));
      return;
    }
    if (width > tableColumnsMax) this.source.warn(`Columns after the first ${tableColumnsMax} are not shown.`);
    const columns = Array.from({ length: Math.min(width, tableColumnsMax) }, (_, place) => place);
    const line = (row: readonly string[]): string =>
      `| ${columns.map((place) => cellText(row[place] ?? "", this.source)).join(" | ")} |`;
    const [header = [], ...body] = rows.slice(0, tableRowsMax + 1);
    const left = rowCount - 1 - body.length;
    if (left > 0)
      this.source.warn(`A table has ${rowCount - 1} rows below its header; the first ${body.length} are shown.`);
    const more = left > 0 ? [`\n*${left} more rows are not shown.*`] : [];
    this.block([line(header), `|${columns.map(() => " --- |").join("")}`, ...body.map(line), ...more].join("\n"));
  }

  raw(markdown: string): void {
    this.block(markdown);
  }

  enter(marker: string, rest: string): void {
    this.level.containers.push({ marker, rest, isUsed: false });
  }

  leave(): void {
    this.level.containers.pop();
  }

  enterCell(): void {
    this.levels.push({ pieces: [], containers: [] });
  }

  /** The cell's text, its blocks a line each. */
  leaveCell(): string {
    const { pieces } = this.levels.pop() ?? { pieces: [] };
    return pieces.map(({ text }) => text).join("\n");
  }

  /** The whole document. */
  end(): string {
    const pieces = this.levels[0]?.pieces ?? [];
    const text = pieces.map((piece, place) => {
      const before = pieces[place - 1];
      if (before === undefined) return piece.text;
      if (piece.quote !== undefined && piece.quote === before.quote) return `\n>\n${piece.text}`;
      return (piece.isItem && before.isItem && !piece.isFirst ? "\n" : "\n\n") + piece.text;
    });
    return text.length === 0 ? "" : `${text.join("")}\n`;
  }

  private block(text: string): void {
    const { pieces, containers } = this.level;
    const isItem = containers.some(({ marker, isUsed }) => !isUsed && /[-.] $/.test(marker));
    const isFirst = containers.length === 1 && containers[0]?.marker === "1. " && isItem;
    const quote = containers[0]?.marker === "> " ? containers[0] : undefined;
    const first = containers.map(({ marker, rest, isUsed }) => (isUsed ? rest : marker)).join("");
    const rest = containers.map((container) => container.rest).join("");
    for (const container of containers) container.isUsed = true;
    const given = text.split("\n");
    if (text.length + given.length * rest.length > markdownBytesMax) throw this.tooMuch();
    const lines = given.map((line, place) => ((place === 0 ? first : rest) + line).trimEnd());
    const made = this.isInCell ? text : lines.join("\n");
    this.bytes += Buffer.byteLength(made) + 2;
    if (this.bytes > markdownBytesMax) throw this.tooMuch();
    pieces.push({ text: made, isItem, isFirst, quote });
  }

  private tooMuch(): Error {
    return this.source.tooMuch(
      `would be more than ${markdownBytesMax} bytes of Markdown; convert a smaller part of it`,
    );
  }
}

function cellText(text: string, source: Source): string {
  const letters = text.length > cellCharactersMax ? `${text.slice(0, cellCharactersMax)}\u2026` : text;
  if (letters !== text) source.warn(`Cells of more than ${cellCharactersMax} characters were cut.`);
  return oneLine(letters, "<br>")
    .replace(/\|/g, "\\|")
    .replace(/[\t\r]/g, " ");
}

/** Text of a cell that holds no markup. */
export function plainCell(text: string): string {
  return plain(text);
}
