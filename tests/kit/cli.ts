// The built command line.

import { cleanEnvironment, type Ended, endChild, startChild } from "./child.ts";
import { OPENWRAP } from "./folders.ts";

export interface CliOptions {
  env?: Record<string, string>;
  /** Standard input; closed at once when left out. */
  input?: string | Uint8Array;
  cwd?: string;
  timeoutMs?: number;
  /** Another program, with arguments that go before, than this machine's Node with the built command. */
  program?: string[] | undefined;
}

const TIMEOUT_MS = 120_000;

/** Runs it to its end. `env` is where its data folder is named. */
export async function openwrap(args: string[], options: CliOptions = {}): Promise<Ended> {
  const [program = "", ...first] = options.program ?? [process.execPath, OPENWRAP];
  const child = startChild(program, [...first, ...args], cleanEnvironment(options.env), options.cwd);
  child.process.stdin.end(options.input ?? "");
  const timer = setTimeout(() => void endChild(child, "SIGKILL"), options.timeoutMs ?? TIMEOUT_MS);
  try {
    return await child.ended;
  } finally {
    clearTimeout(timer);
  }
}

/** Lines of JSON, as `--json` prints them. */
export function jsonLines<T = Record<string, unknown>>(stdout: string): T[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}
