// Tables of slides: rules instead of boxes, numbers at their end, a size at which every row fits.

import { plainOf, type Side, shown, sideOf, textOf } from "../cell.ts";
import { tooMuch } from "../check.ts";
import { HAIR } from "../palette.ts";
import type { Cell, Column, RichText } from "../schema.ts";
import { EMU_PER_POINT, type Frame } from "./frame.ts";
import { lineHeight, linesOf, widthOf } from "./measure.ts";
import type { SlideOf } from "./schema.ts";
import { scheme } from "./shape.ts";
import { BOLD, isRightToLeft, runs, type TextStyle } from "./text.ts";
import { el } from "./xml.ts";

type TableSlide = SlideOf<"table">;

const SIZES = [20, 18, 16, 15, 14, 13, 12, 11, 10] as const;
/** Points beside a cell's text; above and below it a share of its size, more where there is room: air is given up before size is. */
const MARGIN = { side: 7, shares: [0.6, 0.45, 0.3] } as const;
/** More before a column that starts at the left after one that ends at the right. */
const APART = 20;
/** A narrow table is not drawn out over the whole slide. */
const STRETCH_MAX = 1.5;
/** No column is narrower than a share of an even one. */
const LEAST_SHARE = 0.45;

export interface FittedTable {
  /** Points. */
  size: number;
  /** Of the size, above and below a text. */
  share: number;
  /** EMU. */
  widths: number[];
  heights: number[];
}

interface Texts {
  columns: Column[];
  header: string[];
  rows: string[][];
  lead: number[];
}

/** The largest size at which the table fits, and its measures. */
export function fitted(slide: TableSlide, room: Frame, at: string): FittedTable {
  const { columns } = slide;
  const sides = sidesOf(slide);
  const texts: Texts = {
    columns,
    header: columns.map(({ header }) => header),
    rows: slide.rows.map((row) => columns.map((column, place) => textOf(row[place] ?? null, column))),
    lead: sides.map((side, place) => (side === "left" && sides[place - 1] === "right" ? APART : MARGIN.side)),
  };
  const [width, height] = [room.width / EMU_PER_POINT, room.height / EMU_PER_POINT];
  for (const size of SIZES) {
    const widths = columnWidths(texts, width, size);
    const share = MARGIN.shares.find((each) => sumOf(rowHeights(texts, widths, size, each)) <= height);
    if (share === undefined) continue;
    const emu = (points: number): number => Math.floor(points * EMU_PER_POINT);
    return { size, share, widths: widths.map(emu), heights: rowHeights(texts, widths, size, share).map(emu) };
  }
  throw tooMuch(
    at,
    `${slide.rows.length} rows with this text do not fit a slide at ${SIZES.at(-1)} points; show fewer, the whole belongs in a workbook`,
  );
}

const sumOf = (lengths: readonly number[]): number => lengths.reduce((sum, each) => sum + each, 0);

function sidesOf({ columns, rows }: TableSlide): Side[] {
  return columns.map((column, place) => column.align ?? sideOf({ columns, rows }, place));
}

/** Points. By the shares given; else as wide as the longest text where that fits, and by its length where not. */
function columnWidths({ columns, header, rows, lead }: Texts, width: number, size: number): number[] {
  if (columns.some((column) => column.width !== undefined)) {
    const sum = columns.reduce((total, column) => total + (column.width ?? 1), 0);
    return columns.map((column) => (width * (column.width ?? 1)) / sum);
  }
  const natural = columns.map((_, place) => {
    const body = rows.reduce((most, row) => Math.max(most, longestLine(row[place] ?? "", size, false)), 0);
    return Math.max(body, longestLine(header[place] ?? "", size, true)) + (lead[place] ?? 0) + MARGIN.side + 1;
  });
  const sum = natural.reduce((total, each) => total + each, 0);
  if (sum <= width) {
    const stretch = Math.min(STRETCH_MAX, width / sum);
    return natural.map((each) => each * stretch);
  }
  const least = Math.min((width / columns.length) * LEAST_SHARE, width / columns.length);
  const kept = natural.map((each) => Math.min(each, least));
  const rest = width - kept.reduce((total, each) => total + each, 0);
  const wanted = natural.map((each, place) => each - (kept[place] ?? 0));
  const more = wanted.reduce((total, each) => total + each, 0);
  return kept.map((each, place) => each + (more === 0 ? 0 : (rest * (wanted[place] ?? 0)) / more));
}

