// The arguments of `pptx.create`.

import { z } from "zod";
import { LIMITS } from "../limits.ts";
import { altText, cell, column, day, drawing, language, line, rich, text } from "../schema.ts";

const DECK = LIMITS.deck;

const title = line(LIMITS.titleCharactersMax);
const notes = text(DECK.notesCharactersMax)
  .meta({ id: "Notes", description: "What the speaker says; not shown" })
  .optional();

const second = z.strictObject({ text: rich, items: z.array(rich).min(1).max(DECK.itemsMax) });
const first = z.strictObject({
  text: rich,
  items: z
    .array(z.union([rich, second]))
    .min(1)
    .max(DECK.itemsMax),
});

const body = z
  .array(
    z.union([rich, first], { error: "must be a text, a list of { text, … }, or { text, items } with points below it" }),
  )
  .min(1)
  .max(DECK.itemsMax)
  .meta({ id: "Points", description: "Bullet points, up to three levels: a text, or { text, items }" });

const image = z
  .strictObject({
    path: z.string().min(1).max(LIMITS.pathCharactersMax).describe("PNG or JPEG in the project, relative"),
    altText,
  })
  .describe("Keeps its shape");

const side = z.strictObject({ heading: title.optional(), body });

const slide = z.discriminatedUnion("layout", [
  z.strictObject({ layout: z.literal("title"), title, subtitle: title.optional(), notes }),
  z.strictObject({ layout: z.literal("section"), title, subtitle: title.optional(), notes }),
  z.strictObject({ layout: z.literal("content"), title, body, notes }),
  z.strictObject({ layout: z.literal("columns"), title, left: side, right: side, notes }),
  z.strictObject({
    layout: z.literal("table"),
    title,
    columns: z.array(column).min(1).max(DECK.tableColumnsMax),
    rows: z
      .array(z.array(cell).min(1).max(DECK.tableColumnsMax))
      .min(1)
      .max(DECK.tableRowsMax)
      .describe("A cell for each column, in order"),
    caption: title.optional(),
    notes,
  }),
  z.strictObject({
    layout: z.literal("picture"),
    title,
    image,
    body: body.optional().describe("Points beside the picture"),
    caption: title.optional(),
    notes,
  }),
  z.strictObject({
    layout: z.literal("chart"),
    title,
    chart: drawing.describe("Drawn as a picture that fills its place"),
    body: body.optional().describe("Points beside the chart"),
    caption: title.optional(),
    notes,
  }),
]);

export const deckArguments = z.strictObject({
  path: z.string().min(1).max(LIMITS.pathCharactersMax).describe("Where to write, relative, ending in .pptx"),
  title: title.describe("Of the deck; stands at the foot of its slides"),
  author: title.optional(),
  language,
  date: day.optional().describe("The run's date; the clock is never read"),
  slides: z.array(slide).min(1).max(DECK.slidesMax),
});

export type DeckArguments = z.infer<typeof deckArguments>;
export type Slide = DeckArguments["slides"][number];
export type SlideOf<Layout extends Slide["layout"]> = Extract<Slide, { layout: Layout }>;
export type Points = z.infer<typeof body>;
