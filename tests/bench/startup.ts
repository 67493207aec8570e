// From exec of the built server to the first 200 of `/`: CPU and memory of the whole process tree.

import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import type { Figure } from "../../toolkits/build/bench.ts";
import { cleanEnvironment, endChild, startChild } from "../kit/child.ts";
import { OPENWRAP, temporaryFolders } from "../kit/folders.ts";
import { treeTotals } from "../kit/processes.ts";

export const names = ["cpu_to_ready_ms", "rss_ready_mb"];

const RUNS = 5;
const READY_MS_MAX = 30_000;

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function statusOf(port: number): Promise<number> {
  return new Promise((resolve) => {
    const sent = request({ host: "127.0.0.1", port, path: "/", headers: { host: `localhost:${port}` } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on("error", () => resolve(0));
    sent.end();
  });
}

/** Where it listens, before it says so: the lock file is written as soon as the core is open. */
function portIn(home: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(join(home, "server.json"), "utf8")) as { port: number }).port;
  } catch {
    return undefined;
  }
}

async function once(): Promise<{ cpuMs: number; memoryBytes: number }> {
  const folders = temporaryFolders();
  const child = startChild(
    process.execPath,
    [OPENWRAP, "serve", "--no-open", "--port", "0"],
    cleanEnvironment(folders.env),
  );
  try {
    const until = Date.now() + READY_MS_MAX;
    for (;;) {
      const port = portIn(folders.home);
      if (port !== undefined && (await statusOf(port)) === 200) return treeTotals(child.pid);
      if (Date.now() > until || child.process.exitCode !== null)
        throw new Error(`the server did not get ready: ${child.said().stderr}`);
      await new Promise((wait) => setTimeout(wait, 2));
    }
  } finally {
    await endChild(child);
    folders.remove();
  }
}

export async function run(): Promise<Figure[]> {
  const all: { cpuMs: number; memoryBytes: number }[] = [];
  for (let turn = 0; turn < RUNS; turn += 1) all.push(await once());
  return [
    { name: "cpu_to_ready_ms", value: median(all.map((one) => one.cpuMs)), unit: "ms" },
    { name: "rss_ready_mb", value: median(all.map((one) => one.memoryBytes)) / 1e6, unit: "MB" },
  ];
}
