// `openwrap route set`: the models of a role.

import { type CommandCall, UsageError } from "./command.ts";
import { connect } from "./connection.ts";
import { line } from "./visible.ts";

const PRIORITY_MAX = 1_000_000;

export async function run(call: CommandCall): Promise<number> {
  const [role = "", modelId = ""] = call.args;
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(role))
    throw new UsageError(`${JSON.stringify(role)} is no role, \`vision\` or \`audio\``);
  const fallbackModelIds = call.list("fallback");
  const { client, close } = await connect(call);
  try {
    await client.route.put({
      ruleId: role,
      priority: call.whole("priority", 0, PRIORITY_MAX) ?? 0,
      taskType: role,
      modelId,
      ...(fallbackModelIds.length === 0 ? {} : { fallbackModelIds }),
    });
  } finally {
    await close();
  }
  call.terminal.out(line(`${role} uses ${[modelId, ...fallbackModelIds].join(", else ")} in new runs.`));
  return 0;
}
