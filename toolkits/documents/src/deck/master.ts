// The slide master and its layouts: where things stand and how text looks. Slides say only what they hold and where they differ.

import { COVER, EDGE, EMU_PER_INCH, EMU_PER_POINT, type Frame, PLACES, SECTION_LINE, SLIDE } from "./frame.ts";
import { type Placeholder, Shapes, scheme } from "./shape.ts";
import { BEFORE, HANGING, INDENT, levelSize, SIZES, SPACING } from "./text.ts";
import { type Attributes, el, part } from "./xml.ts";

const LINE_WIDTH = 2.25 * EMU_PER_POINT;
/** Text lies on the edge of its frame. */
const BODY: Attributes = { vert: "horz", wrap: "square", lIns: 0, tIns: 0, rIns: 0, bIns: 0, rtlCol: 0 };
const BULLETS = ["\u2022", "\u2013", "\u00b7"];
const LEVELS_MAX = 9;

export const FOOTER: Placeholder = { type: "ftr", sz: "quarter", idx: 11 };
export const NUMBER: Placeholder = { type: "sldNum", sz: "quarter", idx: 12 };

const hundredths = (points: number): number => Math.round(points * 100);

interface Look {
  size: number;
  color?: string;
  font?: "+mj-lt" | "+mn-lt";
  isBold?: boolean;
  align?: "l" | "r";
  spacingPercent?: number;
}

/** A level without bullet. */
function plainLevel(tag: string, { size, color = "tx1", font = "+mn-lt", isBold, align = "l", ...look }: Look): string {
  return el(
    tag,
    { marL: 0, indent: 0, algn: align },
    el("a:lnSpc", {}, el("a:spcPct", { val: (look.spacingPercent ?? SPACING.body) * 1_000 })),
    el("a:spcBef", {}, el("a:spcPts", { val: 0 })),
    "<a:buNone/>",
    el(
      "a:defRPr",
      { sz: hundredths(size), b: isBold ? 1 : 0, kern: 1200 },
      el("a:solidFill", {}, scheme(color)),
      el("a:latin", { typeface: font }),
      el("a:ea", { typeface: font === "+mj-lt" ? "+mj-ea" : "+mn-ea" }),
      el("a:cs", { typeface: font === "+mj-lt" ? "+mj-cs" : "+mn-cs" }),
    ),
  );
}

/** Sizes of all levels below a size of the first, for a text that needs another than its layout has. */
export function levelSizes(size: number): string {
  return INDENT.map((_, level) =>
    el(
      `a:lvl${level + 1}pPr`,
      {},
      el("a:spcBef", {}, spaceBefore(size, level)),
      el("a:defRPr", { sz: sizeAt(size, level) }),
    ),
  ).join("");
}

/** The one level of a text that needs another size than its layout has. */
export function oneSize(size: number): string {
  return el("a:lvl1pPr", {}, el("a:defRPr", { sz: hundredths(size) }));
}

function sizeAt(size: number, level: number): number {
  return hundredths(levelSize(size, level));
}

function spaceBefore(size: number, level: number): string {
  return el("a:spcPts", { val: hundredths(levelSize(size, level) * (BEFORE[level] ?? 0)) });
}

function bulletLevel(level: number): string {
  const used = Math.min(level, INDENT.length - 1);
  const size = SIZES.body[0];
  return el(
    `a:lvl${level + 1}pPr`,
    { marL: INDENT[used], indent: -HANGING, algn: "l" },
    el("a:lnSpc", {}, el("a:spcPct", { val: SPACING.body * 1_000 })),
    el("a:spcBef", {}, spaceBefore(size, used)),
    el("a:buClr", {}, scheme("accent1")),
    el("a:buFont", { typeface: "Arial" }),
    el("a:buChar", { char: BULLETS[used] }),
    el(
      "a:defRPr",
      { sz: sizeAt(size, used), kern: 1200 },
      el("a:solidFill", {}, scheme("tx1")),
      el("a:latin", { typeface: "+mn-lt" }),
      el("a:ea", { typeface: "+mn-ea" }),
      el("a:cs", { typeface: "+mn-cs" }),
    ),
  );
}

