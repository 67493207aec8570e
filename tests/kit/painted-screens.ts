// The core's screens alone, and everything that the page's terminal holds, hidden state included, so that both can be compared.

import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import xterm from "@xterm/headless";
import { cleanEnvironment } from "./child.ts";
import { ROOT } from "./folders.ts";

const EXAMPLE = ["build", "--release", "--locked", "--example", "paint"];
const HEAD_BYTES = 4;

export interface Size {
  columns: number;
  rows: number;
}

/** A program of the sessions' crate that keeps one screen at a time (`native/sessions/examples/paint.rs`). */
export class PaintedScreens {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private have = Buffer.alloc(0);
  private waiting: ((painted: Buffer) => void) | undefined;

  constructor() {
    const output = execFileSync("cargo", [...EXAMPLE, "--message-format", "json"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 256 * 1024 * 1024,
    });
    const built = output.split("\n").filter((line) => line.includes('"executable":"'));
    const { executable } = JSON.parse(built.at(-1) ?? "{}") as { executable?: string };
    if (!executable) throw new Error("cargo names no program");
    this.child = spawn(executable, [], { env: cleanEnvironment(), stdio: ["pipe", "pipe", "ignore"] });
    this.child.stdout.on("data", (part: Buffer) => {
      this.have = Buffer.concat([this.have, part]);
      const end = this.have.length < HEAD_BYTES ? Number.POSITIVE_INFINITY : HEAD_BYTES + this.have.readUInt32BE(0);
      if (this.have.length < end) return;
      const painted = this.have.subarray(HEAD_BYTES, end);
      this.have = this.have.subarray(end);
      this.waiting?.(painted);
    });
  }

  fresh(size: Size): void {
    this.send("n", sizeBytes(size));
  }

  resize(size: Size): void {
    this.send("r", sizeBytes(size));
  }

  feed(output: Buffer): void {
    this.send("f", output);
  }

  /** What brings a fresh terminal to where the screen is. */
  paint(): Promise<Buffer> {
    const painted = new Promise<Buffer>((resolve) => {
      this.waiting = resolve;
    });
    this.send("p", Buffer.alloc(0));
    return painted;
  }

  end(): void {
    this.child.kill();
  }

  private send(command: string, body: Buffer): void {
    const head = Buffer.alloc(1 + HEAD_BYTES);
    head.write(command, 0, "latin1");
    head.writeUInt32BE(body.length, 1);
    this.child.stdin.write(Buffer.concat([head, body]));
  }
}

function sizeBytes({ columns, rows }: Size): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(columns, 0);
  bytes.writeUInt16BE(rows, 2);
  return bytes;
}

/** A cell as xterm.js has it inside. */
interface InnerCell extends xterm.IBufferCell {
  bg: number;
  extended: { urlId: number };
  getUnderlineStyle(): number;
  getUnderlineColorMode(): number;
  getUnderlineColor(): number;
  isUnderlineColorDefault(): boolean;
  isProtected(): number;
}

interface InnerLine {
  length: number;
  isWrapped: boolean;
  loadCell(at: number, cell: InnerCell): InnerCell;
}

interface InnerBuffer {
  lines: { length: number; get(at: number): InnerLine };
  ybase: number;
  x: number;
  y: number;
  scrollTop: number;
  scrollBottom: number;
  tabs: Record<string, boolean | undefined>;
  getNullCell(): InnerCell;
}

interface Inner {
  writeSync(data: Uint8Array): void;
  coreService: { decPrivateModes: object; modes: object; isCursorHidden: boolean };
  coreMouseService: { activeProtocol: string; activeEncoding: string };
  optionsService: { rawOptions: { convertEol: boolean; cursorBlink: boolean } };
  _bufferService: { buffers: { normal: InnerBuffer; alt: InnerBuffer; active: InnerBuffer } };
  _oscLinkService: { getLinkData(id: number): { uri: string } | undefined };
}

const EXTENDED = 0x1000_0000;
/** In place of the address of a link that xterm.js has forgotten, as it does when the line goes where the link began. */
const FORGOTTEN = "forgotten";

/** The page's terminal without a page. */
export class ReferenceTerminal {
  private readonly terminal: xterm.Terminal;
  private withAddresses = true;

  constructor({ columns, rows }: Size) {
    const options = { cols: columns, rows, scrollback: 5_000, allowProposedApi: true, logLevel: "off" } as const;
    this.terminal = new xterm.Terminal(options);
  }

