// Debian's Chromium, with which the end-to-end tests drive the page, and its headless shell, which the workers' live browser is.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { installPackages } from "./debian.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/** Where the core looks for the headless shell (`native/browser/src/find.rs`). */
const HEADLESS_SHELLS = [
  "/usr/lib/chromium/chromium-headless-shell",
  "/usr/lib64/chromium-browser/headless_shell",
  "/usr/bin/chromium-headless-shell",
  "/usr/bin/chrome-headless-shell",
];
const HEADLESS_SHELL_PACKAGE = "chromium-headless-shell";
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

export function findHeadlessShell(): string | undefined {
  return HEADLESS_SHELLS.find(isExecutable);
}

/** Installs on Debian what is missing of both, when this may be done; says what to do where not. */
export function ensureChromium(): { page: string; workers: string } {
  const found = () => ({ page: findChromium(), workers: findHeadlessShell() });
  const { page, workers } = found();
  if (page && workers) return { page, workers };
  const lacking = page
    ? "no headless shell was found for the workers' browser: install it (Debian: apt-get install chromium-headless-shell)"
    : "no Chromium was found: install one (Debian: apt-get install chromium), or name it with OPENWRAP_CHROMIUM";
  if ((!page && process.env.OPENWRAP_CHROMIUM) || process.getuid?.() !== 0 || process.platform !== "linux")
    throw new Error(lacking);
  installPackages([...(page ? [] : DEBIAN_PACKAGES), ...(workers ? [] : [HEADLESS_SHELL_PACKAGE])], lacking);
  const installed = found();
  if (!installed.page || !installed.workers) throw new Error(lacking);
  return { page: installed.page, workers: installed.workers };
}

if (import.meta.filename === process.argv[1]) {
  try {
    const { page, workers } = ensureChromium();
    console.log(`chromium: ${page}, for workers: ${workers}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
