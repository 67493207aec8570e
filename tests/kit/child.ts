// Programs a test starts: none outlives it.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Child {
  process: ChildProcessWithoutNullStreams;
  pid: number;
  /** What it has said so far. */
  said(): { stdout: string; stderr: string };
  /** Resolves with the first line of stdout that matches; rejects when the program ends before. */
  line(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  ended: Promise<Ended>;
}

const live = new Set<ChildProcessWithoutNullStreams>();
process.on("exit", () => {
  for (const child of live) child.kill("SIGKILL");
});

const LINE_MS = 30_000;
const REST_OF_OUTPUT_MS = 500;

export function startChild(program: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string): Child {
  const child = spawn(program, args, { env, ...(cwd === undefined ? {} : { cwd }) });
  live.add(child);
  const texts = { stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (part: string) => {
      texts[name] += part;
      for (const listener of [...listeners]) listener();
    });
  }
  child.stdin.on("error", () => {});
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    const end = (status: number | null, signal: NodeJS.Signals | null): void => {
      live.delete(child);
      resolve({ status, signal, ...texts });
      for (const listener of [...listeners]) listener();
    };
    child.on("close", end);
    // What it started may outlive it and keep its streams open.
    child.on("exit", (status, signal) => setTimeout(() => end(status, signal), REST_OF_OUTPUT_MS));
  });
  ended.catch(() => {});
  const line = (pattern: RegExp, timeoutMs = LINE_MS): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = texts.stdout
          .split("\n")
          .slice(0, -1)
          .map((text) => pattern.exec(text))
          .find(Boolean);
        if (found) done(() => resolve(found));
        else if (!live.has(child)) done(() => reject(new Error(`${program} ended: ${texts.stdout}${texts.stderr}`)));
      };
      const timer = setTimeout(
        () => done(() => reject(new Error(`no line ${pattern} of ${program}: ${texts.stdout}${texts.stderr}`))),
        timeoutMs,
      );
      const done = (then: () => void): void => {
        clearTimeout(timer);
        listeners.delete(look);
        then();
      };
      listeners.add(look);
      look();
    });
  return { process: child, pid: child.pid ?? -1, said: () => ({ ...texts }), line, ended };
}

/** Asks it to end, and ends it when it does not within the time. */
export async function endChild(child: Child, signal: NodeJS.Signals = "SIGTERM", withinMs = 10_000): Promise<Ended> {
  child.process.kill(signal);
  const timer = setTimeout(() => child.process.kill("SIGKILL"), withinMs);
  try {
    return await child.ended;
  } finally {
    clearTimeout(timer);
  }
}

/** The environment without what a developer's shell may have set for the product. */
export function cleanEnvironment(further: Record<string, string> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(OPENWRAP_|KU0_|NODE_OPTIONS$|VITEST)/.test(name));
  return { ...Object.fromEntries(kept), ...further };
}
