// What a toolkit that is an MCP server offers, asked of the built bundle and kept beside it: the core knows its tools without
// starting it, and takes nothing else from it later.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const PROTOCOL_VERSION = "2025-11-25";
const ANSWER_MS_MAX = 30_000;

interface Answer {
  id?: number;
  result?: { tools?: unknown[] };
}

/** Writes the answer to `tools/list` as `{"tools":[…]}`. */
export async function writeDefinitions(bundle: string, target: string): Promise<void> {
  const child = spawn(process.execPath, [bundle], { stdio: ["pipe", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), ANSWER_MS_MAX);
  try {
    const say = (message: object): void =>
      void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    child.stdin.on("error", () => {});
    const clientInfo = { name: "openwrap-build", version: "0.1.0" };
    say({ id: 1, method: "initialize", params: { protocolVersion: PROTOCOL_VERSION, capabilities: {}, clientInfo } });
    for await (const line of createInterface({ input: child.stdout })) {
      const { id, result } = JSON.parse(line) as Answer;
      if (id === 1) {
        say({ method: "notifications/initialized" });
        say({ id: 2, method: "tools/list", params: {} });
      } else if (id === 2 && result?.tools) {
        writeFileSync(target, `${JSON.stringify({ tools: result.tools }, null, 1)}\n`);
        return;
      }
    }
    throw new Error(`${bundle} ended without listing its tools`);
  } finally {
    clearTimeout(timer);
    child.kill();
  }
}
