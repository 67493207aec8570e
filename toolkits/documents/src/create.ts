// `docx.create`: checks the arguments, makes the document, writes it.

import { checkEnding, checkLengths, parsed } from "./check.ts";
import { makeDocument } from "./document.ts";
import { LIMITS } from "./limits.ts";
import { DOCX_TYPE, type WorkingFolder } from "./place.ts";
import { DocumentProblem } from "./problem.ts";
import { type CreateArguments, type CreateResult, createArguments } from "./schema.ts";

export async function createDocument(input: unknown, folder: WorkingFolder): Promise<CreateResult> {
  const call = checked(input);
  const { bytes, warnings } = await makeDocument(call, {
    read: (path, at) => folder.read(path, at),
    // Loaded with the first chart: a document without one starts faster.
    draw: async (block) => (await import("./chart/raster.ts")).chartPicture(block),
  });
  const file = await folder.write(call.path, bytes, "path");
  return { artifact: { type: DOCX_TYPE, ...file }, ...(warnings.length > 0 ? { warnings } : {}) };
}

function checked(input: unknown): CreateArguments {
  const call = parsed(createArguments, input);
  checkEnding(call.path, ".docx");
  checkSizes(call);
  return call;
}

/** What the schema cannot say: lengths that belong together, and sums. */
function checkSizes(call: CreateArguments): void {
  const sums = { cells: 0, charts: 0, pictures: 0 };
  call.blocks.forEach((block, place) => {
    const at = `blocks[${place}]`;
    if (block.type === "table") {
      sums.cells += block.columns.length * (block.rows.length + 1);
      checkLengths(block.rows, block.columns.length, `${at}.rows`, "cells", "columns");
    } else if (block.type === "chart") {
      sums.charts += 1;
      const values = block.series.map((series) => series.values);
      checkLengths(values, block.categories.length, `${at}.series`, "values", "categories");
    } else if (block.type === "image") sums.pictures += 1;
  });
  const tooMany = (count: number, most: number, what: string): void => {
    if (count > most)
      throw new DocumentProblem("LIMIT_EXCEEDED", "blocks", `has ${count} ${what}, ${most} are the most`);
  };
  tooMany(sums.cells, LIMITS.tableCellsMax, "cells of tables");
  tooMany(sums.charts, LIMITS.chartsMax, "charts");
  tooMany(sums.pictures, LIMITS.picturesMax, "images");
  tooMany(JSON.stringify(call).length, LIMITS.documentCharactersMax, "characters");
}
