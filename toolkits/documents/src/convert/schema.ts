// Arguments and answer of `convert.toMarkdown`.

import { z } from "zod";
import { LIMITS } from "../limits.ts";

export const FORMATS = ["csv", "html", "docx", "xlsx"] as const;

export const convertArguments = z.strictObject({
  sourcePath: z.string().min(1).max(LIMITS.pathCharactersMax).describe("File in the project, relative"),
  format: z.enum(FORMATS).optional().describe("Of the file; by the end of its name unless given"),
});

export const convertResult = z.strictObject({
  format: z.enum(FORMATS),
  markdown: z.string(),
  warnings: z.array(z.string()).optional().describe("What was left out, cut or marked"),
});

export type Format = (typeof FORMATS)[number];
export type ConvertResult = z.infer<typeof convertResult>;
