// The memory of a live process, as the kernel shows it to its parent.

import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** A reserved range is mostly empty, and long. */
const RANGE_BYTES_MAX = 512 * 1024 * 1024;

/** Every range that it can write to; none where the kernel shows nothing of it. */
export function* memoryOf(pid: number): Generator<Buffer> {
  let file: number;
  try {
    file = openSync(`/proc/${pid}/mem`, "r");
  } catch {
    return;
  }
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      if (Number.isNaN(start) || end - start > RANGE_BYTES_MAX) continue;
      const bytes = Buffer.alloc(end - start);
      try {
        readSync(file, bytes, 0, bytes.length, start);
      } catch {
        // Given back meanwhile.
        continue;
      }
      yield bytes;
    }
  } finally {
    closeSync(file);
  }
}
