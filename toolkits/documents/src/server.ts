// The MCP server: lists the tools and answers calls, one after the other.

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
} from "@modelcontextprotocol/sdk/types.js";
import { createDocument } from "./create.ts";
import type { WorkingFolder } from "./place.ts";
import { DocumentProblem } from "./problem.ts";
import { createSchema, resultSchema } from "./schema.ts";

const DOCX_CREATE = "docx.create";

export function documentsServer(folder: WorkingFolder): Server {
  const server = new Server({ name: "documents", version: "0.1.0" }, { capabilities: { tools: {} } });
  const tools = [
    {
      name: DOCX_CREATE,
      title: "Create a Word document",
      description:
        "Writes a Word document (.docx) from blocks: headings, paragraphs, lists, tables, pictures, charts drawn from their " +
        "values, quotes, code, page breaks. An existing file is replaced.",
      inputSchema: { type: "object" as const, ...createSchema() },
      outputSchema: { type: "object" as const, ...resultSchema() },
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    },
  ];
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  // One at a time: a document may take much memory.
  let before: Promise<unknown> = Promise.resolve();
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    if (params.name !== DOCX_CREATE) throw new McpError(ErrorCode.InvalidParams, `there is no tool ${params.name}`);
    const answer = before.then(() => answerOf(createDocument(params.arguments ?? {}, folder)));
    before = answer;
    return answer;
  });
  return server;
}

async function answerOf(work: Promise<object>): Promise<CallToolResult> {
  try {
    const result = await work;
    return { structuredContent: { ...result }, content: [{ type: "text", text: JSON.stringify(result) }] };
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
