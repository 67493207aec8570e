// Tables: rules instead of boxes, a marked header row that repeats on each page, numbers aligned at their end.

import {
  AlignmentType,
  BorderStyle,
  type ITableCellBorders,
  Paragraph,
  Table,
  TableCell,
  TableLayoutType,
  TableRow,
  VerticalAlignTable,
  WidthType,
} from "docx";
import { type Side, shown, sideOf, textOf } from "./cell.ts";
import { HAIR, INK, STONE } from "./palette.ts";
import type { BlockOf, Cell, Column } from "./schema.ts";
import { runsOf } from "./text.ts";

type TableBlock = BlockOf<"table">;

/** A table of so many rows stays on one page. */
const ROWS_TOGETHER_MAX = 14;
/** Twips; more between an end-aligned column and the start-aligned one after it. */
const CELL_MARGIN = { usual: 100, apart: 300 };
/** More columns are set smaller. */
const USUAL_COLUMNS_MAX = 7;
/** Fewest and most characters that count for a column's own width. */
const WIDTH_CHARACTERS = { least: 6, most: 44 };

/** `width` in twips. */
export function tableOf(block: TableBlock, width: number): Table {
  const widths = columnWidths(block, width);
  const sides = block.columns.map((column, place) => column.align ?? sideOf(block, place));
  const last = block.rows.length - 1;
  // A caption below belongs to the last row.
  const staysWithNext = (place: number): boolean => place === last || last < ROWS_TOGETHER_MAX;
  return new Table({
    width: { size: width, type: WidthType.DXA },
    columnWidths: widths,
    layout: TableLayoutType.FIXED,
    borders: {
      top: { style: BorderStyle.SINGLE, size: 12, color: INK },
      bottom: { style: BorderStyle.SINGLE, size: 8, color: INK },
      left: { style: BorderStyle.NONE, size: 0, color: "auto" },
      right: { style: BorderStyle.NONE, size: 0, color: "auto" },
      insideHorizontal: { style: BorderStyle.SINGLE, size: 4, color: HAIR },
      insideVertical: { style: BorderStyle.NONE, size: 0, color: "auto" },
    },
    rows: [
      headerRow(block.columns, widths, sides),
      ...block.rows.map((row, place) => bodyRow(row, block.columns, widths, sides, staysWithNext(place))),
    ],
  });
}

function headerRow(columns: Column[], widths: number[], sides: Side[]): TableRow {
  const children = columns.map((column, place) =>
    cellOf(
      runsOf(column.header),
      columns.length > USUAL_COLUMNS_MAX ? "TableHeaderSmall" : "TableHeader",
      widths[place] ?? 0,
      sides[place] ?? "left",
      lead(sides, place),
      {
        shading: { type: "clear", color: "auto", fill: STONE },
        verticalAlign: VerticalAlignTable.BOTTOM,
        borders: { bottom: { style: BorderStyle.SINGLE, size: 6, color: INK } },
      },
    ),
  );
  return new TableRow({ tableHeader: true, cantSplit: true, children });
}

function bodyRow(row: Cell[], columns: Column[], widths: number[], sides: Side[], keepNext: boolean): TableRow {
  const style = columns.length > USUAL_COLUMNS_MAX ? "TableTextSmall" : "TableText";
  const children = columns.map((column, place) => {
    const value = row[place] ?? null;
    const runs = Array.isArray(value) ? runsOf(value) : runsOf(shown(value, column));
    return cellOf(runs, style, widths[place] ?? 0, sides[place] ?? "left", lead(sides, place), {}, keepNext);
  });
  return new TableRow({ cantSplit: true, children });
}

interface CellLook {
  shading?: { type: "clear"; color: string; fill: string };
  verticalAlign?: (typeof VerticalAlignTable)[keyof typeof VerticalAlignTable];
  borders?: ITableCellBorders;
}

function cellOf(
  children: ReturnType<typeof runsOf>,
  style: string,
  width: number,
  side: Side,
  left: number,
  look: CellLook,
  keepNext = false,
): TableCell {
  return new TableCell({
    width: { size: width, type: WidthType.DXA },
    margins: { top: 30, bottom: 30, left, right: CELL_MARGIN.usual, marginUnitType: WidthType.DXA },
    ...look,
    children: [
      new Paragraph({
        style,
        alignment: AlignmentType[side === "left" ? "LEFT" : side === "right" ? "RIGHT" : "CENTER"],
        ...(keepNext ? { keepNext } : {}),
        children,
      }),
    ],
  });
}

/** The margin before a cell's text. */
function lead(sides: Side[], place: number): number {
  return sides[place] === "left" && sides[place - 1] === "right" ? CELL_MARGIN.apart : CELL_MARGIN.usual;
}

/** Twips that add up to `width`: by the shares given, else by the longest text, within bounds. */
function columnWidths(block: TableBlock, width: number): number[] {
  const byText = block.columns.map((column, place) => {
    const longest = block.rows.reduce(
      (most, row) => Math.max(most, textOf(row[place] ?? null, column).length),
      column.header.length,
    );
    return Math.min(WIDTH_CHARACTERS.most, Math.max(WIDTH_CHARACTERS.least, longest)) + 2;
  });
  const shares = block.columns.some((column) => column.width !== undefined)
    ? block.columns.map((column) => column.width ?? 1)
    : byText;
  const sum = shares.reduce((total, share) => total + share, 0);
  const widths = shares.map((share) => Math.floor((width * share) / sum));
  const rest = width - widths.reduce((total, part) => total + part, 0);
  return widths.map((part, place) => part + (place === 0 ? rest : 0));
}
