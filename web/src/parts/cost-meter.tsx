// What was spent of what may be spent: solid is spent, the thick end is the limit.

import type { Budget, Spending } from "@openwrap/contracts";
import { type JSX, Show } from "solid-js";
import { amount, dollars, money } from "../words/format.ts";

/** Of a budget with both limits, the one that is nearer. */
function shareOf(spending: Spending, budget: Budget): number {
  const { costMicroUsd, tokens } = budget;
  const shares = [
    ...(costMicroUsd == null ? [] : [spending.costMicroUsd / costMicroUsd]),
    ...(tokens == null ? [] : [spending.tokens / tokens]),
  ];
  return Math.min(1, Math.max(0, ...shares));
}

export function budgetWords(budget: Budget): string {
  const { costMicroUsd, tokens } = budget;
  return [
    ...(costMicroUsd == null ? [] : [dollars(costMicroUsd)]),
    ...(tokens == null ? [] : [`${amount(tokens)} tokens`]),
  ].join(" or ");
}

/** Money where the price is known; with a budget, how far it is used up. */
export function CostMeter(props: { spending: Spending; budget: Budget | null | undefined }): JSX.Element {
  return (
    <span class="cost-meter">
      <Show when={props.budget}>
        {(budget) => (
          <span class="meter" aria-hidden="true">
            <span
              class="meter-solid"
              style={{ "inline-size": `${Math.round(shareOf(props.spending, budget()) * 100)}%` }}
            />
          </span>
        )}
      </Show>
      <span class="fact">{money(props.spending)}</span>
      <Show when={props.budget}>{(budget) => <span class="quiet">of {budgetWords(budget())}</span>}</Show>
    </span>
  );
}
