// `openwrap undo RUN[/TASK]`: exit status 1 when something was left as it is because it was changed since.

import { randomUUID } from "node:crypto";
import { type CommandCall, UsageError } from "./command.ts";
import { connect } from "./connection.ts";
import { runIdOf } from "./run-name.ts";
import { jsonLine, line } from "./visible.ts";

function target(text: string): { run: string; taskId?: string } {
  // Neither a run's nor a task's id holds a slash.
  const [run = "", taskId, ...more] = text.split("/");
  if (run === "" || taskId === "" || more.length > 0) throw new UsageError(`${text} is neither RUN nor RUN/TASK`);
  return taskId === undefined ? { run } : { run, taskId };
}

export async function run(call: CommandCall): Promise<number> {
  const { run: name, ...task } = target(call.args[0] ?? "");
  const { client, close } = await connect(call);
  try {
    const runId = await runIdOf(client, name);
    const result = await client.run.undo({ requestId: randomUUID(), runId, ...task });
    if (call.has("json")) call.terminal.out(jsonLine(result));
    else {
      for (const path of result.reverted) call.terminal.out(`taken back  ${line(path)}`);
      for (const path of result.conflicts) call.terminal.out(`kept        ${line(path)}  (changed since)`);
      if (result.reverted.length + result.conflicts.length === 0) call.terminal.out("There was nothing to take back.");
    }
    return result.conflicts.length === 0 ? 0 : 1;
  } finally {
    await close();
  }
}
