// Sums of money and of tokens, as they are typed and shown.

import type { Budget } from "@openwrap/contracts";
import { UsageError } from "./command.ts";

const MICRO = 1_000_000;

/** Dollars with up to six places after the point, as whole millionths; nothing when it is no such sum. */
export function microUsd(text: string): number | undefined {
  const [, whole, part = ""] = /^\$?(\d{1,7})(?:\.(\d{1,6}))?$/.exec(text.trim()) ?? [];
  return whole === undefined ? undefined : Number(whole) * MICRO + Number(part.padEnd(6, "0"));
}

/** `5`, `2.50` in dollars and `200000t` in tokens; each at most once. */
export function readBudget(values: string[]): Budget | undefined {
  const budget: Budget = {};
  for (const value of values) {
    const [, tokens] = /^(\d{1,12})t(?:okens)?$/.exec(value.trim()) ?? [];
    const cost = tokens === undefined ? microUsd(value) : undefined;
    const [name, amount] =
      tokens === undefined ? (["costMicroUsd", cost] as const) : (["tokens", Number(tokens)] as const);
    if (!amount || budget[name] !== undefined)
      throw new UsageError(
        `--budget ${JSON.stringify(value)} is none: give dollars such as 2.50, tokens such as 200000t, or one of each`,
      );
    budget[name] = amount;
  }
  return values.length === 0 ? undefined : budget;
}

/** `$2.50`, `200000 tokens`, or both. */
export function budgetWords({ costMicroUsd, tokens }: Budget): string {
  const money = costMicroUsd == null ? [] : [dollars(costMicroUsd)];
  return [...money, ...(tokens == null ? [] : [`${tokens} tokens`])].join(" and ");
}

/** Exact, with cents at least. */
function dollars(micro: number): string {
  const places = String(micro % MICRO)
    .padStart(6, "0")
    .replace(/0{1,4}$/, "");
  return `$${Math.floor(micro / MICRO)}.${places}`;
}
