// A terminal that a test types into and reads from.

import { Readable } from "node:stream";
import type { Terminal } from "../src/cli/terminal.ts";

export class ScriptedTerminal implements Terminal {
  readonly env: NodeJS.ProcessEnv;
  stdin: Readable = Readable.from([]);
  interactive = false;
  watched = false;
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  /** What the person types, line by line; when it is used up, nothing is typed. */
  readonly typed: string[] = [];
  private readonly handlers = new Set<(signal: "SIGINT" | "SIGTERM") => void>();

  constructor(home: string) {
    this.env = { OPENWRAP_HOME: home, OPENWRAP_WORK: `${home}-work` };
  }

  out(line: string): void {
    this.lines.push(line);
  }

  err(line: string): void {
    this.errors.push(line);
  }

  ask(_prompt: string, signal: AbortSignal): Promise<string> {
    const next = this.typed.shift();
    if (next !== undefined) return Promise.resolve(next);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
  }

  askSecret(): Promise<Buffer> {
    return Promise.resolve(Buffer.from(this.typed.shift() ?? ""));
  }

  onStop(handler: (signal: "SIGINT" | "SIGTERM") => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  /** As if the signal arrived. */
  signal(name: "SIGINT" | "SIGTERM"): void {
    for (const handler of [...this.handlers]) handler(name);
  }

  pipe(bytes: string): void {
    this.stdin = Readable.from([Buffer.from(bytes)]);
  }
}
