// 1,000 calls of the reference server's echo through the whole pipeline (schema, decision, events on disk, confined server) beside the
// bare TypeScript client and the same server as a plain child: processor time of the client's side for a call. Both take turns.

import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Figure } from "../../toolkits/build/bench.ts";
import { ROOT, temporaryFolder } from "../kit/folders.ts";
import { copyPackage } from "../kit/packages.ts";
import { program } from "./core.ts";
import { median } from "./startup.ts";

export const names = ["mcp_call_cpu_over_sdk", "mcp_call_p95_ms"];

const PAIRS = 5;

interface Turn {
  cpuMs: number;
  p95Ms: number;
}

function turn(command: string, args: string[]): Turn {
  const output = execFileSync(command, args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "{}") as Turn;
}

export async function run(): Promise<Figure[]> {
  const figures = program();
  const folder = temporaryFolder();
  chmodSync(folder, 0o711);
  try {
    const server = copyPackage("@modelcontextprotocol/server-everything", join(folder, "server"));
    const entry = join(server, "dist/index.js");
    const client = join(ROOT, "tests/bench/mcp-sdk-client.ts");
    const ours: Turn[] = [];
    const theirs: Turn[] = [];
    for (let pair = 0; pair < PAIRS; pair += 1) {
      ours.push(turn(figures, [`mcp_call=${entry}`]));
      theirs.push(turn(process.execPath, ["--import", "tsx", client, entry]));
    }
    const ratios = ours.map(({ cpuMs }, at) => cpuMs / (theirs[at]?.cpuMs ?? Number.NaN));
    const p95 = (turns: Turn[]): number => median(turns.map(({ p95Ms }) => p95Ms));
    return [
      { name: "mcp_call_cpu_over_sdk", value: median(ratios), unit: "1", peer: 1 },
      { name: "mcp_call_p95_ms", value: p95(ours), unit: "ms", peer: p95(theirs) },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
