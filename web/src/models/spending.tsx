// What runs may spend, and what they have spent: money where the price is known, tokens always.

import type { Budget, CostLine, RunSummary } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { createEffect, createMemo, createSignal, For, type JSX, on, onCleanup, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { createRead } from "../app/read.ts";
import { runPath } from "../app/router.ts";
import { budgetWords } from "../parts/cost-meter.tsx";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Inert } from "../parts/inert.tsx";
import { amount, counted, money } from "../words/format.ts";
import { LimitForm } from "./limit-form.tsx";

const RUNS_SHOWN = 20;
/** Between two readings of what a run has spent, at least. */
const AGAIN_MS = 3_000;

export function Spending(): JSX.Element {
  const app = useApp();
  const [open, setOpen] = createSignal<string>();
  const runs = createMemo(() =>
    app
      .overview()
      .runs.filter((run) => run.inputTokens > 0)
      .slice(0, RUNS_SHOWN),
  );
  return (
    <>
      <DefaultBudget />
      <section aria-labelledby="spent-head">
        <h2 id="spent-head">What runs have spent</h2>
        <Show when={runs().length > 0} fallback={<p class="quiet">No run has asked a model yet.</p>}>
          <table class="costs">
            <thead>
              <tr>
                <th scope="col">Run</th>
                <th scope="col">Goal</th>
                <th scope="col" class="to-end">
                  Tokens
                </th>
                <th scope="col" class="to-end">
                  Cost
                </th>
                <th scope="col">
                  <span class="unseen">Parts</span>
                </th>
              </tr>
            </thead>
            <tbody>
              <Key each={runs()} by="runId">
                {(run) => (
                  <RunCosts
                    run={run()}
                    open={open() === run().runId}
                    toggle={() => setOpen(open() === run().runId ? undefined : run().runId)}
                  />
                )}
              </Key>
            </tbody>
          </table>
        </Show>
      </section>
    </>
  );
}

function RunCosts(props: { run: RunSummary; open: boolean; toggle: () => void }): JSX.Element {
  return (
    <>
      <tr>
        <td class="fact">{props.run.number}</td>
        <td class="cost-goal">
          <a href={runPath(props.run.runId)}>
            <Inert text={props.run.goal} />
          </a>
        </td>
        <td class="fact to-end">{amount(props.run.inputTokens + props.run.outputTokens)}</td>
        <td class="fact to-end">{props.run.spending ? money(props.run.spending) : ""}</td>
        <td>
          <button type="button" class="button small" aria-expanded={props.open} onClick={() => props.toggle()}>
            By model
          </button>
        </td>
      </tr>
      <Show when={props.open}>
        <Parts runId={props.run.runId} tokens={props.run.inputTokens + props.run.outputTokens} />
      </Show>
    </>
  );
}

function Parts(props: { runId: string; tokens: number }): JSX.Element {
  const app = useApp();
  const cost = createRead(
    () => props.runId,
    (runId) => app.api.run.cost({ runId }),
  );
  // Of a run that goes on: what it has spent meanwhile.
  let waits: ReturnType<typeof setTimeout> | undefined;
  const later = (): void => {
    waits ??= setTimeout(() => {
      waits = undefined;
      cost.again();
    }, AGAIN_MS);
  };
  createEffect(on(() => props.tokens, later, { defer: true }));
  onCleanup(() => clearTimeout(waits));
  return (
    <>
      <Show when={cost.fault()}>
        {(fault) => (
          <tr>
            <td colSpan={5}>
              <FaultNotice fault={fault()} retry={cost.again} />
            </td>
          </tr>
        )}
      </Show>
      <For each={cost.value()?.models}>{(line) => <Line line={line} />}</For>
      <For each={cost.value()?.tasks}>{(line) => <Line line={line} task />}</For>
    </>
  );
}

function Line(props: { line: CostLine; task?: boolean }): JSX.Element {
  return (
    <tr class="cost-part">
      <td />
      <td>
        <span class="quiet">{props.task ? "task " : "model "}</span>
        <code>
          <Inert text={props.line.name} />
        </code>
      </td>
      <td class="fact to-end">{amount(props.line.inputTokens + props.line.outputTokens)}</td>
      <td class="fact to-end">{money(props.line.spending)}</td>
      <td class="quiet">{counted(props.line.calls, "call")}</td>
    </tr>
  );
}

function DefaultBudget(): JSX.Element {
  const app = useApp();
  const kept = (): Budget | null | undefined => app.overview().defaultBudget;
  const keep = async (budget: Budget | undefined): Promise<void> => {
    await app.api.budget.set(budget === undefined ? {} : { budget });
  };
  const words = (): string => {
    const budget = kept();
    return budget ? `A run stops and asks at ${budgetWords(budget)}.` : "Runs spend as much as they take.";
  };
  return (
    <section aria-labelledby="budget-head">
      <h2 id="budget-head">What a run may spend</h2>
      <p role="status">{words()}</p>
      <LimitForm class="labeled-row" budget={kept()} keep={keep} />
    </section>
  );
}
