#!/usr/bin/env node
// The command as npm links it: there before anything is built, so that `npx openwrap` can say what is missing.

import { existsSync } from "node:fs";

const built = new URL("../dist/openwrap.mjs", import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  console.error("NATIVE_UNAVAILABLE: Open Wrap is not built yet\nBuild it with: npm run build");
  process.exitCode = 1;
}
