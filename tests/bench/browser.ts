// Figures of the workers' browser, from its own program (`native/browser/benches/browser_figures.rs`).

import { execFileSync } from "node:child_process";
import type { Figure } from "../../toolkits/build/bench.ts";
import { ROOT } from "../kit/folders.ts";

export const names = ["browser_first_page_ms", "screencast_fps", "browser_frame_age_p95_ms"];

export async function run(wanted: string[]): Promise<Figure[]> {
  const args = ["bench", "--locked", "--quiet", "--package", "openwrap-browser", "--bench", "browser_figures"];
  const output = execFileSync("cargo", [...args, "--", ...wanted], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Figure);
}
