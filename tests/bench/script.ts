// Figures of the script engine, from its own program (`native/script/benches/script_figures.rs`).

import { execFileSync } from "node:child_process";
import type { Figure } from "../../toolkits/build/bench.ts";
import { ROOT } from "../kit/folders.ts";

export async function run(_wanted: string[]): Promise<Figure[]> {
  const args = ["bench", "--locked", "--package", "openwrap-script", "--bench", "script_figures"];
  const output = execFileSync("cargo", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Figure);
}
