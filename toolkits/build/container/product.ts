// What of the built repository a running Open Wrap reads; an image holds this and nothing else of it.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ROOT } from "../source-hash.ts";

/** Files and folders, as they lie in the repository. */
export const PRODUCT = [
  "LICENSE",
  "package.json",
  "server/dist",
  "web/dist",
  "native/bindings/openwrap.node",
  "native/bindings/openwrap-spawner",
  "toolkits/documents/dist",
  "toolkits/rehearsal/dist",
  "toolkits/roles",
  "toolkits/samples/seattle-weather",
  "toolkits/playbooks/package.json",
  "toolkits/playbooks/playbook.ts",
  "toolkits/playbooks/report-from-a-table",
] as const;

/** Native files: what only a debugger reads is left out, where `strip` is there to do it. */
const STRIPPED = ["native/bindings/openwrap.node", "native/bindings/openwrap-spawner"];

/** Copies the product into a folder, readable by everyone. Throws when something is not built. */
export function collectProduct(to: string, strip = true): void {
  const lacking = PRODUCT.filter((path) => !existsSync(join(ROOT, path)));
  if (lacking.length > 0) throw new Error(`not built yet: ${lacking.join(", ")}; build it with: npm run build`);
  for (const path of PRODUCT) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    cpSync(join(ROOT, path), join(to, path), { recursive: true });
  }
  const opened = spawnSync("chmod", ["-R", "a+rX,go-w", to]);
  if (opened.status !== 0) throw new Error(`chmod of ${to} ended with ${opened.status}`);
  if (strip) for (const path of STRIPPED) spawnSync("strip", ["--strip-unneeded", join(to, path)]);
}

if (import.meta.filename === process.argv[1]) collectProduct(resolve(process.argv[2] ?? "product"));
