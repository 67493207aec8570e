// Installs what package-lock.json names, when it is not there yet. Plain JavaScript: it runs before anything is installed.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

const NODE_AT_LEAST = [20, 19];

/** @param {string} path @returns {{ packages: Record<string, { version?: string, link?: boolean, optional?: boolean }> } | undefined} */
function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

function isInstalled() {
  const wanted = readLock(join(ROOT, "package-lock.json"));
  const there = readLock(join(ROOT, "node_modules/.package-lock.json"));
  if (!wanted || !there) return false;
  return Object.entries(wanted.packages).every(([path, entry]) => {
    if (!path.startsWith("node_modules/") || entry.optional) return true;
    return entry.link ? existsSync(join(ROOT, path)) : there.packages[path]?.version === entry.version;
  });
}

export function install() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < NODE_AT_LEAST[0] || (major === NODE_AT_LEAST[0] && minor < NODE_AT_LEAST[1])) {
    console.error(`Open Wrap needs Node ${NODE_AT_LEAST.join(".")} or newer; this is ${process.versions.node}.`);
    process.exit(1);
  }
  if (isInstalled()) return;
  const verb = existsSync(join(ROOT, "node_modules")) ? "install" : "ci";
  const outcome = spawnSync("npm", [verb, "--no-audit", "--no-fund"], { cwd: ROOT, stdio: "inherit" });
  if (outcome.status !== 0) process.exit(outcome.status ?? 1);
}

/** Runs a TypeScript script of this folder and ends with its status when it fails. @param {string} script @param {string[]} args */
export function runScript(script, args = []) {
  const outcome = spawnSync(process.execPath, ["--import", "tsx", join(import.meta.dirname, script), ...args], {
    cwd: ROOT,
    stdio: "inherit",
  });
  return outcome.status ?? 1;
}
