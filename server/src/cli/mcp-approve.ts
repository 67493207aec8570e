// `openwrap mcp approve`: a person looks at what a server offers and says yes to exactly that.

import { randomUUID } from "node:crypto";
import type { McpServerState } from "@openwrap/contracts";
import type { Client } from "@openwrap/contracts/client";
import { CoreFault } from "../core.ts";
import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { show } from "./mcp-shown.ts";
import { line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const [serverId = ""] = call.args;
  const { client, close } = await connect(call);
  try {
    const { servers } = await client.mcp.list();
    const state = servers.find(({ server }) => server.serverId === serverId);
    if (!state) {
      throw new CoreFault({
        code: "NOT_FOUND",
        message: `there is no MCP server ${JSON.stringify(serverId)}`,
        hint: "List them with: openwrap mcp list",
      });
    }
    show(call.terminal, state);
    if (state.status !== "waits_for_approval") {
      call.terminal.out("Approved already.");
      return 0;
    }
    return (await approve(call, client, state)) ? 0 : 1;
  } finally {
    await close();
  }
}

/** Asks unless `--yes`; true when it is approved. */
export async function approve(call: CommandCall, client: Client, state: McpServerState): Promise<boolean> {
  const { serverId } = state.server;
  if (!call.has("yes")) {
    if (!call.terminal.interactive) {
      call.terminal.out(line(`Nothing of it can be used before it is approved: openwrap mcp approve ${serverId}`));
      return false;
    }
    const typed = await call.terminal.ask("Approve exactly these? [yes/no] ", new AbortController().signal);
    if (!/^y(?:es)?$/i.test(typed.trim())) {
      call.terminal.out(line(`Not approved. Remove it with: openwrap mcp remove ${serverId}`));
      return false;
    }
  }
  await client.mcp.approve({ requestId: randomUUID(), serverId, definitionsHash: state.definitionsHash });
  call.terminal.out(line(`Approved ${serverId} as it is now (${state.definitionsHash.slice(0, 16)}).`));
  return true;
}
