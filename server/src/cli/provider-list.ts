// `openwrap provider list`.

import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { jsonLine, line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const { client, close } = await connect(call);
  try {
    const { providers } = await client.overview.get();
    if (call.has("json")) {
      call.terminal.out(jsonLine(providers));
      return 0;
    }
    if (providers.length === 0) call.terminal.out("No providers. The rehearsal model is always there.");
    for (const { providerId, kind, baseUrl, authRef, modelIds } of providers) {
      const key = authRef ? "with a key" : "without a key";
      call.terminal.out(line(`${providerId}  ${kind}  ${baseUrl}  ${key}  ${modelIds.join(", ")}`));
    }
    return 0;
  } finally {
    await close();
  }
}
