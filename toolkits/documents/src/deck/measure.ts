// How much room text takes. The fonts are not at hand where a deck is made: letters have the advance widths of the office fonts'
// free twins, others a bound of their kind, and some slack is added, so that what is measured to fit does fit.

export type Voice = "sans" | "serif";

/** Thousandths of an em of the characters from blank to tilde: Carlito, Caladea. */
const ADVANCES = {
  sans: [
    226, 326, 401, 498, 507, 715, 682, 221, 303, 303, 498, 498, 250, 306, 252, 386, 507, 507, 507, 507, 507, 507, 507,
    507, 507, 507, 268, 268, 498, 498, 498, 463, 894, 579, 544, 533, 615, 488, 459, 631, 623, 252, 319, 520, 420, 855,
    646, 662, 517, 673, 543, 459, 487, 642, 567, 890, 519, 487, 468, 307, 386, 307, 498, 498, 291, 479, 525, 423, 525,
    498, 305, 471, 525, 229, 239, 455, 229, 799, 525, 527, 525, 525, 349, 391, 335, 525, 452, 715, 433, 453, 395, 314,
    460, 314, 498,
  ],
  serif: [
    220, 286, 393, 619, 506, 890, 687, 237, 382, 382, 427, 554, 205, 329, 206, 490, 554, 554, 554, 554, 554, 554, 554,
    554, 554, 554, 264, 264, 554, 554, 554, 422, 885, 599, 579, 519, 625, 540, 509, 539, 696, 343, 304, 630, 501, 888,
    693, 599, 533, 599, 613, 453, 557, 687, 598, 889, 571, 557, 507, 350, 490, 350, 554, 371, 151, 470, 520, 421, 520,
    441, 313, 459, 554, 277, 255, 525, 271, 813, 558, 480, 520, 501, 396, 392, 325, 546, 470, 720, 483, 482, 428, 387,
    316, 387, 712,
  ],
} as const;
/** In other fonts than these the same text is somewhat longer. */
const SLACK = { sans: 1.05, serif: 1.07 };
const FULL_WIDTH =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3ffff}]/u;
const PICTURE = /\p{Extended_Pictographic}/u;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;
const NARROW = new Set("\u2018\u2019\u00b7\u00a0\u202f");
const UPPER = /\p{Lu}/u;
/** A line's height in ems at single spacing. */
const LINE = { sans: 1.221, serif: 1.173 };

function ems(letter: string, voice: Voice): number {
  const known = ADVANCES[voice][letter.charCodeAt(0) - 32];
  if (known !== undefined) return known / 1_000;
  if (NARROW.has(letter)) return 0.27;
  if (NO_WIDTH.test(letter)) return 0;
  if (FULL_WIDTH.test(letter)) return 1;
  if (PICTURE.test(letter) && letter > "\u203f") return 1.4;
  return UPPER.test(letter) ? 0.68 : 0.58;
}

/** Points of a line of text at a size in points; `stretch` for bold or other letters than the voice's own. */
export function widthOf(text: string, size: number, voice: Voice = "sans", stretch = 1): number {
  let sum = 0;
  for (const letter of text) sum += ems(letter, voice);
  return sum * size * SLACK[voice] * stretch;
}

/** Lines of text in a width in points: broken at blanks, and within a word that is longer than a line. */
export function linesOf(text: string, width: number, size: number, voice: Voice = "sans", stretch = 1): number {
  return text
    .split(/\r\n|\r|\n/)
    .reduce((sum, line) => sum + wrapped(line, width, (part) => widthOf(part, size, voice, stretch)), 0);
}

function wrapped(line: string, width: number, measure: (part: string) => number): number {
  let lines = 1;
  let used = 0;
  for (const word of line.match(/\S+\s*|\s+/g) ?? []) {
    const needed = measure(word.trimEnd());
    if (used > 0 && used + needed > width) {
      lines += 1;
      used = 0;
    }
    if (needed > width) {
      const more = brokenInto(word, width, measure);
      lines += more.lines - 1;
      used = more.used;
    } else used += measure(word);
  }
  return lines;
}

/** A word over several lines; scripts without blanks are such words too. */
function brokenInto(word: string, width: number, measure: (part: string) => number): { lines: number; used: number } {
  let lines = 1;
  let used = 0;
  for (const letter of word) {
    const needed = measure(letter);
    if (used + needed > width) {
      lines += 1;
      used = 0;
    }
    used += needed;
  }
  return { lines, used };
}

/** Points from one line to the next. */
export function lineHeight(size: number, voice: Voice, spacingPercent: number): number {
  return (size * LINE[voice] * spacingPercent) / 100;
}

/** The first size of a falling row at which something of a height in points fits. */
export function largestThatFits(sizes: readonly number[], room: number, height: (size: number) => number) {
  return sizes.find((size) => height(size) <= room);
}
