// Places on a slide of 16:9, in EMU (914,400 an inch). Text, tables and pictures share the same edges.

export const EMU_PER_INCH = 914_400;
export const EMU_PER_POINT = 12_700;

export interface Frame {
  x: number;
  y: number;
  width: number;
  height: number;
}

const inch = (count: number): number => Math.round(count * EMU_PER_INCH);

export function frame(x: number, y: number, width: number, height: number): Frame {
  return { x: inch(x), y: inch(y), width: inch(width), height: inch(height) };
}

export const SLIDE = { width: inch(13.333_333_3), height: inch(7.5) };
export const NOTES_PAGE = { width: inch(7.5), height: inch(10) };

const LEFT = 0.95;
const WIDE = 11.58;
const TOP = 1.82;
const TALL = 4.72;
const GAP = 0.6;
const HALF = (WIDE - GAP) / 2;
const CAPTION = 0.42;
const BESIDE = 4.3;

/** The settled stone at the edge of each slide, and the line. */
export const EDGE = { stone: frame(0, 0, 0.34, 7.5), line: 0.34 };
export const COVER = { stone: frame(0, 0, 3.7, 7.5), line: 3.7 };
/** Where the line lies on a slide that begins a section. */
export const SECTION_LINE = frame(LEFT, 4.22, 13.333_333_3 - LEFT, 0);

export const PLACES = {
  title: frame(LEFT, 0.5, WIDE, 1.02),
  body: frame(LEFT, TOP, WIDE, TALL),
  footer: frame(LEFT, 6.86, 9.5, 0.3),
  number: frame(LEFT + WIDE - 1.2, 6.86, 1.2, 0.3),
  coverTitle: frame(4.4, 1.3, 8.1, 2.65),
  coverSubtitle: frame(4.4, 4.15, 8.1, 1.2),
  coverByline: frame(4.4, 6.5, 8.1, 0.4),
  sectionTitle: frame(LEFT, 1.5, 10.8, 2.5),
  sectionText: frame(LEFT, 4.45, 10.8, 1.5),
  /** Above a caption. */
  figure: frame(LEFT, TOP, WIDE, TALL - CAPTION),
  caption: frame(LEFT, TOP + TALL - CAPTION + 0.1, WIDE, CAPTION - 0.1),
  besideText: frame(LEFT, TOP, BESIDE, TALL),
  besideFigure: frame(LEFT + BESIDE + GAP, TOP, WIDE - BESIDE - GAP, TALL),
  besideFigureAbove: frame(LEFT + BESIDE + GAP, TOP, WIDE - BESIDE - GAP, TALL - CAPTION),
  besideCaption: frame(LEFT + BESIDE + GAP, TOP + TALL - CAPTION + 0.1, WIDE - BESIDE - GAP, CAPTION - 0.1),
  left: frame(LEFT, TOP, HALF, TALL),
  right: frame(LEFT + HALF + GAP, TOP, HALF, TALL),
  leftHeading: frame(LEFT, TOP, HALF, 0.5),
  rightHeading: frame(LEFT + HALF + GAP, TOP, HALF, 0.5),
  leftBelow: frame(LEFT, TOP + 0.66, HALF, TALL - 0.66),
  rightBelow: frame(LEFT + HALF + GAP, TOP + 0.66, HALF, TALL - 0.66),
} as const;
