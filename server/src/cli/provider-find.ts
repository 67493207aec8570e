// `openwrap provider find`: model servers at their usual ports of this machine.

import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { jsonLine, line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const { client, close } = await connect(call);
  try {
    const { servers } = await client.provider.find();
    if (call.has("json")) {
      call.terminal.out(jsonLine(servers));
      return 0;
    }
    if (servers.length === 0) call.terminal.out("No model server was found on this machine.");
    for (const { providerId, name, kind, baseUrl, modelIds, needsKey } of servers) {
      const models = needsKey ? "asks for a key" : modelIds.join(", ") || "has no model loaded";
      call.terminal.out(line(`${providerId}  ${kind}  ${baseUrl}  ${name}: ${models}`));
    }
    return 0;
  } finally {
    await close();
  }
}
