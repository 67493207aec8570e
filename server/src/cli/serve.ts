// `openwrap serve`: the server, until it is told to stop.

import { CoreFault } from "../core.ts";
import { type Serving, serve } from "../serve.ts";
import type { CommandCall } from "./command.ts";
import { runningServer, settingsOf } from "./connection.ts";
import { pairingLines } from "./pair.ts";
import type { Terminal } from "./terminal.ts";

export async function run(call: CommandCall): Promise<number> {
  const { terminal } = call;
  const settings = settingsOf(call);
  const running = runningServer(settings);
  if (running) throw alreadyRunning(running.url);
  let stopped: () => void = () => {};
  const stop = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  const release = terminal.onStop(() => stopped());
  try {
    const serving = await serve(settings, call.openCore).catch((error: unknown) => {
      throw explained(error, settings.port);
    });
    const link = await linkOf(serving, terminal);
    terminal.out(`Open Wrap is ready: ${link ?? serving.url}`);
    if (link !== undefined) await tellOthers(serving, terminal);
    if (link !== undefined && !call.has("no-open") && terminal.watched) {
      const { showInBrowser } = await import("./browser.ts");
      showInBrowser(settings.home, link, terminal.env);
    }
    await stop;
    await serving.close();
    return 0;
  } finally {
    release();
  }
}

/** How another device comes in. A code is said for the first one only: later ones are made on the Devices screen, or by `openwrap pair`. */
async function tellOthers(serving: Serving, terminal: Terminal): Promise<void> {
  const pairing = await serving.pairing();
  if (!pairing) return;
  const { offer, origins, fingerprint } = pairing;
  if (offer) for (const text of pairingLines(offer)) terminal.out(text);
  else terminal.out(`Other devices: ${origins[0]}; one more is let in by: openwrap pair`);
  if (fingerprint !== undefined) terminal.out(`  Trust first: ${origins[0]}/trust  SHA-256 ${fingerprint}`);
}

/** A one-time link; none while a switched-off feature lets nobody sign in: then the page says so. */
async function linkOf(serving: Serving, terminal: Terminal): Promise<string | undefined> {
  try {
    return await serving.launchLink();
  } catch (error) {
    if (!(error instanceof CoreFault) || error.fault.code !== "FEATURE_DISABLED") throw error;
    terminal.err(`${error.fault.code}: ${error.fault.message}`);
    return undefined;
  }
}

function alreadyRunning(url: string): CoreFault {
  return new CoreFault({
    code: "ALREADY_RUNNING",
    message: `Open Wrap runs on this data folder already, at ${url}`,
    hint: "Get a link to it with: openwrap open",
  });
}

function explained(error: unknown, port: number): unknown {
  if (error instanceof CoreFault && error.fault.code === "ALREADY_RUNNING") {
    return new CoreFault({
      ...error.fault,
      hint: "A command is using the data folder right now. Wait for its end, or give another folder with --home.",
    });
  }
  if (error instanceof Error && error.message.endsWith("used by another program")) {
    return new CoreFault({
      code: "ALREADY_EXISTS",
      message: error.message,
      hint: `Free port ${port}, or take any free one with: openwrap serve --port 0`,
    });
  }
  return error;
}
