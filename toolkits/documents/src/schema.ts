// The arguments of `docx.create` and the parts that `pptx.create` shares: the one source of types, checks and the JSON Schema that
// callers see.

import { z } from "zod";
import { LIMITS } from "./limits.ts";

/** Characters that XML cannot hold; half a surrogate pair is none either. */
const UNWRITABLE = /(?![\t\n\r])[\p{Cc}\p{Surrogate}\ufffe\uffff]/u;

export function text(max: number, min = 1): z.ZodString {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((value) => !UNWRITABLE.test(value), "holds a control character or half a character");
}

export const line = (max: number): z.ZodString =>
  text(max).refine((value) => !/[\t\n\r]/.test(value), "must be one line, without tabs");

const link = z
  .string()
  .max(LIMITS.linkCharactersMax)
  .refine((value) => isLink(value), "must be an http, https or mailto address");

function isLink(value: string): boolean {
  return !UNWRITABLE.test(value) && URL.canParse(value) && /^(?:https?|mailto):$/.test(new URL(value).protocol);
}

export const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, "must be YYYY-MM-DD")
  .refine((value) => isDay(value), "is no day of the calendar");

function isDay(value: string): boolean {
  const time = Date.parse(`${value}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value);
}

const run = z
  .strictObject({
    text: text(LIMITS.textCharactersMax),
    bold: z.boolean().optional(),
    italic: z.boolean().optional(),
    code: z.boolean().optional(),
    link: link.optional(),
  })
  .meta({ id: "Run", description: "A piece of text in one style" });

export const rich = z
  .union([text(LIMITS.textCharactersMax), z.array(run).min(1).max(LIMITS.runsMax)], {
    error: "must be a text, or a list of { text, bold?, italic?, code?, link? }",
  })
  .meta({ id: "RichText", description: "Plain text without markup, or pieces with bold, italic, code, link" });

const heading = z.strictObject({
  type: z.literal("heading"),
  level: z.int().min(1).max(4).describe("1 is a chapter; the title above all is the document's own"),
  text: line(LIMITS.titleCharactersMax),
});

const paragraph = z.strictObject({ type: z.literal("paragraph"), text: rich });

const quote = z.strictObject({ type: z.literal("quote"), text: rich });

const code = z.strictObject({ type: z.literal("code"), text: text(LIMITS.textCharactersMax) });

const item = z.union(
  [
    rich,
    z.strictObject({ text: rich, items: z.array(rich).min(1).max(LIMITS.listItemsMax).describe("One level below") }),
  ],
  { error: "must be a text, a list of { text, … }, or { text, items }" },
);

const list = z.strictObject({
  type: z.literal("list"),
  ordered: z.boolean().optional().describe("Numbered; bullets otherwise"),
  items: z.array(item).min(1).max(LIMITS.listItemsMax),
});

export const cell = z.union(
  [text(LIMITS.textCharactersMax, 0), z.number(), z.boolean(), z.null(), z.array(run).max(LIMITS.runsMax)],
  { error: "must be a text, a number, true, false, null, or a list of { text, … }" },
);

export const column = z.strictObject({
  header: line(LIMITS.titleCharactersMax),
  align: z
    .enum(["left", "right", "center"])
    .optional()
    .describe("Right for columns of numbers after the first, else left"),
  width: z.number().positive().max(1_000).optional().describe("Share of the width, relative to the other columns"),
  decimals: z.int().min(0).max(10).optional().describe("Digits after the point of this column's numbers"),
});

const table = z.strictObject({
  type: z.literal("table"),
  columns: z.array(column).min(1).max(LIMITS.tableColumnsMax),
  rows: z
    .array(z.array(cell).min(1).max(LIMITS.tableColumnsMax))
    .max(LIMITS.tableRowsMax)
    .describe("A cell for each column, in order"),
  caption: line(LIMITS.altTextCharactersMax).optional(),
});

export const altText = line(LIMITS.altTextCharactersMax).describe("What it shows, for people who do not see it");
const widthPercent = z.number().min(10).max(100).optional().describe("Of the text's width; 100 unless given");

const image = z.strictObject({
  type: z.literal("image"),
  path: z.string().min(1).max(LIMITS.pathCharactersMax).describe("PNG or JPEG in the project, relative"),
  altText,
  widthPercent: widthPercent.describe("Of the text's width; its own size unless given"),
  caption: line(LIMITS.altTextCharactersMax).optional(),
});

const series = z.strictObject({
  name: line(LIMITS.titleCharactersMax),
  values: z
    .array(z.number().min(-1e15).max(1e15).nullable())
    .max(LIMITS.chartCategoriesMax)
    .describe("One for each category; null leaves a gap"),
});

export const drawing = z.strictObject({
  kind: z.enum(["bar", "line"]),
  title: line(LIMITS.titleCharactersMax),
  categories: z.array(line(LIMITS.titleCharactersMax)).min(1).max(LIMITS.chartCategoriesMax),
  series: z.array(series).min(1).max(LIMITS.chartSeriesMax),
  altText,
  xTitle: line(LIMITS.titleCharactersMax).optional(),
  yTitle: line(LIMITS.titleCharactersMax).optional().describe("With the unit"),
});
/** A chart, whatever kind of document shows it. */
export type Drawing = z.infer<typeof drawing>;

const chart = z.strictObject({
  type: z.literal("chart"),
  ...drawing.shape,
  widthPercent,
  caption: line(LIMITS.altTextCharactersMax).optional(),
});

const pageBreak = z.strictObject({ type: z.literal("pageBreak") });

const block = z.discriminatedUnion("type", [heading, paragraph, list, table, image, chart, quote, code, pageBreak]);

export const language = z
  .string()
  .regex(/^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?$/, "must be a tag such as en-US or de")
  .optional()
  .describe("Language tag for spelling and screen readers; en-US unless given");

export const createArguments = z.strictObject({
  path: z.string().min(1).max(LIMITS.pathCharactersMax).describe("Where to write, relative, ending in .docx"),
  title: line(LIMITS.titleCharactersMax),
  subtitle: line(LIMITS.titleCharactersMax).optional(),
  author: line(LIMITS.titleCharactersMax).optional(),
  language,
  date: day.optional().describe("The run's date; written as the document's date, never the clock's"),
  pageSize: z.enum(["A4", "Letter"]).optional().describe("A4 unless given"),
  blocks: z.array(block).min(1).max(LIMITS.blocksMax),
});

export type CreateArguments = z.infer<typeof createArguments>;
export type Block = CreateArguments["blocks"][number];
export type BlockOf<Type extends Block["type"]> = Extract<Block, { type: Type }>;
export type RichText = z.infer<typeof rich>;
export type Cell = z.infer<typeof cell>;
export type Column = z.infer<typeof column>;

/** Arguments as callers see them: JSON Schema 2020-12. */
export function schemaOf(shape: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(shape, { io: "input", reused: "inline" }) as Record<string, unknown>;
}

export const createResult = z.strictObject({
  artifact: z.strictObject({
    type: z.string().describe("Media type"),
    path: z.string(),
    size: z.int().describe("Bytes"),
    checksum: z.string().describe("SHA-256 of the bytes, hex"),
  }),
  warnings: z.array(z.string()).optional(),
});
export type CreateResult = z.infer<typeof createResult>;
