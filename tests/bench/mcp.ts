// 1,000 calls of the reference server's echo through the whole pipeline (schema, decision, events on disk, confined server) beside the
// bare TypeScript client and the same server as a plain child: processor time of the client's side for a call. Both take turns, with as
// many calls at once as a run has slots, since what they write shares its commits then; and one call after the other.

import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Figure } from "../../toolkits/build/bench.ts";
import { ROOT, temporaryFolder } from "../kit/folders.ts";
import { copyPackage } from "../kit/packages.ts";
import { program } from "./core.ts";
import { median } from "./startup.ts";

export const names = [
  "mcp_call_cpu_over_sdk",
  "mcp_call_in_turn_cpu_over_sdk",
  "mcp_client_cpu_over_sdk",
  "mcp_call_p95_ms",
];

const PAIRS = 5;
const SLOTS = 64;

interface Turn {
  cpuMs: number;
  p95Ms: number;
}

function turn(command: string, args: string[]): Turn {
  const output = execFileSync(command, args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "{}") as Turn;
}

/** Ours over theirs, in turns, and the median P95 of both. */
function compare(ours: () => Turn, theirs: () => Turn): { ratio: number; p95Ms: number; peerP95Ms: number } {
  const pairs = Array.from({ length: PAIRS }, () => [ours(), theirs()] as const);
  return {
    ratio: median(pairs.map(([our, their]) => our.cpuMs / their.cpuMs)),
    p95Ms: median(pairs.map(([our]) => our.p95Ms)),
    peerP95Ms: median(pairs.map(([, their]) => their.p95Ms)),
  };
}

export async function run(wanted: string[]): Promise<Figure[]> {
  const figures = program();
  const folder = temporaryFolder();
  chmodSync(folder, 0o711);
  try {
    const server = copyPackage("@modelcontextprotocol/server-everything", join(folder, "server"));
    const entry = join(server, "dist/index.js");
    const client = join(ROOT, "tests/bench/mcp-sdk-client.ts");
    const sdk = (atOnce: number) => () => turn(process.execPath, ["--import", "tsx", client, entry, String(atOnce)]);
    const pipeline = (atOnce: number) => () => turn(figures, [`mcp_call=${entry}`, `at_once=${atOnce}`]);
    const found: Figure[] = [];
    if (wanted.includes("mcp_call_cpu_over_sdk")) {
      const { ratio } = compare(pipeline(SLOTS), sdk(SLOTS));
      found.push({ name: "mcp_call_cpu_over_sdk", value: ratio, unit: "1", peer: 1 });
    }
    if (wanted.includes("mcp_call_in_turn_cpu_over_sdk") || wanted.includes("mcp_call_p95_ms")) {
      const { ratio, p95Ms, peerP95Ms } = compare(pipeline(1), sdk(1));
      found.push({ name: "mcp_call_in_turn_cpu_over_sdk", value: ratio, unit: "1", peer: 1 });
      found.push({ name: "mcp_call_p95_ms", value: p95Ms, unit: "ms", peer: peerP95Ms });
    }
    if (wanted.includes("mcp_client_cpu_over_sdk")) {
      const { ratio } = compare(() => turn(figures, [`mcp_call=${entry}`]), sdk(1));
      found.push({ name: "mcp_client_cpu_over_sdk", value: ratio, unit: "1", peer: 1 });
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
