// Typography: a serif for what is read, a sans for what is looked up, a monospace for machine facts. The fonts are those that
// office programs bring; each has a free metric twin elsewhere.

import {
  AlignmentType,
  BorderStyle,
  type ICharacterStyleOptions,
  type INumberingOptions,
  type IParagraphStyleOptions,
  type IStylesOptions,
  LevelFormat,
  LineRuleType,
} from "docx";
import { HAIR, INK, INK_FAINT, INK_SOFT, SEA, SUNK } from "./palette.ts";

export const SERIF = "Cambria";
export const SANS = "Calibri";
export const MONO = "Consolas";

/** Twentieths of a point. */
export const TWIPS_PER_INCH = 1440;
const points = (count: number): number => count * 20;
/** Sizes of text are in half points. */
const half = (size: number): number => size * 2;

export const BULLETS = "bullets";
export const NUMBERS = "numbers";

const heading = (size: number, before: number, after: number, color = INK) => ({
  run: { font: SANS, size: half(size), bold: true, color },
  paragraph: { keepNext: true, keepLines: true, spacing: { before: points(before), after: points(after) } },
});

const PARAGRAPH_STYLES: IParagraphStyleOptions[] = [
  {
    id: "Subtitle",
    name: "Subtitle",
    basedOn: "Normal",
    next: "Normal",
    quickFormat: true,
    run: { font: SANS, size: half(12.5), color: INK_SOFT },
    paragraph: { spacing: { after: points(4) } },
  },
  {
    id: "Byline",
    name: "Byline",
    basedOn: "Normal",
    next: "Normal",
    run: { font: SANS, size: half(9.5), color: INK_FAINT },
    paragraph: {
      spacing: { before: points(6), after: points(22) },
      border: { bottom: { style: BorderStyle.SINGLE, size: 12, color: INK, space: 8 } },
    },
  },
  {
    id: "Quote",
    name: "Quote",
    basedOn: "Normal",
    quickFormat: true,
    run: { italics: true, color: INK_SOFT },
    paragraph: {
      indent: { left: 340, right: 340 },
      spacing: { before: points(8), after: points(12) },
      border: { left: { style: BorderStyle.SINGLE, size: 18, color: HAIR, space: 12 } },
    },
  },
  {
    id: "Code",
    name: "Code",
    basedOn: "Normal",
    quickFormat: true,
    run: { font: MONO, size: half(9), noProof: true },
    paragraph: {
      spacing: { before: points(6), after: points(12), line: 264, lineRule: LineRuleType.AUTO },
      shading: { type: "clear", color: "auto", fill: SUNK },
      indent: { left: 120, right: 120 },
      border: Object.fromEntries(
        ["top", "left", "bottom", "right"].map((side) => [
          side,
          { style: BorderStyle.SINGLE, size: 4, color: SUNK, space: 6 },
        ]),
      ),
    },
  },
  {
    id: "TableText",
    name: "Table Text",
    basedOn: "Normal",
    run: { font: SANS, size: half(9.5) },
    paragraph: { spacing: { before: points(2.5), after: points(2.5), line: 252, lineRule: LineRuleType.AUTO } },
  },
  {
    id: "TableHeader",
    name: "Table Header",
    basedOn: "TableText",
    run: { bold: true, color: INK },
    paragraph: { keepNext: true },
  },
  { id: "TableTextSmall", name: "Table Text Small", basedOn: "TableText", run: { size: half(8) } },
  { id: "TableHeaderSmall", name: "Table Header Small", basedOn: "TableHeader", run: { size: half(8) } },
  {
    id: "Figure",
    name: "Figure",
    basedOn: "Normal",
    paragraph: { spacing: { before: points(10), after: points(6), line: 240, lineRule: LineRuleType.AUTO } },
  },
];

const CHARACTER_STYLES: ICharacterStyleOptions[] = [
  {
    id: "CodeText",
    name: "Code Text",
    basedOn: "DefaultParagraphFont",
    run: { font: MONO, size: half(9.5), noProof: true, shading: { type: "clear", color: "auto", fill: SUNK } },
  },
];

/** `language` is a tag such as `en-US`. */
export function documentStyles(language: string): IStylesOptions {
  return {
    default: {
      document: {
        run: { font: SERIF, size: half(11), color: INK, language: { value: language } },
        paragraph: { spacing: { after: points(8), line: 300, lineRule: LineRuleType.AUTO } },
      },
      title: {
        run: { font: SERIF, size: half(25), color: INK },
        paragraph: { keepNext: true, spacing: { after: points(4), line: 252, lineRule: LineRuleType.AUTO } },
      },
      heading1: heading(17, 24, 6),
      heading2: heading(13.5, 18, 4),
      heading3: heading(11.5, 14, 3),
      heading4: heading(11, 12, 2, INK_FAINT),
      caption: {
        run: { font: SANS, size: half(9), italics: false, bold: false, color: INK_FAINT },
        paragraph: { spacing: { before: points(3), after: points(16), line: 252, lineRule: LineRuleType.AUTO } },
      },
      hyperlink: { run: { color: SEA, underline: {} } },
      listParagraph: { run: {}, paragraph: { contextualSpacing: true, spacing: { after: points(8) } } },
    },
    paragraphStyles: PARAGRAPH_STYLES,
    characterStyles: CHARACTER_STYLES,
  };
}

/** Two levels each; every ordered list of a document is its own instance. */
export function documentNumbering(): INumberingOptions {
  const level = (at: number, format: (typeof LevelFormat)[keyof typeof LevelFormat], text: string) => ({
    level: at,
    format,
    text,
    alignment: AlignmentType.LEFT,
    style: {
      run: { font: SANS, color: INK_FAINT },
      paragraph: { indent: { left: 360 * (at + 1), hanging: 300 } },
    },
  });
  return {
    config: [
      {
        reference: BULLETS,
        levels: [level(0, LevelFormat.BULLET, "\u2022"), level(1, LevelFormat.BULLET, "\u2013")],
      },
      {
        reference: NUMBERS,
        levels: [level(0, LevelFormat.DECIMAL, "%1."), level(1, LevelFormat.LOWER_LETTER, "%2.")],
      },
    ],
  };
}
