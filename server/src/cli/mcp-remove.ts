// `openwrap mcp remove`: the server, its secrets, and the package that was installed for it.

import { randomUUID } from "node:crypto";
import { realpathSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { McpServerState } from "@openwrap/contracts";
import type { CommandCall } from "./command.ts";
import { connect, settingsOf } from "./connection.ts";
import { line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const [serverId = ""] = call.args;
  const { client, close } = await connect(call);
  try {
    const { servers } = await client.mcp.list();
    const known = servers.find(({ server }) => server.serverId === serverId);
    await client.mcp.remove({ requestId: randomUUID(), serverId });
    if (known?.server.package) removePackage(known, settingsOf(call).work);
  } finally {
    await close();
  }
  call.terminal.out(line(`Removed ${serverId}.`));
  return 0;
}

/** Only a folder that lies where packages are installed. */
function removePackage({ server }: McpServerState, work: string): void {
  const packages = join(realpathSync(work), "mcp/packages");
  for (const grant of server.grants ?? []) {
    const path = grant.startsWith("read:") ? grant.slice("read:".length) : "";
    if (dirname(path) === packages) rmSync(path, { recursive: true, force: true });
  }
}
