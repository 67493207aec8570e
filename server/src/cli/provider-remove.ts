// `openwrap provider remove`.

import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const [providerId = ""] = call.args;
  const { client, close } = await connect(call);
  try {
    await client.provider.remove({ providerId });
  } finally {
    await close();
  }
  call.terminal.out(line(`Removed ${providerId} and its key.`));
  return 0;
}
