// `openwrap serve`: the server, until it is told to stop.

import { CoreFault } from "../core.ts";
import { serve } from "../serve.ts";
import type { CommandCall } from "./command.ts";
import { runningServer, settingsOf } from "./connection.ts";

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 };

export async function run(call: CommandCall): Promise<number> {
  const { terminal } = call;
  const settings = settingsOf(call);
  const running = runningServer(settings);
  if (running) throw alreadyRunning(running.url);
  let stopped: (signal: keyof typeof SIGNAL_NUMBERS) => void = () => {};
  const stop = new Promise<keyof typeof SIGNAL_NUMBERS>((resolve) => {
    stopped = resolve;
  });
  const release = terminal.onStop((signal) => stopped(signal));
  try {
    const serving = await serve(settings, call.openCore).catch((error: unknown) => {
      throw explained(error, settings.port);
    });
    const link = await serving.launchLink();
    terminal.out(`Open Wrap is ready: ${link}`);
    if (!call.has("no-open") && terminal.watched) {
      const { showInBrowser } = await import("./browser.ts");
      showInBrowser(settings.home, link, terminal.env);
    }
    const signal = await stop;
    await serving.close();
    // An orderly end by SIGTERM is what was asked for; Ctrl-C is told apart, as shells expect.
    return signal === "SIGTERM" ? 0 : 128 + SIGNAL_NUMBERS[signal];
  } finally {
    release();
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
