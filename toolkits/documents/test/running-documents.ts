// The built server as a child, spoken to by the SDK's own client; its working folder is a fresh one.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const PROGRAM = join(import.meta.dirname, "../dist/documents.mjs");

export interface Answer {
  isError: boolean;
  structured: unknown;
  /** The first text, parsed. */
  told: unknown;
}

export interface RunningDocuments {
  folder: string;
  client: Client;
  create: (call: object) => Promise<Answer>;
  close: () => Promise<void>;
}

export async function startDocuments(variables: Record<string, string> = {}): Promise<RunningDocuments> {
  if (!existsSync(PROGRAM)) throw new Error("build first: npm run build toolkit-documents");
  const folder = mkdtempSync(join(tmpdir(), "openwrap-documents-"));
  const client = new Client({ name: "test", version: "0.1.0" });
  const environment = { HOME: join(folder, "nowhere"), TMPDIR: join(folder, "nowhere"), ...variables };
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [PROGRAM], cwd: folder, env: environment }),
  );
  return {
    folder,
    client,
    create: async (call) => {
      const result = await client.callTool({ name: "docx.create", arguments: { ...call } });
      const [first] = result.content as { type: string; text: string }[];
      return {
        isError: result.isError === true,
        structured: result.structuredContent,
        told: JSON.parse(first?.text ?? "null"),
      };
    },
    close: async () => {
      await client.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
