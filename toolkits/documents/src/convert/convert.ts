// `convert.toMarkdown`: what a file says, as Markdown.

import { invalid, parsed } from "../check.ts";
import { LIMITS } from "../limits.ts";
import type { WorkingFolder } from "../place.ts";
import { csvToMarkdown } from "./csv.ts";
import { docxToMarkdown } from "./docx.ts";
import { htmlToMarkdown } from "./html.ts";
import { type ConvertResult, convertArguments, type Format } from "./schema.ts";
import { Source } from "./source.ts";
import { xlsxToMarkdown } from "./xlsx.ts";

const CONVERTERS: Record<Format, (source: Source) => string> = {
  csv: csvToMarkdown,
  html: htmlToMarkdown,
  docx: docxToMarkdown,
  xlsx: xlsxToMarkdown,
};
const ENDINGS: Record<string, Format> = {
  csv: "csv",
  tsv: "csv",
  tab: "csv",
  html: "html",
  htm: "html",
  xhtml: "html",
  docx: "docx",
  docm: "docx",
  xlsx: "xlsx",
  xlsm: "xlsx",
};

export async function convertToMarkdown(input: unknown, folder: WorkingFolder): Promise<ConvertResult> {
  const { sourcePath, format: given } = parsed(convertArguments, input);
  const ending = /\.([a-z]+)$/i.exec(sourcePath)?.[1]?.toLowerCase() ?? "";
  const format = given ?? (Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : undefined);
  if (format === undefined)
    throw invalid("sourcePath", `${sourcePath} ends in none of ${Object.keys(ENDINGS).join(", ")}; say its format`);
  const source = new Source(sourcePath, await folder.read(sourcePath, "sourcePath", LIMITS.convert.sourceBytesMax));
  const markdown = CONVERTERS[format](source);
  return { format, markdown, ...(source.warnings.length > 0 ? { warnings: source.warnings } : {}) };
}

/** As a model reads it: the text, then what there is to say about it. */
export function convertedTexts({ markdown, warnings = [] }: ConvertResult): string[] {
  return warnings.length === 0 ? [markdown] : [markdown, `Notes of the conversion:\n${warnings.join("\n")}`];
}
