// How the words of a chart fit: lines, shortening, and the labels of the categories.

export type Measure = (text: string, size: number) => number;

const ELLIPSIS = "\u2026";

/** Breaks at spaces into at most `linesMax` lines; what does not fit is shortened. */
export function wrapped(text: string, size: number, width: number, linesMax: number, measure: Measure): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line === "" || measure(longer, size) <= width) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  lines.push(line);
  const kept = lines.slice(0, linesMax);
  if (lines.length > linesMax) kept[linesMax - 1] = `${kept[linesMax - 1]} ${lines.slice(linesMax).join(" ")}`;
  return kept.map((each) => shortened(each, size, width, measure));
}

export function shortened(text: string, size: number, width: number, measure: Measure): string {
  if (measure(text, size) <= width) return text;
  const letters = [...text];
  while (letters.length > 1 && measure(`${letters.join("").trimEnd()}${ELLIPSIS}`, size) > width) letters.pop();
  return `${letters.join("").trimEnd()}${ELLIPSIS}`;
}

export interface CategoryLabels {
  /** Lines of each label; none where it is left out. */
  lines: string[][];
  /** Written upwards at an angle. */
  slanted: boolean;
  /** Pixels below the axis. */
  height: number;
}

const LINE_HEIGHT = 1.25;
const SLANT = Math.PI / 4;
const SLANTED_WIDTH_MAX = 130;

/** Flat where they fit, every n-th where they are many, else slanted. `band` is the room for one, in pixels. */
export function categoryLabels(categories: string[], band: number, size: number, measure: Measure): CategoryLabels {
  const flat = (every: number): CategoryLabels | undefined => {
    const room = band * every - 8;
    const lines = categories.map((text, place) => (place % every === 0 ? wrapped(text, size, room, 2, measure) : []));
    const whole = categories.every(
      (text, place) => place % every !== 0 || lines[place]?.join(" ") === text.trim().replace(/\s+/g, " "),
    );
    const deepest = Math.max(...lines.map((each) => each.length));
    return whole ? { lines, slanted: false, height: deepest * size * LINE_HEIGHT } : undefined;
  };
  const all = flat(1);
  if (all !== undefined) return all;
  if (band < size * LINE_HEIGHT) {
    for (let every = 2; every <= Math.ceil(categories.length / 2); every += 1) {
      const some = flat(every);
      if (some !== undefined) return some;
    }
  }
  const every = Math.max(1, Math.ceil((size * LINE_HEIGHT * 1.2) / band));
  const lines = categories.map((text, place) =>
    place % every === 0 ? [shortened(text, size, SLANTED_WIDTH_MAX, measure)] : [],
  );
  const longest = Math.max(...lines.map(([line]) => (line === undefined ? 0 : measure(line, size))));
  return { lines, slanted: true, height: longest * Math.sin(SLANT) + size };
}
