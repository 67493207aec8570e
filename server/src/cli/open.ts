// `openwrap open`: a new one-time link.

import type { CommandCall } from "./command.ts";
import { connectToServer, settingsOf } from "./connection.ts";

export async function run(call: CommandCall): Promise<number> {
  const { client } = connectToServer(call);
  const { url } = await client.launch.create();
  call.terminal.out(url);
  if (!call.has("no-open") && call.terminal.watched) {
    const { showInBrowser } = await import("./browser.ts");
    showInBrowser(settingsOf(call).home, url, call.terminal.env);
  }
  return 0;
}
