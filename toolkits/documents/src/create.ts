// `docx.create`: checks the arguments, makes the document, writes it.

import { makeDocument } from "./document.ts";
import { LIMITS } from "./limits.ts";
import { DOCX_TYPE, type WorkingFolder } from "./place.ts";
import { DocumentProblem, placeOf } from "./problem.ts";
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
  const { success, data, error } = createArguments.safeParse(input);
  if (!success) {
    const lines = error.issues.slice(0, LIMITS.problemsMax).map((issue) => `${placeOf(issue.path)}: ${issue.message}`);
    const more = error.issues.length > lines.length ? [`and ${error.issues.length - lines.length} more`] : [];
    const first = error.issues[0];
    throw new DocumentProblem("INVALID_ARGUMENTS", placeOf(first?.path ?? []), [...lines, ...more].join("\n"));
  }
  if (!/\.docx$/i.test(data.path)) throw invalid("path", `${data.path} does not end in .docx`);
  checkSizes(data);
  return data;
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

function checkLengths(lists: unknown[][], wanted: number, at: string, what: string, beside: string): void {
  lists.forEach((list, place) => {
    if (list.length !== wanted)
      throw invalid(`${at}[${place}]`, `has ${list.length} ${what} beside ${wanted} ${beside}`);
  });
}

function invalid(at: string, why: string): DocumentProblem {
  return new DocumentProblem("INVALID_ARGUMENTS", at, `${at}: ${why}`);
}
