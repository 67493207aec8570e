// Snapshots of a real Node process's heap, made by the signal it was started to answer.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SIGNAL = "SIGUSR2";
const LOOK_MS = 50;
const WITHIN_MS = 60_000;

/** A Node to start a program with, so that snapshots of it can be taken into `folder`. */
export function heapNode(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "node");
  // Else only the first thousand characters of a string stand in a snapshot; the variable for options does not take that one.
  const flags = `--heap-snapshot-string-limit=${2 ** 30} --heapsnapshot-signal=${SIGNAL} --diagnostic-dir=${folder}`;
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${flags} "$@"\n`, { mode: 0o755 });
  return program;
}

/** Every string of the heap that can still be reached, as it is; one a line. */
export async function heapStrings(pid: number, folder: string): Promise<string> {
  const { strings } = JSON.parse((await heapSnapshot(pid, folder)).toString("utf8")) as { strings: string[] };
  return strings.join("\n");
}

/** The snapshot as it is written. */
async function heapSnapshot(pid: number, folder: string): Promise<Buffer> {
  const before = new Set(readdirSync(folder));
  process.kill(pid, SIGNAL);
  for (const from = performance.now(); ; ) {
    await new Promise((wait) => setTimeout(wait, LOOK_MS));
    const name = readdirSync(folder).find((each) => each.endsWith(".heapsnapshot") && !before.has(each));
    const bytes = name === undefined ? undefined : readFileSync(join(folder, name));
    if (name !== undefined && bytes !== undefined && isWhole(bytes)) {
      rmSync(join(folder, name));
      return bytes;
    }
    if (performance.now() - from > WITHIN_MS) throw new Error(`no snapshot of ${pid} within ${WITHIN_MS} ms`);
  }
}

/** The strings stand last. */
function isWhole(bytes: Buffer): boolean {
  return /"\]\s*\}\s*$/.test(bytes.subarray(-64).toString("latin1"));
}
