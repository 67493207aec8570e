// Documents, decks and conversion as an MCP server on standard input and output. Works in the folder it is started in and nowhere else.

import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { WorkingFolder } from "./place.ts";
import { documentsServer } from "./server.ts";

async function main(): Promise<void> {
  const server = documentsServer(await WorkingFolder.open(process.cwd()));
  // Ends when its input does and the last call is answered: nothing else keeps it alive.
  await server.connect(new StdioServerTransport());
}

await main().catch((error: unknown) => {
  process.stderr.write(`documents: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
