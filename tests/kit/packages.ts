// Installed packages copied to where a confined server may read them: a checkout may lie below folders that nobody else enters.

import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./folders.ts";

/** Copies a package and all it depends on into `folder/node_modules`; answers the package's folder there. */
export function copyPackage(name: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const wanted = [name];
  const copied = new Set<string>();
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    const from = join(ROOT, "node_modules", next);
    if (copied.has(next) || !existsSync(from)) continue;
    copied.add(next);
    const to = join(folder, "node_modules", next);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, { recursive: true, dereference: true });
    const { dependencies = {} } = JSON.parse(readFileSync(join(from, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    wanted.push(...Object.keys(dependencies));
  }
  return join(folder, "node_modules", name);
}
