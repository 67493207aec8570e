// The MCP server: lists the tools and answers calls, one after the other.

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
} from "@modelcontextprotocol/sdk/types.js";
import type { z } from "zod";
import { convertedTexts, convertToMarkdown } from "./convert/convert.ts";
import { convertArguments, convertResult } from "./convert/schema.ts";
import { createDocument } from "./create.ts";
import { createDeck } from "./deck/create.ts";
import { deckArguments } from "./deck/schema.ts";
import type { WorkingFolder } from "./place.ts";
import { DocumentProblem } from "./problem.ts";
import { createArguments, createResult, schemaOf } from "./schema.ts";

/** Tools write files and answer with an artifact. */
const WRITES = { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false };

interface Offer {
  title: string;
  description: string;
  arguments: z.ZodType;
  result: z.ZodType;
  annotations: typeof WRITES;
  run: (input: unknown, folder: WorkingFolder) => Promise<Answer>;
}

interface Answer {
  result: object;
  /** What a model reads, when it is not the result itself. */
  texts?: string[];
}

const READS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

const TOOLS: Record<string, Offer> = {
  "convert.toMarkdown": {
    title: "Convert to Markdown",
    description:
      "Reads a CSV, HTML, Word (.docx) or Excel (.xlsx) file of the project and answers with its text as Markdown: headings, " +
      "lists, tables, links, texts of pictures, code. Sheets show stored values, dates as YYYY-MM-DD, numbers unrounded. Scripts " +
      "and hidden text are left out; tables end after 2,000 rows, and the notes say so.",
    arguments: convertArguments,
    result: convertResult,
    annotations: READS,
    run: async (input, folder) => {
      const result = await convertToMarkdown(input, folder);
      return { result, texts: convertedTexts(result) };
    },
  },
  "docx.create": {
    title: "Create a Word document",
    description:
      "Writes a Word document (.docx) from blocks: headings, paragraphs, lists, tables, pictures, charts drawn from their " +
      "values, quotes, code, page breaks. An existing file is replaced.",
    arguments: createArguments,
    result: createResult,
    annotations: WRITES,
    run: async (input, folder) => ({ result: await createDocument(input, folder) }),
  },
  "pptx.create": {
    title: "Create a presentation",
    description:
      "Writes a PowerPoint presentation (.pptx, 16:9) of slides with a title each: title, section, content (bullet points), " +
      "columns, table, picture, chart drawn from its values; speaker notes. The size of text is chosen so that it fits; what does not fit a slide is refused. " +
      "An existing file is replaced.",
    arguments: deckArguments,
    result: createResult,
    annotations: WRITES,
    run: async (input, folder) => ({ result: await createDeck(input, folder) }),
  },
};

export function documentsServer(folder: WorkingFolder): Server {
  const server = new Server({ name: "documents", version: "0.1.0" }, { capabilities: { tools: {} } });
  const tools = Object.entries(TOOLS).map(([name, { title, description, annotations, ...offer }]) => ({
    name,
    title,
    description,
    inputSchema: { type: "object" as const, ...schemaOf(offer.arguments) },
    outputSchema: { type: "object" as const, ...schemaOf(offer.result) },
    annotations,
  }));
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  // One at a time: a document may take much memory.
  let before: Promise<unknown> = Promise.resolve();
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    const tool = Object.hasOwn(TOOLS, params.name) ? TOOLS[params.name] : undefined;
    if (tool === undefined) throw new McpError(ErrorCode.InvalidParams, `there is no tool ${params.name}`);
    const answer = before.then(() => answerOf(tool.run(params.arguments ?? {}, folder)));
    before = answer;
    return answer;
  });
  return server;
}

async function answerOf(work: Promise<Answer>): Promise<CallToolResult> {
  try {
    const { result, texts = [JSON.stringify(result)] } = await work;
    return { structuredContent: { ...result }, content: texts.map((text) => ({ type: "text", text })) };
  } catch (error) {
    const problem =
      error instanceof DocumentProblem
        ? { code: error.code, path: error.path, message: error.message }
        : {
            code: "EXECUTION_FAILED",
            path: "arguments",
            message: error instanceof Error ? error.message : String(error),
          };
    return { isError: true, content: [{ type: "text", text: JSON.stringify({ error: problem }) }] };
  }
}
