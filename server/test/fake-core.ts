// A core small enough to see through, for tests of what lies above it.

import type { Fault } from "@openwrap/contracts";
import { METHODS } from "@openwrap/contracts/methods";
import { type Core, CoreFault, type Subscription } from "../src/core.ts";

export const COOKIE_VALUE = "cookie-of-the-device";
export const TAB = "secret-of-the-tab";
export const TOKEN = "token-of-the-command-line";
export const CODE = "launch-code";

const UNAUTHORIZED: Fault = { code: "UNAUTHORIZED", message: "not signed in", hint: "Sign in." };

interface Sent {
  cookie?: string;
  tabSecret?: string;
  cliToken?: string;
}

export class FakeCore implements Core {
  /** Methods that were let through, with their parameters. */
  readonly calls: { method: string; params: unknown }[] = [];
  /** Live subscriptions. */
  readonly readers = new Map<(text: string) => void, { after: number }>();
  /** Those that want nothing now. */
  readonly paused = new Set<(text: string) => void>();
  /** Live readers of terminals. */
  readonly terminals = new Map<(frame: Uint8Array) => void, { sessionId: string }>();
  /** Live readers of pictures. */
  readonly watching = new Map<(frame: Uint8Array) => void, { sessionId: string }>();
  codes = [CODE];
  /** Cookies of devices beside the one that is always there; all have one tab. */
  readonly others = new Set<string>();
  closed = false;
  private token = TOKEN;
  subscriptions = 0;
  /** Results of single methods; what a handler throws as a `CoreFault` is answered as its fault. */
  readonly handlers = new Map<string, (params: Record<string, unknown>) => unknown>();

  /** The same core as one that was opened with another token. */
  withToken(token: string): this {
    this.token = token;
    return this;
  }

  private knows(cookie: string | undefined): boolean {
    return cookie === COOKIE_VALUE || (cookie !== undefined && this.others.has(cookie));
  }

  private permits(credentialsJson: string): boolean {
    const { cookie, tabSecret, cliToken } = JSON.parse(credentialsJson) as Sent;
    return cliToken === this.token || (this.knows(cookie) && tabSecret === TAB);
  }

  async call(method: string, paramsJson: string, credentialsJson: string): Promise<string> {
    const row = METHODS.find((candidate) => candidate.name === method);
    if (row?.access !== "open" && !this.permits(credentialsJson)) return JSON.stringify({ error: UNAUTHORIZED });
    const params = JSON.parse(paramsJson) as Record<string, unknown>;
    if (method === "session.redeem") {
      if (!this.codes.includes(String(params.code))) return JSON.stringify({ error: UNAUTHORIZED });
      this.codes = this.codes.filter((code) => code !== params.code);
      this.calls.push({ method, params });
      return JSON.stringify({ ok: { deviceId: "device_1", cookie: COOKIE_VALUE, tabSecret: TAB, role: "drive" } });
    }
    if (method === "pairing.known")
      return JSON.stringify({ ok: { known: this.knows((JSON.parse(credentialsJson) as Sent).cookie) } });
    this.calls.push({ method, params });
    try {
      return JSON.stringify({ ok: this.handlers.get(method)?.(params) ?? { method, sequence: 1 } });
    } catch (error) {
      if (error instanceof CoreFault) return JSON.stringify({ error: error.fault });
      throw error;
    }
  }

  input(paramsJson: string, credentialsJson: string): Promise<string> {
    return this.call("session.input", paramsJson, credentialsJson);
  }

  async subscribe(credentialsJson: string, after: number, frames: (text: string) => void): Promise<Subscription> {
    if (!this.permits(credentialsJson)) throw new CoreFault(UNAUTHORIZED);
    this.subscriptions += 1;
    this.readers.set(frames, { after });
    return {
      pause: () => this.paused.add(frames),
      resume: () => this.paused.delete(frames),
      close: () => this.readers.delete(frames),
    };
  }

  async watchTerminal(
    sessionId: string,
    credentialsJson: string,
    frames: (frame: Uint8Array) => void,
  ): Promise<Subscription> {
    if (!this.permits(credentialsJson)) throw new CoreFault(UNAUTHORIZED);
    this.terminals.set(frames, { sessionId });
    return { pause: () => undefined, resume: () => undefined, close: () => this.terminals.delete(frames) };
  }

  async watchPictures(
    sessionId: string,
    credentialsJson: string,
    frames: (frame: Uint8Array) => void,
  ): Promise<{ close(): void }> {
    if (!this.permits(credentialsJson)) throw new CoreFault(UNAUTHORIZED);
    this.watching.set(frames, { sessionId });
    return { close: () => this.watching.delete(frames) };
  }

  async readFile(paramsJson: string, credentialsJson: string): Promise<Uint8Array> {
    if (!this.permits(credentialsJson)) throw new CoreFault(UNAUTHORIZED);
    this.calls.push({ method: "file", params: JSON.parse(paramsJson) });
    return this.file;
  }

  async mayUpload(paramsJson: string, credentialsJson: string): Promise<void> {
    if (!this.permits(credentialsJson)) throw new CoreFault(UNAUTHORIZED);
    this.calls.push({ method: "mayUpload", params: JSON.parse(paramsJson) });
  }

  async upload(paramsJson: string, credentialsJson: string, bytes: Uint8Array): Promise<string> {
    if (!this.permits(credentialsJson)) return JSON.stringify({ error: UNAUTHORIZED });
    this.calls.push({ method: "upload", params: { ...JSON.parse(paramsJson), bytes: Buffer.from(bytes).toString() } });
    return JSON.stringify({ ok: { sequence: 1 } });
  }

  /** Bytes of every file. */
  file: Uint8Array = Buffer.from("<script>alert(1)</script>");
  /** What was said of the way in for other devices. */
  readonly beyond: { names: string[]; origins: string[] }[] = [];
  /** Answers of `listenBeyond`, the last again and again. */
  identities: object[] = [{}];

  async listenBeyond(beyondJson: string): Promise<string> {
    this.beyond.push(JSON.parse(beyondJson));
    const next = this.identities.length > 1 ? this.identities.shift() : this.identities[0];
    return JSON.stringify(next);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  send(text: string): void {
    for (const frames of [...this.readers.keys()]) frames(text);
  }
}
