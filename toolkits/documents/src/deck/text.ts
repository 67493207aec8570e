// Text of shapes: paragraphs, runs, links, and the size at which they fit.

import { plainOf } from "../cell.ts";
import { tooMuch } from "../check.ts";
import type { RichText } from "../schema.ts";
import { EMU_PER_POINT, type Frame } from "./frame.ts";
import { largestThatFits, lineHeight, linesOf, type Voice } from "./measure.ts";
import type { Points } from "./schema.ts";
import { type Attributes, el } from "./xml.ts";

export const MONO = "Consolas";
/** Percent of single spacing. */
export const SPACING = { title: 95, body: 104 };
/** Points before a paragraph, as a share of the size. */
export const BEFORE = [0.5, 0.28, 0.2];
/** Sizes of the levels, as a share of the first. */
export const SCALE = [1, 0.9, 0.8];
/** EMU from the edge to the text of each level; the bullet hangs before it. */
export const INDENT = [285_750, 571_500, 838_200];
/** EMU that a bullet hangs before its text. */
export const HANGING = 257_175;
/** The sizes that a layout sets come first; what does not fit at the last is refused. */
export const SIZES = {
  title: [30, 28, 26, 24, 22, 20, 18],
  coverTitle: [44, 40, 36, 32, 28, 24],
  coverText: [20, 18, 16, 14],
  body: [24, 22, 20, 18, 16, 15, 14, 13, 12],
  heading: [18, 17, 16, 15, 14, 13, 12],
  caption: [13, 12, 11, 10],
} as const;

/** The first letter that has a direction decides. */
const FIRST_DIRECTED = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]|\p{L}/u;
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

export function isRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(FIRST_DIRECTED.exec(text)?.[0] ?? "");
}

export interface TextStyle {
  language: string;
  /** The id of a relationship to an address. */
  link: (address: string) => string;
}

/** Runs of a text; a line break in it stays one. `fixed` are properties that each run has besides. */
export function runs(text: RichText, style: TextStyle, fixed: Attributes = {}): string {
  const pieces = typeof text === "string" ? [{ text }] : text;
  return pieces
    .flatMap((piece) => {
      const properties = el(
        "a:rPr",
        {
          lang: style.language,
          ...fixed,
          ...("bold" in piece && piece.bold ? { b: 1 } : {}),
          ...("italic" in piece && piece.italic ? { i: 1 } : {}),
          dirty: 0,
        },
        ...("code" in piece && piece.code ? [el("a:latin", { typeface: MONO }), el("a:cs", { typeface: MONO })] : []),
        ...("link" in piece && piece.link !== undefined
          ? [el("a:hlinkClick", { "r:id": style.link(new URL(piece.link).href) })]
          : []),
      );
      return piece.text
        .split(/\r\n|\r|\n/)
        .map((line, place) => (place > 0 ? el("a:br", {}, properties) : "") + runOf(line, properties));
    })
    .join("");
}

function runOf(line: string, properties: string): string {
  return line === "" ? "" : el("a:r", {}, properties, el("a:t", {}, textOf(line)));
}

/** A tab stays one; in an element's text it needs no escape. */
function textOf(line: string): string {
  return line.replace(/[&<>]/g, (letter) => (letter === "&" ? "&amp;" : letter === "<" ? "&lt;" : "&gt;"));
}

/** Each says its direction: some readers hand one paragraph's on to the next. */
export function paragraph(text: RichText, style: TextStyle, level = 0): string {
  const direction = isRightToLeft(plainOf(text)) ? { algn: "r", rtl: 1 } : { algn: "l", rtl: 0 };
  return el("a:p", {}, el("a:pPr", { lvl: level > 0 ? level : undefined, ...direction }), runs(text, style));
}

/** Points with their levels, in order. */
export function flatPoints(points: Points): { text: RichText; level: number }[] {
  return points.flatMap((point) => {
    if (typeof point === "string" || Array.isArray(point)) return [{ text: point, level: 0 }];
    const below = point.items.flatMap((second) =>
      typeof second === "string" || Array.isArray(second)
        ? [{ text: second, level: 1 }]
        : [{ text: second.text, level: 1 }, ...second.items.map((third) => ({ text: third, level: 2 }))],
    );
    return [{ text: point.text, level: 0 }, ...below];
  });
}

/** Points in half steps, as a level has them at a size of the first level. */
export function levelSize(size: number, level: number): number {
  return Math.round(size * (SCALE[level] ?? 1) * 2) / 2;
}

function pointsHeight(points: Points, width: number, size: number): number {
  return flatPoints(points).reduce((sum, { text, level }, place) => {
    const own = levelSize(size, level);
    const room = (width - (INDENT[level] ?? 0)) / EMU_PER_POINT;
    const lines = linesOf(plainOf(text), room, own, "sans", stretchOf(text));
    const before = place === 0 ? 0 : own * (BEFORE[level] ?? 0);
    return sum + before + lines * lineHeight(own, "sans", SPACING.body);
  }, 0);
}

/** How much longer than plain text it is. */
export const BOLD = 1.04;
const CODE = 1.16;

function stretchOf(text: RichText): number {
  if (typeof text === "string") return 1;
  return text.some((piece) => piece.code === true) ? CODE : text.some((piece) => piece.bold === true) ? BOLD : 1;
}

/** The size in points at which bullet points fit a frame. `at` is their place in the arguments. */
export function sizeOfPoints(points: Points, room: Frame, at: string): number {
  const height = room.height / EMU_PER_POINT;
  const size = largestThatFits(SIZES.body, height, (each) => pointsHeight(points, room.width, each));
  if (size !== undefined) return size;
  const least = SIZES.body.at(-1) ?? 0;
  const share = Math.ceil((pointsHeight(points, room.width, least) / height) * 100);
  throw tooMuch(at, `at ${least} points, the smallest, the text takes ${share} % of its place; make two slides of it`);
}

/** The size at which a text of one paragraph fits a frame. */
export function sizeOfText(
  text: string,
  room: Frame,
  sizes: readonly number[],
  voice: Voice,
  at: string,
  stretch = 1,
): number {
  const spacing = voice === "serif" ? SPACING.title : SPACING.body;
  const [width, height] = [room.width / EMU_PER_POINT, room.height / EMU_PER_POINT];
  const size = largestThatFits(
    sizes,
    height,
    (each) => linesOf(text, width, each, voice, stretch) * lineHeight(each, voice, spacing),
  );
  if (size !== undefined) return size;
  throw tooMuch(at, `does not fit its place at ${sizes.at(-1)} points, the smallest; make it shorter`);
}
