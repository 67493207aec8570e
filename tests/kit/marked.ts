// Processes found by a text in their arguments, wherever in the process tree they have gone.

import { readdirSync, readFileSync } from "node:fs";

/** Process ids whose command line holds the text; one that has ended but was not yet collected has none. */
export function marked(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

const LOOK_MS = 5;
const GIVE_UP_MS = 10_000;

/** Milliseconds until none is left, from a moment of `performance.now()`. */
export async function goneAfter(look: () => number[], from: number): Promise<number> {
  for (;;) {
    const left = look();
    const passed = performance.now() - from;
    if (left.length === 0) return passed;
    if (passed > GIVE_UP_MS) throw new Error(`still there after ${GIVE_UP_MS} ms: ${left.join(" ")}`);
    await new Promise((wait) => setTimeout(wait, LOOK_MS));
  }
}
