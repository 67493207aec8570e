// Debian's Chromium, with which the end-to-end tests drive the page.

import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/** Fonts beside it: without them the page's Chinese, emoji and symbols are boxes in screenshots. */
const DEBIAN_PACKAGES = ["chromium", "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji"];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `OPENWRAP_CHROMIUM`, or the first on the path. */
export function findChromium(): string | undefined {
  const named = process.env.OPENWRAP_CHROMIUM;
  if (named) return isExecutable(named) ? named : undefined;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
}

/** Installs it on Debian when it is missing and this may be done; says what to do where not. */
export function ensureChromium(): string {
  const there = findChromium();
  if (there) return there;
  const lacking =
    "no Chromium was found: install one (Debian: apt-get install chromium), or name it with OPENWRAP_CHROMIUM";
  if (process.env.OPENWRAP_CHROMIUM || process.getuid?.() !== 0 || process.platform !== "linux")
    throw new Error(lacking);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...DEBIAN_PACKAGES]]) {
    const outcome = spawnSync("apt-get", ["-q", ...args], { stdio: "inherit", env });
    if (outcome.error) throw new Error(lacking);
    if (outcome.status !== 0) throw new Error(`apt-get ${args[0] ?? ""} ended with ${outcome.status}; ${lacking}`);
  }
  const installed = findChromium();
  if (!installed) throw new Error(lacking);
  return installed;
}

if (import.meta.filename === process.argv[1]) {
  try {
    console.log(`chromium: ${ensureChromium()}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
