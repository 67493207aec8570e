// What this run has cost and may cost; the limit can be set while it runs.

import type { Budget } from "@openwrap/contracts";
import { createSignal, type JSX, Show } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { amountFault, budgetOf, countFault, MICRO } from "../models/amounts.ts";
import { isOver, NOTHING_SPENT, runOf } from "../overview/overview-state.ts";
import { CostMeter } from "../parts/cost-meter.tsx";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Field } from "../parts/field.tsx";

export function RunBudget(props: { runId: string }): JSX.Element {
  const app = useApp();
  const [setting, setSetting] = createSignal(false);
  let toggle: HTMLButtonElement | undefined;
  const done = (): void => {
    setSetting(false);
    toggle?.focus();
  };
  const summary = () => runOf(app.overview(), props.runId);
  return (
    <Show when={summary()}>
      {(run) => (
        <div class="run-budget">
          <CostMeter spending={run().spending ?? NOTHING_SPENT} budget={run().budget} />
          <Show when={!isOver(run())}>
            <button
              type="button"
              class="button small"
              ref={(element) => {
                toggle = element;
              }}
              aria-expanded={setting()}
              disabled={app.readOnly()}
              onClick={() => setSetting(!setting())}
            >
              {run().budget ? "Change the limit" : "Set a limit"}
            </button>
            <Show when={setting()}>
              <Limit runId={props.runId} budget={run().budget} done={done} />
            </Show>
          </Show>
        </div>
      )}
    </Show>
  );
}

function Limit(props: { runId: string; budget: Budget | null | undefined; done: () => void }): JSX.Element {
  const app = useApp();
  const { costMicroUsd, tokens: kept } = props.budget ?? {};
  const [dollars, setDollars] = createSignal(costMicroUsd == null ? "" : String(costMicroUsd / MICRO));
  const [tokens, setTokens] = createSignal(kept == null ? "" : String(kept));
  const set = createAction(async () => {
    const budget = budgetOf(dollars(), tokens());
    await app.api.run.budget({ requestId: requestId(), runId: props.runId, ...(budget ? { budget } : {}) });
    props.done();
  });
  const wrong = (): boolean => (amountFault(dollars()) ?? countFault(tokens())) !== undefined;
  return (
    <form
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
      <button type="submit" class="button small" disabled={wrong() || set.busy() || app.readOnly()}>
        Set
      </button>
      <Show when={set.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={set.clear} />}</Show>
    </form>
  );
}