function longestLine(text: string, size: number, isBold: boolean): number {
  return Math.max(...text.split(/\r\n|\r|\n/).map((line) => widthOf(line, size, "sans", isBold ? BOLD : 1)));
}

function rowHeights({ header, rows, lead }: Texts, widths: number[], size: number, share: number): number[] {
  const height = (row: string[], isBold: boolean): number => {
    const lines = row.map((text, place) => {
      const room = Math.max(size, (widths[place] ?? 0) - (lead[place] ?? 0) - MARGIN.side);
      return linesOf(text, room, size, "sans", isBold ? BOLD : 1);
    });
    return Math.max(...lines) * lineHeight(size, "sans", 100) + 2 * size * share;
  };
  return [height(header, true), ...rows.map((row) => height(row, false))];
}

export function tableXml(slide: TableSlide, { size, share, widths, heights }: FittedTable, style: TextStyle): string {
  const sides = sidesOf(slide);
  const row = (cells: RichText[], place: number): string =>
    el(
      "a:tr",
      { h: heights[place] },
      ...cells.map((text, column) =>
        cellXml(text, { size, share, sides, column, row: place, rows: heights.length }, style),
      ),
    );
  const rows = slide.rows.map((cells, place) =>
    row(
      slide.columns.map((column, at) => shownCell(cells[at] ?? null, column)),
      place + 1,
    ),
  );
  const header = row(
    slide.columns.map((column) => column.header),
    0,
  );
  const grid = widths.map((w) => el("a:gridCol", { w }));
  return el("a:tbl", {}, el("a:tblPr", { firstRow: 1 }), el("a:tblGrid", {}, ...grid), header, ...rows);
}

function shownCell(value: Cell, column: Column): RichText {
  return Array.isArray(value) ? value : shown(value, column);
}

interface CellPlace {
  size: number;
  share: number;
  sides: Side[];
  column: number;
  row: number;
  rows: number;
}

function cellXml(text: RichText, { size, share, sides, column, row, rows }: CellPlace, style: TextStyle): string {
  const isHeader = row === 0;
  const side = sides[column] ?? "left";
  const align = isRightToLeft(plainOf(text)) ? { algn: "r", rtl: 1 } : { algn: side === "center" ? "ctr" : side[0] };
  const fixed = { sz: size * 100, ...(isHeader ? { b: 1 } : {}) };
  const said = runs(text, style, fixed);
  const words = el(
    "a:p",
    {},
    el("a:pPr", align),
    said === "" ? el("a:endParaRPr", { lang: style.language, ...fixed }) : said,
  );
  const isApart = side === "left" && sides[column - 1] === "right";
  const rule = Math.round(size * share * EMU_PER_POINT);
  const properties = el(
    "a:tcPr",
    {
      marL: (isApart ? APART : MARGIN.side) * EMU_PER_POINT,
      marR: MARGIN.side * EMU_PER_POINT,
      marT: rule,
      marB: rule,
      anchor: isHeader ? "b" : "t",
    },
    noLine("a:lnL"),
    noLine("a:lnR"),
    isHeader ? inkLine("a:lnT", 1.5) : row === 1 ? inkLine("a:lnT", 0.75) : hairLine("a:lnT"),
    isHeader ? inkLine("a:lnB", 0.75) : row === rows - 1 ? inkLine("a:lnB", 1) : hairLine("a:lnB"),
    isHeader ? el("a:solidFill", {}, scheme("bg2")) : "<a:noFill/>",
  );
  return el("a:tc", {}, el("a:txBody", {}, "<a:bodyPr/>", "<a:lstStyle/>", words), properties);
}

const noLine = (tag: string): string => el(tag, { w: 0 }, "<a:noFill/>");
const inkLine = (tag: string, points: number): string =>
  el(tag, { w: Math.round(points * EMU_PER_POINT) }, el("a:solidFill", {}, scheme("tx1")));
const hairLine = (tag: string): string =>
  el(tag, { w: EMU_PER_POINT / 2 }, el("a:solidFill", {}, el("a:srgbClr", { val: HAIR })));
