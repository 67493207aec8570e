// Terminals of workers as a page has them, on a terminal without a screen.

import { once } from "node:events";
import type { Session } from "@openwrap/contracts";
import xterm from "@xterm/headless";
import WebSocket from "ws";
import type { TestServer } from "./server.ts";

const SCROLLBACK_LINES = 5_000;
const OFFSET_BYTES = 8;
/** In place of an offset: the view is to be asked for. */
const CHANGED = 0xffff_ffff_ffff_ffffn;

/** A terminal that is written to, and what it shows. */
export class Screen {
  private readonly terminal: xterm.Terminal;
  /** Bytes of output it has seen. */
  offset = 0;

  constructor(columns: number, rows: number) {
    this.terminal = new xterm.Terminal({ cols: columns, rows, scrollback: SCROLLBACK_LINES, allowProposedApi: true });
  }

  /** As the session is now. */
  static async of(server: TestServer, sessionId: string): Promise<Screen> {
    const { view } = await server.client.session.view({ sessionId });
    if (view?.kind !== "terminal") throw new Error("the session shows no terminal");
    const screen = new Screen(view.size.columns, view.size.rows);
    screen.terminal.write(Buffer.from(view.screen, "base64"));
    screen.offset = view.offset;
    return screen;
  }

  /** What is known already is passed over; a gap is an error. */
  take(offset: number, bytes: Uint8Array): void {
    if (offset > this.offset) throw new Error(`bytes ${this.offset} to ${offset} are missing`);
    const fresh = bytes.subarray(this.offset - offset);
    if (offset + bytes.length <= this.offset) return;
    this.offset = offset + bytes.length;
    this.terminal.write(fresh);
  }

  /** Everything that can be seen or scrolled to, with colours, cursor and modes, as text. */
  async shown(): Promise<string> {
    await new Promise<void>((done) => this.terminal.write("", done));
    const { active } = this.terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, at) => lineOf(active.getLine(at)));
    while (lines.at(-1) === "") lines.pop();
    const { cursorX, cursorY, baseY, type } = active;
    const { applicationCursorKeysMode, bracketedPasteMode, mouseTrackingMode } = this.terminal.modes;
    const modes = { applicationCursorKeysMode, bracketedPasteMode, mouseTrackingMode };
    return [...lines, JSON.stringify({ cursorX, cursorY, baseY, type, ...modes })].join("\n");
  }
}

/** Characters, and where their looks change. */
function lineOf(line: xterm.IBufferLine | undefined): string {
  if (!line) return "";
  let text = "";
  let before = "";
  let last = 0;
  for (let at = 0; at < line.length; at += 1) {
    const cell = line.getCell(at);
    if (!cell || cell.getWidth() === 0) continue;
    const looks = looksOf(cell);
    if (looks !== before) text += looks === "" ? "<>" : `<${looks}>`;
    before = looks;
    text += cell.getChars() === "" ? " " : cell.getChars();
    if (looks !== "" || (cell.getChars() !== "" && cell.getChars() !== " ")) last = text.length;
  }
  return text.slice(0, last);
}

function looksOf(cell: xterm.IBufferCell): string {
  const flags = [cell.isBold(), cell.isDim(), cell.isItalic(), cell.isUnderline(), cell.isInverse()];
  const set = flags.map((flag) => (flag ? "1" : "0")).join("");
  const colour = (mode: boolean, value: number): string => (mode ? "" : value.toString(16));
  const colours = `${colour(cell.isFgDefault(), cell.getFgColor())}/${colour(cell.isBgDefault(), cell.getBgColor())}`;
  return set === "00000" && colours === "/" ? "" : `${set} ${colours}`;
}

/** The socket of who drives, and the screen it keeps. */
export class Drive {
  /** Every frame since the start, in order. */
  readonly frames: { offset: number; bytes: Uint8Array }[] = [];
  /** How often the view was asked for. */
  joins = 0;
  private readonly socket: WebSocket;
  private readonly server: TestServer;
  private readonly session: Session;
  private readonly token: string;
  private sequence = 0;
  private screen: Promise<Screen> | undefined;
  private readonly answers: ((text: string) => void)[] = [];

  private constructor(server: TestServer, session: Session, token: string) {
    const url = `${server.url.replace(/^http/, "ws")}/api/sessions/drive?sessionId=${session.sessionId}`;
    const headers = { authorization: `Bearer ${server.token}` };
    this.socket = new WebSocket(url, ["openwrap.drive"], { headers });
    this.server = server;
    this.session = session;
    this.token = token;
    this.socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.hear(data);
      else this.answers.shift()?.(data.toString("utf8"));
    });
  }

  static async open(server: TestServer, session: Session, token: string): Promise<Drive> {
    const drive = new Drive(server, session, token);
    await once(drive.socket, "open");
    return drive;
  }

  /** The screen, once it is there. */
  async joined(): Promise<Screen> {
    while (!this.screen) await new Promise((wait) => setTimeout(wait, 5));
    return await this.screen;
  }

  private hear(data: Buffer): void {
    const offset = data.readBigUInt64BE(0);
    if (offset === CHANGED) {
      this.joins += 1;
      this.screen = this.join(this.frames.length);
      return;
    }
    const frame = { offset: Number(offset), bytes: data.subarray(OFFSET_BYTES) };
    this.frames.push(frame);
  }

  /** The view, then every frame since it was asked for. */
  private async join(since: number): Promise<Screen> {
    const screen = await Screen.of(this.server, this.session.sessionId);
    let at = since;
    const follow = (): void => {
      for (; at < this.frames.length; at += 1) {
        const frame = this.frames[at];
        if (frame) screen.take(frame.offset, frame.bytes);
      }
    };
    follow();
    this.socket.on("message", follow);
    return screen;
  }

  /** Types; resolves with the answer. */
  async type(text: string): Promise<{ code?: string; sequence?: number }> {
    this.sequence += 1;
    const { sessionId } = this.session;
    const request = { sessionId, token: this.token, sequence: this.sequence, inputs: [{ kind: "text", text }] };
    const answer = new Promise<string>((resolve) => this.answers.push(resolve));
    this.socket.send(JSON.stringify(request));
    return JSON.parse(await answer) as { code?: string; sequence?: number };
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.terminate();
  }
}
