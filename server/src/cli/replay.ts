// `openwrap replay`: exit status 0 when digest and files came out as recorded.

import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { runIdOf } from "./run-name.ts";
import { jsonLine, line } from "./visible.ts";

const SLOTS_MAX = 64;

export async function run(call: CommandCall): Promise<number> {
  const slots = call.whole("slots", 1, SLOTS_MAX);
  const { client, close } = await connect(call);
  try {
    const runId = await runIdOf(client, call.args[0] ?? "");
    const result = await client.run.replay({ runId, ...(slots === undefined ? {} : { slots }) });
    const same = result.equal && result.filesEqual;
    if (call.has("json")) call.terminal.out(jsonLine(result));
    else {
      call.terminal.out(`recorded digest  ${result.recordedDigest}`);
      call.terminal.out(`replayed digest  ${result.runDigest}`);
      call.terminal.out(same ? "Digest and files are the same." : "Not the same. These differ:");
      for (const place of result.diverged) call.terminal.out(`  ${line(place)}`);
    }
    return same ? 0 : 1;
  } finally {
    await close();
  }
}
