// What changed between two texts, line by line (Myers' greedy algorithm), and inside a changed line word by word.

export interface Row {
  kind: "same" | "removed" | "added";
  text: string;
  /** From 1; where the text has the line. */
  before?: number;
  after?: number;
}

/** Edits looked for before a whole stretch counts as replaced: texts this different are not read side by side. */
const EDITS_MAX = 1_500;

type Step = "same" | "removed" | "added";

/** The shortest way from `a` to `b`; nothing when it is longer than `max` edits. */
function shortest<T>(a: readonly T[], b: readonly T[], max: number): Step[] | undefined {
  const limit = Math.min(a.length + b.length, max);
  const reach = new Map<number, number>([[1, 0]]);
  const trail: Map<number, number>[] = [];
  for (let edits = 0; edits <= limit; edits += 1) {
    trail.push(new Map(reach));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = down ? (reach.get(k + 1) ?? 0) : (reach.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && x - k >= 0 && a[x] === b[x - k]) x += 1;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return walk(trail, a.length, b.length);
    }
  }
  return undefined;
}

function walk(trail: Map<number, number>[], fromX: number, fromY: number): Step[] {
  const steps: Step[] = [];
  let [x, y] = [fromX, fromY];
  for (let edits = trail.length - 1; edits >= 0; edits -= 1) {
    const reach = trail[edits] ?? new Map<number, number>();
    const k = x - y;
    const down = k === -edits || (k !== edits && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const backX = edits === 0 ? 0 : (reach.get(down ? k + 1 : k - 1) ?? 0);
    const backY = edits === 0 ? 0 : backX - (down ? k + 1 : k - 1);
    while (x > backX && y > backY) {
      steps.push("same");
      x -= 1;
      y -= 1;
    }
    if (edits > 0) steps.push(down ? "added" : "removed");
    [x, y] = [backX, backY];
  }
  return steps.reverse();
}

/** Steps from `a` to `b`; equal ends are cut off first, and what differs too much is replaced as a whole. */
function steps<T>(a: readonly T[], b: readonly T[], max = EDITS_MAX): Step[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
    tail += 1;
  const [left, right] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  const middle = shortest(left, right, max) ?? [...left.map((): Step => "removed"), ...right.map((): Step => "added")];
  const same = (count: number): Step[] => Array.from({ length: count }, () => "same");
  return [...same(head), ...middle, ...same(tail)];
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

export function diffLines(before: string, after: string): Row[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let [x, y] = [0, 0];
  const rows: Row[] = [];
  for (const kind of steps(a, b)) {
    if (kind === "same") rows.push({ kind, text: a[x] ?? "", before: ++x, after: ++y });
    else if (kind === "removed") rows.push({ kind, text: a[x] ?? "", before: ++x });
    else rows.push({ kind, text: b[y] ?? "", after: ++y });
  }
  return rows;
}

/** Two lines side by side: one of them is missing where the other has no counterpart. */
export interface Pair {
  before?: Row;
  after?: Row;
}

export function paired(rows: readonly Row[]): Pair[] {
  const pairs: Pair[] = [];
  let removed: Row[] = [];
  let added: Row[] = [];
  const flush = (): void => {
    for (let place = 0; place < Math.max(removed.length, added.length); place += 1) {
      const [before, after] = [removed[place], added[place]];
      pairs.push({ ...(before ? { before } : {}), ...(after ? { after } : {}) });
    }
    removed = [];
    added = [];
  };
  for (const row of rows) {
    if (row.kind === "removed") removed.push(row);
    else if (row.kind === "added") added.push(row);
    else {
      flush();
      pairs.push({ before: row, after: row });
    }
  }
  flush();
  return pairs;
}

export interface Span {
  text: string;
  changed: boolean;
}

const WORDS = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;
/** Longer lines are marked as a whole. */
const LINE_CHARS_MAX = 1_000;
const WORD_EDITS_MAX = 120;

/** Both lines cut where they differ. Lines with little in common are changed as a whole. */
export function diffWords(before: string, after: string): { before: Span[]; after: Span[] } {
  const whole = { before: [{ text: before, changed: true }], after: [{ text: after, changed: true }] };
  if (before.length > LINE_CHARS_MAX || after.length > LINE_CHARS_MAX) return whole;
  const [a, b] = [before.match(WORDS) ?? [], after.match(WORDS) ?? []];
  const found = steps(a, b, WORD_EDITS_MAX);
  const kept = found.filter((step) => step === "same").length;
  if (kept * 3 < Math.max(a.length, b.length)) return whole;
  const spans = { before: [] as Span[], after: [] as Span[] };
  let [x, y] = [0, 0];
  for (const step of found) {
    if (step !== "added") put(spans.before, a[x] ?? "", step === "removed");
    if (step !== "removed") put(spans.after, b[y] ?? "", step === "added");
    if (step !== "added") x += 1;
    if (step !== "removed") y += 1;
  }
  return spans;
}

function put(spans: Span[], text: string, changed: boolean): void {
  const last = spans.at(-1);
  if (last?.changed === changed) last.text += text;
  else spans.push({ text, changed });
}

/** A stretch of rows: shown, or equal and folded away. */
export interface Stretch<T> {
  rows: T[];
  folded: boolean;
}

/** Folds equal rows that stand further than `context` from a change. */
export function folded<T>(rows: readonly T[], equal: (row: T) => boolean, context = 3): Stretch<T>[] {
  const near = rows.map(() => false);
  rows.forEach((row, place) => {
    if (equal(row)) return;
    for (let at = Math.max(0, place - context); at <= Math.min(rows.length - 1, place + context); at += 1)
      near[at] = true;
  });
  const stretches: Stretch<T>[] = [];
  rows.forEach((row, place) => {
    const fold = !near[place];
    const last = stretches.at(-1);
    if (last?.folded === fold) last.rows.push(row);
    else stretches.push({ rows: [row], folded: fold });
  });
  // A fold of a line or two hides nothing worth a press.
  return stretches.map((one) => (one.folded && one.rows.length <= 2 ? { ...one, folded: false } : one));
}
