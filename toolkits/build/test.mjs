// `npm test`: everything a change must pass. Plain JavaScript: it runs before anything is installed.

import { install, runScript } from "./install.mjs";

install();
process.exitCode = runScript("stages.ts", process.argv.slice(2));
