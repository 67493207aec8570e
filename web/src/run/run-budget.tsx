// What this run has cost and may cost; the limit can be set while it runs.

import type { Budget } from "@openwrap/contracts";
import { createSignal, type JSX, Show } from "solid-js";
import { requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { LimitForm } from "../models/limit-form.tsx";
import { isOver, NOTHING_SPENT, runOf } from "../overview/overview-state.ts";
import { CostMeter } from "../parts/cost-meter.tsx";

export function RunBudget(props: { runId: string }): JSX.Element {
  const app = useApp();
  const [setting, setSetting] = createSignal(false);
  let toggle: HTMLButtonElement | undefined;
  const keep = async (budget: Budget | undefined): Promise<void> => {
    await app.api.run.budget({ requestId: requestId(), runId: props.runId, ...(budget ? { budget } : {}) });
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
              <LimitForm budget={run().budget} keep={keep} />
            </Show>
          </Show>
        </div>
      )}
    </Show>
  );
}
