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
  call.slides.forEach((slide, place) => {
    if (slide.layout === "table")
      checkLengths(slide.rows, slide.columns.length, `slides[${place}].rows`, "cells", "columns");
  });
  const characters = JSON.stringify(call).length;
  if (characters > LIMITS.documentCharactersMax)
    throw tooMuch("slides", `has ${characters} characters, ${LIMITS.documentCharactersMax} are the most`);
  const bytes = await makeDeck(call, (path, at) => folder.read(path, at));
  const file = await folder.write(call.path, bytes, "path");
  return { artifact: { type: PPTX_TYPE, ...file } };
}
