// Shows a launch link in the person's browser. The link is a credential, and arguments of programs are readable by everybody
// on the machine: the browser is given a private file that leads to the link.

import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

function opener(env: NodeJS.ProcessEnv): string | undefined {
  if (process.platform === "darwin") return "open";
  return env.DISPLAY || env.WAYLAND_DISPLAY ? "xdg-open" : undefined;
}

/** Best effort: where there is no desktop, or no browser, the printed link is what remains. */
export function showInBrowser(home: string, link: string, env: NodeJS.ProcessEnv): void {
  const program = opener(env);
  // The core makes links of these characters only; anything else would be markup in the file below.
  if (program === undefined || !/^https?:\/\/[A-Za-z0-9.:[\]-]+\/[A-Za-z0-9/?=_-]*$/.test(link)) return;
  const file = join(home, "open.html");
  rmSync(file, { force: true });
  const page = `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url=${link}"><title>Open Wrap</title><a href="${link}">Open Wrap</a>\n`;
  writeFileSync(file, page, { mode: 0o600, flag: "wx" });
  const child = spawn(program, [file], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}
