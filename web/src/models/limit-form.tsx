// A limit in dollars, in tokens, or both; two empty fields are none.

import type { Budget } from "@openwrap/contracts";
import { createSignal, type JSX, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Field } from "../parts/field.tsx";
import { amountFault, budgetOf, countFault, MICRO } from "./amounts.ts";

export function LimitForm(props: {
  budget: Budget | null | undefined;
  keep: (budget: Budget | undefined) => Promise<void>;
  class?: string;
}): JSX.Element {
  const app = useApp();
  const { costMicroUsd, tokens: count } = props.budget ?? {};
  const [dollars, setDollars] = createSignal(costMicroUsd == null ? "" : String(costMicroUsd / MICRO));
  const [tokens, setTokens] = createSignal(count == null ? "" : String(count));
  const set = createAction(() => props.keep(budgetOf(dollars(), tokens())));
  const wrong = (): boolean => (amountFault(dollars()) ?? countFault(tokens())) !== undefined;
  return (
    <>
      <form
        class={props.class}
        onSubmit={(event) => {
          event.preventDefault();
          if (!wrong()) void set.run();
        }}
      >
        <Field
          label="Dollars at most"
          fact
          inputMode="decimal"
          placeholder="no limit"
          value={dollars()}
          wrong={amountFault(dollars())}
          write={setDollars}
        />
        <Field
          label="Tokens at most"
          fact
          inputMode="numeric"
          placeholder="no limit"
          value={tokens()}
          wrong={countFault(tokens())}
          write={setTokens}
        />
        <button type="submit" class="button labeled-button" disabled={wrong() || set.busy() || app.readOnly()}>
          Set
        </button>
      </form>
      <Show when={set.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={set.clear} />}</Show>
    </>
  );
}
