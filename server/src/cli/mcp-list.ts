// `openwrap mcp list`.

import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { summaryOf } from "./mcp-shown.ts";
import { jsonLine } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const { client, close } = await connect(call);
  try {
    const { servers } = await client.mcp.list();
    if (call.has("json")) call.terminal.out(jsonLine(servers));
    else if (servers.length === 0)
      call.terminal.out("No MCP servers. Add one with: openwrap mcp add NAME -- COMMAND …");
    else for (const state of servers) call.terminal.out(summaryOf(state));
    return 0;
  } finally {
    await close();
  }
}
