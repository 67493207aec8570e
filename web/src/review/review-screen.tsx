// All changes of a run: by task and file, each before and after, each to be taken back.

import "../styles/review.css";
import type { ChangeEntry, UndoResult } from "@openwrap/contracts";
import {
  createEffect,
  createMemo,
  createSignal,
  type JSX,
  Match,
  on,
  onCleanup,
  onMount,
  Show,
  Switch,
} from "solid-js";
import { useApp } from "../app/app.ts";
import { narrow } from "../app/clock.ts";
import { createRead } from "../app/read.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { PartHead } from "../run/part-head.tsx";
import { UndoNote } from "../run/run-log.tsx";
import type { RunState } from "../run/run-state.ts";
import { numberOf } from "../run/run-view.ts";
import { useFeed } from "../run/use-feed.ts";
import { useUndo } from "../run/use-undo.ts";
import { counted } from "../words/format.ts";
import { ChangeTree } from "./change-tree.tsx";
import { type Choice, choicesOf, sameChoice } from "./choices.ts";
import type { Layout } from "./diff-view.tsx";
import { FileDiffView } from "./file-diff-view.tsx";

export default function ReviewScreen(props: { runId: string; detail: string | undefined }): JSX.Element {
  const app = useApp();
  const feed = useFeed(() => props.runId);
  const changes = createRead(
    () => props.runId,
    (runId) => app.api.run.changes({ runId }),
  );
  createEffect(on([app.pulses.at.project, app.pulses.at.views], () => changes.again(), { defer: true }));
  const [layout, setLayout] = createSignal<Layout>("split");
  return (
    <main class="part" id="main">
      <PartHead runId={props.runId} title="Review what changed">
        <LayoutChoice layout={layout()} choose={setLayout} />
      </PartHead>
      <Switch fallback={<Skeleton rows={6} label="The changes are being read" />}>
        <Match when={changes.fault() ?? feed().fault()}>
          {(fault) => (
            <FaultNotice
              fault={fault()}
              retry={() => {
                changes.again();
                void feed().load();
              }}
            />
          )}
        </Match>
        <Match when={changes.value() && feed().state()}>
          {(run) => (
            <Review
              run={run()}
              changes={changes.value()?.changes ?? []}
              taskId={props.detail}
              layout={narrow() ? "unified" : layout()}
            />
          )}
        </Match>
      </Switch>
    </main>
  );
}

function LayoutChoice(props: { layout: Layout; choose: (layout: Layout) => void }): JSX.Element {
  return (
    <Show when={!narrow()}>
      <fieldset class="segments layout-choice">
        <legend class="unseen">How both versions stand</legend>
        <label>
          <input type="radio" name="layout" checked={props.layout === "split"} onChange={() => props.choose("split")} />
          <span>Side by side</span>
        </label>
        <label>
          <input
            type="radio"
            name="layout"
            checked={props.layout === "unified"}
            onChange={() => props.choose("unified")}
          />
          <span>One column</span>
        </label>
      </fieldset>
    </Show>
  );
}

function Review(props: {
  run: RunState;
  changes: ChangeEntry[];
  taskId: string | undefined;
  layout: Layout;
}): JSX.Element {
  const choices = createMemo(() => choicesOf(props.run, props.changes));
  const [wanted, setWanted] = createSignal<Choice>();
  const chosen = createMemo(() => {
    const known = choices().find((one) => sameChoice(one, wanted()));
    if (known || narrow()) return known;
    return choices().find((one) => one.taskId === props.taskId) ?? choices()[0];
  });
  const step = (by: number): void => {
    const place = choices().findIndex((one) => sameChoice(one, chosen()));
    const next = choices()[(place + by + choices().length) % choices().length];
    if (next) setWanted(next);
  };
  useSteps(step);
  return (
    <Show
      when={choices().length > 0}
      fallback={<p class="say-4 review-none">No task has changed a file yet. Changes come here as they are made.</p>}
    >
      <div class="review" classList={{ "one-chosen": chosen() !== undefined }}>
        <ChangeTree run={props.run} choices={choices()} chosen={chosen()} choose={setWanted} />
        <section class="review-main" aria-label="Change">
          <Show when={chosen()}>
            {(choice) => (
              <>
                <FileDiffView
                  run={props.run}
                  choice={choice()}
                  layout={props.layout}
                  close={() => setWanted(undefined)}
                />
                <ReviewFoot
                  run={props.run}
                  choice={choice()}
                  place={choices().findIndex((one) => sameChoice(one, choice())) + 1}
                  count={choices().length}
                  step={step}
                />
              </>
            )}
          </Show>
        </section>
      </div>
    </Show>
  );
}

/** J and K go through the changes, as long as single letters are shortcuts. */
function useSteps(step: (by: number) => void): void {
  const app = useApp();
  const press = (event: KeyboardEvent): void => {
    const writing = event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.defaultPrevented || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!app.preferences.letters() || document.querySelector("dialog[open]")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  };
  onMount(() => addEventListener("keydown", press));
  onCleanup(() => removeEventListener("keydown", press));
}

function ReviewFoot(props: {
  run: RunState;
  choice: Choice;
  place: number;
  count: number;
  step: (by: number) => void;
}): JSX.Element {
  const app = useApp();
  const { undo, result } = useUndo(() => props.run.runId);
  const off = (): boolean => undo.busy() || app.readOnly();
  const number = (): number => numberOf(props.run, props.choice.taskId);
  const left = (): boolean => props.choice.change.committed && !props.choice.change.undone;
  return (
    <footer class="review-foot">
      <Show when={undo.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={undo.clear} />}</Show>
      <Show when={result()}>{(done: () => UndoResult) => <UndoNote result={done()} />}</Show>
      <div class="review-buttons">
        <span class="strong">
          File {props.place} of {props.count}
        </span>
        <button type="button" class="button plain" onClick={() => props.step(1)}>
          <Icon name="down" /> Next <kbd>J</kbd>
        </button>
        <span class="grow" />
        <Show when={left()} fallback={<span class="quiet">{standing(props.choice.change)}</span>}>
          <button
            type="button"
            class="button"
            disabled={off()}
            onClick={() => void undo.run(undefined, props.choice.change.path)}
          >
            <Icon name="undo" /> Undo this file
          </button>
        </Show>
        <Show when={props.run.work[props.choice.taskId]?.state === "retired" && number() > 0}>
          <button
            type="button"
            class="button"
            disabled={off() || props.run.work[props.choice.taskId]?.undone === true}
            onClick={() => void undo.run(props.choice.taskId)}
          >
            <Icon name="undo" /> Undo task {number()}
          </button>
        </Show>
        <button
          type="button"
          class="button"
          disabled={off() || !props.run.settled.some((id) => props.run.work[id]?.undone !== true)}
          onClick={() => void undo.run()}
        >
          <Icon name="undo" /> Undo the run
        </button>
      </div>
    </footer>
  );
}

/** Why a file has no undo of its own. */
function standing(change: ChangeEntry): string {
  if (change.undone) return "Put back: the project has what was there before";
  return `Not settled: only the task's own copy has it${change.taskIds.length > 1 ? `, ${counted(change.taskIds.length, "task")}` : ""}`;
}