  private get inner(): Inner {
    return (this.terminal as unknown as { _core: Inner })._core;
  }

  /** At once. */
  write(data: Uint8Array): void {
    this.inner.writeSync(data);
  }

  dispose(): void {
    this.terminal.dispose();
  }

  /** Lines of both screens with looks, cursor, regions, tabs and modes, one text each; links with or without where they lead. */
  state(withAddresses: boolean): string[] {
    this.withAddresses = withAddresses;
    const { _bufferService, coreService, coreMouseService, optionsService } = this.inner;
    const { normal, alt, active } = _bufferService.buffers;
    const lines = this.linesOf(normal, normal === active);
    if (alt === active) lines.push(...this.linesOf(alt, true));
    const { convertEol, cursorBlink } = optionsService.rawOptions;
    const { activeProtocol, activeEncoding } = coreMouseService;
    const { decPrivateModes, modes, isCursorHidden } = coreService;
    const more = { convertEol, cursorBlink, activeProtocol, activeEncoding, isCursorHidden };
    lines.push(JSON.stringify({ ...decPrivateModes, ...modes, ...more }));
    return lines;
  }

  private linesOf(buffer: InnerBuffer, isActive: boolean): string[] {
    const cell = Object.create(Object.getPrototypeOf(buffer.getNullCell())) as InnerCell;
    const lines = Array.from({ length: buffer.lines.length }, (_, at) => this.lineOf(buffer.lines.get(at), cell));
    const { ybase, scrollTop, scrollBottom } = buffer;
    const width = buffer.lines.get(0).length;
    const tabs = Object.keys(buffer.tabs).filter((column) => buffer.tabs[column] && Number(column) < width);
    const cursor = isActive ? [buffer.x, buffer.y] : [];
    lines.push(JSON.stringify({ ybase, scrollTop, scrollBottom, tabs, cursor }));
    return lines;
  }

  private lineOf(line: InnerLine, cell: InnerCell): string {
    let text = line.isWrapped ? "+" : "|";
    let before = "";
    let used = text.length;
    let isSecond = false;
    for (let at = 0; at < line.length; at += 1) {
      line.loadCell(at, cell);
      const [characters, width] = [cell.getChars(), cell.getWidth()];
      const skipped = isSecond && width === 0 && characters === "";
      isSecond = width === 2;
      if (skipped) continue;
      const looks = this.looksOf(cell);
      if (looks !== before) text += `<${looks}>`;
      before = looks;
      text += (characters || " ") + (width === 2 ? "." : "");
      if (looks !== "" || (characters !== "" && characters !== " ")) used = text.length;
    }
    return text.slice(0, used);
  }

  private looksOf(cell: InnerCell): string {
    const colour = (mode: number, value: number): string => (mode === 0 ? "" : `${mode >> 24}:${value.toString(16)}`);
    const flags = [cell.isBold(), cell.isDim(), cell.isItalic(), cell.isBlink(), cell.isInverse(), cell.isInvisible()];
    flags.push(cell.isStrikethrough(), cell.isOverline(), cell.isProtected());
    const set = flags.map((flag, place) => (flag ? "bdikrvsop"[place] : "")).join("");
    const extended = (cell.bg & EXTENDED) !== 0;
    const link = extended && cell.extended.urlId !== 0;
    const kind = cell.getUnderlineStyle();
    const own = extended && !cell.isUnderlineColorDefault();
    const line =
      kind === 0 ? "" : `_${kind}${own ? colour(cell.getUnderlineColorMode(), cell.getUnderlineColor()) : ""}`;
    const known = link ? this.inner._oscLinkService.getLinkData(cell.extended.urlId)?.uri : undefined;
    const address = link ? ` ${this.withAddresses ? (known ?? FORGOTTEN) : "link"} ` : "";
    const text = colour(cell.getFgColorMode(), cell.getFgColor());
    const ground = colour(cell.getBgColorMode(), cell.getBgColor());
    const looks = `${set}${line}${address}${text}/${ground}`;
    return looks === "/" ? "" : looks;
  }
}

/** Whether two terminals show the same and go on the same; where one has forgotten links, but for what they lead to. */
export function showSame(one: ReferenceTerminal, other: ReferenceTerminal): boolean {
  const [first, second] = [one.state(true).join("\n"), other.state(true).join("\n")];
  if (first === second) return true;
  if (!first.includes(FORGOTTEN) && !second.includes(FORGOTTEN)) return false;
  return one.state(false).join("\n") === other.state(false).join("\n");
}
