// `openwrap audit export`: runs, calls, sessions and questions with their hashes, as JSON.

import type { PersistenceFilter } from "@openwrap/contracts";
import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { jsonLine } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const { client, close } = await connect(call);
  try {
    const runId = call.value("run");
    const filter: PersistenceFilter = runId === undefined ? {} : { runId };
    call.terminal.out(jsonLine(await client.audit.export(filter)));
  } finally {
    await close();
  }
  return 0;
}
