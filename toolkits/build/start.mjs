// `npm start`: installs and builds what changed, then serves. Arguments after `--` go to `openwrap serve`.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { install, ROOT, runScript } from "./install.mjs";

install();
const built = runScript("build.ts");
if (built !== 0) process.exit(built);

const server = spawn(process.execPath, [join(ROOT, "server/dist/openwrap.mjs"), "serve", ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: "inherit",
});
// A terminal sends its signal to the whole group; one that reaches only this process is handed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => server.kill(signal));
server.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
