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
  /** The first text, parsed where it is JSON. */
  told: unknown;
  /** All texts, as a model reads them. */
  text: string;
}

/** The refusal that an answer holds. */
export function problemOf({ isError, told }: Answer): { code: string; path: string; message: string } {
  if (!isError) throw new Error("was not refused");
  return (told as { error: { code: string; path: string; message: string } }).error;
}

export interface RunningDocuments {
  folder: string;
  client: Client;
  /** Of `docx.create`. */
  create: (call: object) => Promise<Answer>;
  call: (tool: string, call: object) => Promise<Answer>;
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
  const call = async (name: string, given: object): Promise<Answer> => {
    const result = await client.callTool({ name, arguments: { ...given } });
    const texts = (result.content as { type: string; text: string }[]).map(({ text }) => text);
    const [first = "null"] = texts;
    return {
      isError: result.isError === true,
      structured: result.structuredContent,
      told: first.startsWith("{") || first === "null" ? JSON.parse(first) : first,
      text: texts.join("\n"),
    };
  };
  return {
    folder,
    client,
    create: (given) => call("docx.create", given),
    call,
    close: async () => {
      await client.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
