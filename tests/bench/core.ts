// Figures of the core alone, from its own program (`native/runtime/benches/figures.rs`), which runs once for all that are asked for.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Figure } from "../../toolkits/build/bench.ts";
import { ROOT, temporaryFolder } from "../kit/folders.ts";

const SYNCS = "fdatasync_per_event";
export const names = [
  "scheduler_1600_ms",
  "scheduler_100000_ms",
  "tool_call_p95_ms",
  "sandboxed_spawn_over_plain",
  SYNCS,
];

interface Line extends Figure {
  /** Of the figure about syncs: how many events were appended. */
  events?: number;
}

/** The program, built as `cargo bench` builds it, with the dependencies the product was built with. */
export function program(): string {
  const args = ["build", "--release", "--locked", "--package", "openwrap-runtime", "--bench", "figures"];
  const messages = execFileSync("cargo", [...args, "--message-format", "json"], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 256 * 1024 * 1024,
  });
  for (const line of messages.split("\n").filter((text) => text.includes('"executable":"'))) {
    const { target, executable } = JSON.parse(line) as { target: { name: string }; executable: string };
    if (target.name === "figures") return executable;
  }
  throw new Error("cargo names no program");
}

function measured(command: string, args: string[]): Line[] {
  const output = execFileSync(command, args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
}

/** Syncs of the whole program as the kernel saw them, opening and closing the ledger included. */
function syncsOf(summary: string): number {
  const calls = summary
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => ["fsync", "fdatasync"].includes(fields.at(-1) ?? ""));
  return calls.reduce((sum, fields) => sum + Number(fields[3]), 0);
}

/** With `strace`, where there is one: the core counts its commits only. */
function syncs(executable: string): Line[] {
  if (spawnSync("strace", ["-V"]).status !== 0) return measured(executable, [SYNCS]);
  const folder = temporaryFolder();
  try {
    const summary = join(folder, "syncs");
    const trace = ["--seccomp-bpf", "-f", "-c", "-o", summary, "-e", "trace=fsync,fdatasync"];
    const lines = measured("strace", [...trace, executable, SYNCS]);
    const counted = syncsOf(readFileSync(summary, "utf8"));
    return lines.map((line) => ({ ...line, value: counted / (line.events ?? Number.NaN) }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function run(wanted: string[]): Promise<Figure[]> {
  const executable = program();
  const plain = wanted.filter((name) => name !== SYNCS);
  const lines = plain.length > 0 ? measured(executable, plain) : [];
  if (wanted.includes(SYNCS)) lines.push(...syncs(executable));
  return lines.map(({ events: _, ...figure }) => figure);
}
