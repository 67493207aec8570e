// `openwrap route remove`.

import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const [ruleId = ""] = call.args;
  const { client, close } = await connect(call);
  try {
    await client.route.remove({ ruleId });
  } finally {
    await close();
  }
  call.terminal.out(line(`Removed ${ruleId}.`));
  return 0;
}
