// `openwrap route list`: which models serve which roles, in the order the rules are tried.

import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { jsonLine, line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const { client, close } = await connect(call);
  try {
    const { routes } = await client.route.list();
    if (call.has("json")) {
      call.terminal.out(jsonLine(routes));
      return 0;
    }
    if (routes.length === 0) call.terminal.out("No routes: every role uses the run's own model.");
    for (const { ruleId, priority, taskType, modelId, fallbackModelIds } of routes) {
      const others = fallbackModelIds?.length ? `, else ${fallbackModelIds.join(", ")}` : "";
      call.terminal.out(line(`${ruleId}  ${priority}  ${taskType ?? "every role"}  ${modelId}${others}`));
    }
    return 0;
  } finally {
    await close();
  }
}
