// `pptx.create`: checks the arguments, makes the deck, writes it.

import { checkEnding, checkLengths, parsed, tooMuch } from "../check.ts";
import { LIMITS } from "../limits.ts";
import type { WorkingFolder } from "../place.ts";
import type { CreateResult } from "../schema.ts";
import { makeDeck } from "./deck.ts";
import { deckArguments } from "./schema.ts";

const PPTX_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

export async function createDeck(input: unknown, folder: WorkingFolder): Promise<CreateResult> {
  const call = parsed(deckArguments, input);
  checkEnding(call.path, ".pptx");
  let charts = 0;
  call.slides.forEach((slide, place) => {
    if (slide.layout === "table")
      checkLengths(slide.rows, slide.columns.length, `slides[${place}].rows`, "cells", "columns");
    if (slide.layout !== "chart") return;
    charts += 1;
    const { series, categories } = slide.chart;
    const values = series.map((each) => each.values);
    checkLengths(values, categories.length, `slides[${place}].chart.series`, "values", "categories");
  });
  if (charts > LIMITS.chartsMax) throw tooMuch("slides", `has ${charts} charts, ${LIMITS.chartsMax} are the most`);
  const characters = JSON.stringify(call).length;
  if (characters > LIMITS.documentCharactersMax)
    throw tooMuch("slides", `has ${characters} characters, ${LIMITS.documentCharactersMax} are the most`);
  const { bytes, warnings } = await makeDeck(call, {
    read: (path, at) => folder.read(path, at),
    // Loaded with the first chart: a deck without one starts faster.
    draw: async (chart, size) => (await import("../chart/raster.ts")).chartPicture(chart, size),
  });
  const file = await folder.write(call.path, bytes, "path");
  return { artifact: { type: PPTX_TYPE, ...file }, ...(warnings.length > 0 ? { warnings } : {}) };
}
