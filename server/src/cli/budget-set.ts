// `openwrap budget set`: what runs may spend that are started without a budget of their own.

import { budgetWords, readBudget } from "./budget.ts";
import type { CommandCall } from "./command.ts";
import { connect } from "./connection.ts";
import { line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const [amount = ""] = call.args;
  // Read before the core is asked: a wrong sum changes nothing.
  const budget = amount === "none" ? undefined : readBudget(amount.split(","));
  const { client, close } = await connect(call);
  try {
    await client.budget.set(budget ? { budget } : {});
  } finally {
    await close();
  }
  call.terminal.out(
    line(budget ? `New runs may spend ${budgetWords(budget)}.` : "New runs spend as much as it takes."),
  );
  return 0;
}