function textStyles(): string {
  const other = Array.from({ length: LEVELS_MAX }, (_, level) => plainLevel(`a:lvl${level + 1}pPr`, { size: 18 }));
  return el(
    "p:txStyles",
    {},
    el(
      "p:titleStyle",
      {},
      plainLevel("a:lvl1pPr", { size: SIZES.title[0], font: "+mj-lt", spacingPercent: SPACING.title }),
    ),
    el("p:bodyStyle", {}, ...Array.from({ length: LEVELS_MAX }, (_, level) => bulletLevel(level))),
    el("p:otherStyle", {}, ...other),
  );
}

const prompt = (words: string): string =>
  el("a:p", {}, el("a:r", {}, el("a:rPr", { lang: "en-US" }), el("a:t", {}, words)));

/** A placeholder as a layout has it. */
function addPlaceholder(
  shapes: Shapes,
  name: string,
  held: Placeholder,
  place: Frame,
  body: Attributes = {},
  levels = "",
): void {
  shapes.addText(name, held, place, { body: { ...BODY, ...body }, levels, paragraphs: prompt(name) });
}

const numberField = (): string =>
  el(
    "a:p",
    {},
    el(
      "a:fld",
      { id: "{6F1B7C52-6A5D-4E0B-9C1B-0D5A5C4E2A10}", type: "slidenum" },
      el("a:rPr", { lang: "en-US" }),
      el("a:t", {}, "\u2039#\u203a"),
    ),
  );

function addFoot(shapes: Shapes): void {
  const small = (align: "l" | "r"): string => plainLevel("a:lvl1pPr", { size: 11, color: "tx2", align });
  addPlaceholder(shapes, "Footer", FOOTER, PLACES.footer, { anchor: "ctr" }, small("l"));
  shapes.addText("Slide Number", NUMBER, PLACES.number, {
    body: { ...BODY, anchor: "ctr" },
    levels: small("r"),
    paragraphs: numberField(),
  });
}

function addEdge(shapes: Shapes, { stone, line }: { stone: Frame; line: number }): void {
  shapes.addFill("Settled", stone, "bg2");
  shapes.addLine("The line", { x: line * EMU_PER_INCH, y: 0, width: 0, height: SLIDE.height }, LINE_WIDTH);
}

const background = (color: string): string =>
  el("p:bg", {}, el("p:bgPr", {}, el("a:solidFill", {}, scheme(color)), "<a:effectLst/>"));

const COLOR_MAP = {
  bg1: "lt1",
  tx1: "dk1",
  bg2: "lt2",
  tx2: "dk2",
  ...Object.fromEntries(Array.from({ length: 6 }, (_, place) => [`accent${place + 1}`, `accent${place + 1}`])),
  hlink: "hlink",
  folHlink: "folHlink",
};

export function colorMap(): string {
  return el("p:clrMap", COLOR_MAP);
}

/** `layoutIds` are relationships, in the order of the layouts. */
export function slideMaster(layoutIds: readonly string[]): string {
  const shapes = new Shapes();
  addEdge(shapes, EDGE);
  addPlaceholder(shapes, "Title", { type: "title" }, PLACES.title, { anchor: "b" });
  addPlaceholder(shapes, "Text", { type: "body", idx: 1 }, PLACES.body);
  addFoot(shapes);
  // Ids of layouts go on where the master's own, 2^31, stands.
  const ids = layoutIds.map((id, place) => el("p:sldLayoutId", { id: 2 ** 31 + 1 + place, "r:id": id }));
  return part(
    "p:sldMaster",
    {},
    el("p:cSld", {}, background("bg1"), shapes.tree()),
    colorMap(),
    el("p:sldLayoutIdLst", {}, ...ids),
    textStyles(),
  );
}

export interface Layout {
  name: string;
  type?: string;
  /** Draws its own ground instead of the master's edge. */
  isBare?: boolean;
  background?: string;
  fill: (shapes: Shapes) => void;
}

const heading = (shapes: Shapes): void =>
  addPlaceholder(shapes, "Title", { type: "title" }, PLACES.title, { anchor: "b" });
const bullets = (shapes: Shapes, idx: number, place: Frame): void => addPlaceholder(shapes, "Text", { idx }, place);
const words = (shapes: Shapes, name: string, idx: number, place: Frame, look: Look, body: Attributes = {}): void =>
  addPlaceholder(shapes, name, { type: "body", sz: "quarter", idx }, place, body, plainLevel("a:lvl1pPr", look));

