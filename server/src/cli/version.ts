// The product's version.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { productRoot } from "../settings.ts";

export function version(): string {
  const text = readFileSync(join(productRoot(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
