// Content hashes that decide whether a build step has anything to do.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

const STAMPS = join(ROOT, "node_modules/.cache/openwrap");
const NEVER = new Set(["node_modules", "dist", "target", ".git", "coverage"]);

/** Files below a path of the repository (or the file itself), sorted; build output and dependencies are left out. */
export function sourceFiles(path: string): string[] {
  const full = join(ROOT, path);
  if (!existsSync(full)) return [];
  if (statSync(full).isFile()) return [full];
  const found: string[] = [];
  for (const entry of readdirSync(full, { withFileTypes: true })) {
    if (NEVER.has(entry.name)) continue;
    const below = join(path, entry.name);
    if (entry.isDirectory()) found.push(...sourceFiles(below));
    else if (entry.isFile()) found.push(join(ROOT, below));
  }
  return found.sort();
}

/** One hash over names and contents. */
export function contentHash(paths: string[], keep: (file: string) => boolean = () => true): string {
  const hash = createHash("sha256");
  for (const file of paths.flatMap(sourceFiles).filter(keep)) {
    hash
      .update(`${relative(ROOT, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  return hash.digest("hex");
}

/** Whether the step ran on exactly this input and its outputs are still there. */
export function isFresh(step: string, hash: string, outputs: string[]): boolean {
  const stamp = join(STAMPS, `${step}.stamp`);
  return (
    existsSync(stamp) && readFileSync(stamp, "utf8") === hash && outputs.every((path) => existsSync(join(ROOT, path)))
  );
}

export function markFresh(step: string, hash: string): void {
  const stamp = join(STAMPS, `${step}.stamp`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
}