const CAPTION: Look = { size: SIZES.caption[0], color: "tx2" };
const COLUMN: Look = { size: SIZES.heading[0], isBold: true };
const SUBTITLE: Look = { size: SIZES.coverText[0], color: "tx2" };

/** By the name that slides use. */
export const LAYOUTS = {
  title: {
    name: "Title",
    type: "title",
    isBare: true,
    fill: (shapes) => {
      addEdge(shapes, COVER);
      const look = plainLevel("a:lvl1pPr", {
        size: SIZES.coverTitle[0],
        font: "+mj-lt",
        spacingPercent: SPACING.title,
      });
      addPlaceholder(shapes, "Title", { type: "ctrTitle" }, PLACES.coverTitle, { anchor: "b" }, look);
      addPlaceholder(
        shapes,
        "Subtitle",
        { type: "subTitle", idx: 1 },
        PLACES.coverSubtitle,
        {},
        plainLevel("a:lvl1pPr", SUBTITLE),
      );
      words(shapes, "Byline", 13, PLACES.coverByline, { size: 13, color: "tx2" }, { anchor: "b" });
    },
  },
  section: {
    name: "Section",
    type: "secHead",
    isBare: true,
    background: "bg2",
    fill: (shapes) => {
      shapes.addLine("The line", SECTION_LINE, LINE_WIDTH);
      const look = plainLevel("a:lvl1pPr", {
        size: SIZES.coverTitle[0],
        font: "+mj-lt",
        spacingPercent: SPACING.title,
      });
      addPlaceholder(shapes, "Title", { type: "title" }, PLACES.sectionTitle, { anchor: "b" }, look);
      words(shapes, "Text", 1, PLACES.sectionText, SUBTITLE);
    },
  },
  content: {
    name: "Title and Content",
    type: "obj",
    fill: (shapes) => [heading(shapes), bullets(shapes, 1, PLACES.body)],
  },
  columns: {
    name: "Two Columns",
    type: "twoObj",
    fill: (shapes) => [heading(shapes), bullets(shapes, 1, PLACES.left), bullets(shapes, 2, PLACES.right)],
  },
  comparison: {
    name: "Two Columns with Headings",
    type: "twoTxTwoObj",
    fill: (shapes) => {
      heading(shapes);
      words(shapes, "Heading", 1, PLACES.leftHeading, COLUMN, { anchor: "b" });
      bullets(shapes, 2, PLACES.leftBelow);
      words(shapes, "Heading", 3, PLACES.rightHeading, COLUMN, { anchor: "b" });
      bullets(shapes, 4, PLACES.rightBelow);
    },
  },
  table: {
    name: "Title and Table",
    type: "tbl",
    fill: (shapes) => {
      heading(shapes);
      addPlaceholder(shapes, "Table", { type: "tbl", idx: 1 }, PLACES.figure);
      words(shapes, "Caption", 13, PLACES.caption, CAPTION);
    },
  },
  picture: {
    name: "Title and Picture",
    fill: (shapes) => {
      heading(shapes);
      addPlaceholder(shapes, "Picture", { type: "pic", idx: 1 }, PLACES.figure);
      words(shapes, "Caption", 13, PLACES.caption, CAPTION);
    },
  },
  beside: {
    name: "Text beside Picture",
    fill: (shapes) => {
      heading(shapes);
      bullets(shapes, 1, PLACES.besideText);
      addPlaceholder(shapes, "Picture", { type: "pic", idx: 2 }, PLACES.besideFigureAbove);
      words(shapes, "Caption", 13, PLACES.besideCaption, CAPTION);
    },
  },
} as const satisfies Record<string, Layout>;

export type LayoutName = keyof typeof LAYOUTS;

export function slideLayout(layout: Layout): string {
  const shapes = new Shapes();
  layout.fill(shapes);
  if (!layout.isBare) addFoot(shapes);
  return part(
    "p:sldLayout",
    {
      type: layout.type,
      preserve: 1,
      userDrawn: layout.type === undefined ? 1 : undefined,
      showMasterSp: layout.isBare ? 0 : undefined,
    },
    el(
      "p:cSld",
      { name: layout.name },
      layout.background === undefined ? "" : background(layout.background),
      shapes.tree(),
    ),
    el("p:clrMapOvr", {}, "<a:masterClrMapping/>"),
  );
}
