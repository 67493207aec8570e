// Who joins a terminal late sees what one sees who was there from the start, and goes on seeing it: the core's screens beside the page's
// terminal, over random output.

import { afterAll, beforeAll, expect, it } from "vitest";
import { PaintedScreens, ReferenceTerminal, type Size, showSame } from "../kit/painted-screens.ts";
import { randomFrom } from "../kit/tables.ts";
import { act } from "../kit/terminal-output.ts";

const SEQUENCES = 3_000;
const FIRST_SEED = 0;
const LONG = 12;

let screens: PaintedScreens;

beforeAll(() => {
  screens = new PaintedScreens();
});
afterAll(() => screens?.end());

interface Output {
  size: Size;
  /** Before who is late joins, perhaps cut within a character or sequence. */
  before: Buffer;
  after: Buffer[];
}

function outputOf(seed: number, acts: number): Output {
  const random = randomFrom(seed);
  const upTo = (most: number): number => Math.floor(random() * most);
  const size = { columns: 2 + upTo(24), rows: 2 + upTo(7) };
  const printed = Buffer.from(Array.from({ length: 1 + upTo(acts) }, () => act(random)).join(""));
  const cut = Math.max(0, printed.length - upTo(4));
  const after = Array.from({ length: upTo(25) }, () => Buffer.from(act(random)));
  return { size, before: printed.subarray(0, cut), after: [printed.subarray(cut), ...after] };
}

/** Undefined: the page's terminal itself breaks on this output. */
async function differs({ size, before, after }: Output): Promise<string | undefined> {
  const [early, late] = [new ReferenceTerminal(size), new ReferenceTerminal(size)];
  screens.fresh(size);
  screens.feed(before);
  const painted = await screens.paint();
  const told = (): string => `${JSON.stringify(before.toString())}, then ${JSON.stringify(after.map(String))}`;
  try {
    early.write(before);
    late.write(painted);
    if (!showSame(early, late)) return `at once: ${told()}`;
    for (const output of after) {
      early.write(output);
      late.write(output);
    }
    return showSame(early, late) ? undefined : `afterwards: ${told()}`;
  } catch (error) {
    // xterm.js 6 erases beyond its lines with `CSI 1 J` in the last cell.
    if (error instanceof TypeError && /isWrapped/.test(error.message)) return undefined;
    throw error;
  } finally {
    early.dispose();
    late.dispose();
  }
}

it(`is so after each of ${SEQUENCES} random outputs`, async () => {
  const different: string[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEQUENCES; seed += 1) {
    const difference = await differs(outputOf(seed, 40));
    if (difference) different.push(`seed ${seed} ${difference}`);
  }
  expect(different).toEqual([]);
});

it("is so when lines scrolled away, as many as are kept and more", async () => {
  const lines = (count: number): Buffer =>
    Buffer.from(
      Array.from({ length: count }, (_, at) => `\x1b[3${at % 8}mline ${at} ${"w".repeat(at % 70)}\r\n`).join(""),
    );
  for (const count of [100, 4_990, 5_030, 12_000]) {
    const output = outputOf(count, LONG);
    const size = { columns: 30, rows: 7 };
    const before = Buffer.concat([lines(count), output.before]);
    expect(await differs({ size, before, after: [...output.after, lines(20)] }), `${count} lines`).toBeUndefined();
  }
});

it("is so after another size, which everybody is painted anew for", async () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const random = randomFrom(seed + 77);
    const { size, before, after } = outputOf(seed, 40);
    screens.fresh(size);
    screens.feed(before);
    const next = { columns: 2 + Math.floor(random() * 40), rows: 2 + Math.floor(random() * 12) };
    screens.resize(next);
    const [early, late] = [new ReferenceTerminal(next), new ReferenceTerminal(next)];
    early.write(await screens.paint());
    try {
      for (const output of after) {
        screens.feed(output);
        early.write(output);
      }
    } catch {
      continue;
    }
    late.write(await screens.paint());
    expect.soft(showSame(early, late), `seed ${seed}`).toBe(true);
  }
});
