// What a command sees of the world outside: environment, streams, signals. Tests give their own.

import { createInterface } from "node:readline/promises";
import type { Readable } from "node:stream";

export interface Terminal {
  env: NodeJS.ProcessEnv;
  stdin: Readable;
  /** A person sits there and can be asked. */
  interactive: boolean;
  /** What is printed is read by a person. */
  watched: boolean;
  out(line: string): void;
  err(line: string): void;
  /** Asks for one line. Rejects when the signal aborts, or nobody is there any more. */
  ask(prompt: string, signal: AbortSignal): Promise<string>;
  /** Reads one line without showing it. */
  askSecret(prompt: string): Promise<Buffer>;
  /** Calls for each SIGINT and SIGTERM until the returned function is called; nothing else ends the process meanwhile. */
  onStop(handler: (signal: "SIGINT" | "SIGTERM") => void): () => void;
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

export function processTerminal(): Terminal {
  const { env, stdin, stdout, stderr } = process;
  // Whoever read the output has gone (`| head`): nothing is left to say.
  stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 1 : 74));
  return {
    env,
    stdin,
    interactive: stdin.isTTY === true && stderr.isTTY === true,
    watched: stdout.isTTY === true,
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${line}\n`),
    ask: askLine,
    askSecret,
    onStop: (handler) => {
      const listeners = STOP_SIGNALS.map((signal) => [signal, () => handler(signal)] as const);
      for (const [signal, listener] of listeners) process.on(signal, listener);
      return () => {
        for (const [signal, listener] of listeners) process.removeListener(signal, listener);
      };
    },
  };
}

async function askLine(prompt: string, signal: AbortSignal): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const gone = new Promise<never>((_, reject) => {
    reader.once("close", () => reject(new Error("nobody is there to answer")));
  });
  // The reader takes Ctrl-C for itself while it asks.
  reader.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return await Promise.race([reader.question(prompt, { signal }), gone]);
  } finally {
    gone.catch(() => {});
    reader.close();
  }
}

const ENTER = new Set([0x0a, 0x0d]);
const ERASE = new Set([0x08, 0x7f]);
const SECRET_BYTES_MAX = 16 * 1024;

function askSecret(prompt: string): Promise<Buffer> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  stdin.setRawMode(true);
  const typed = Buffer.alloc(SECRET_BYTES_MAX);
  let length = 0;
  return new Promise((resolve, reject) => {
    const end = (done: () => void): void => {
      stdin.setRawMode(false);
      stdin.removeListener("data", take);
      stdin.pause();
      stderr.write("\n");
      done();
    };
    const take = (part: Buffer): void => {
      let done: (() => void) | undefined;
      for (const byte of part) {
        if (ENTER.has(byte)) done = () => resolve(typed.subarray(0, length));
        else if (byte === 0x03 || byte === 0x04) done = () => reject(new Error("stopped"));
        else if (ERASE.has(byte)) length = Math.max(0, length - 1);
        else if (length < SECRET_BYTES_MAX) typed[length++] = byte;
        if (done) break;
      }
      part.fill(0);
      if (done) end(done);
    };
    stdin.on("data", take);
  });
}
