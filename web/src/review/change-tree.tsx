// Tasks with the files each changed.

import { createMemo, For, type JSX, Show } from "solid-js";
import { Glyph } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { SmallLine } from "../parts/small-line.tsx";
import type { RunState } from "../run/run-state.ts";
import { taskView } from "../run/run-view.ts";
import { fileSize } from "../words/format.ts";
import { type Choice, sameChoice } from "./choices.ts";

const KINDS = { added: "added", changed: "changed", removed: "removed" } as const;

/** How much it grew or shrank, or that it is new or gone. */
export function sizeWords({ change }: Choice): string {
  const { kind, beforeSize, afterSize } = change;
  if (kind === "removed") return "removed";
  if (kind === "added" || beforeSize == null || afterSize == null)
    return afterSize == null ? KINDS[kind] : `+${fileSize(afterSize)}`;
  const by = afterSize - beforeSize;
  return by === 0 ? "same size" : `${by > 0 ? "+" : "\u2212"}${fileSize(Math.abs(by))}`;
}

export function ChangeTree(props: {
  run: RunState;
  choices: Choice[];
  chosen: Choice | undefined;
  choose: (choice: Choice) => void;
}): JSX.Element {
  const tasks = createMemo(() => [...new Set(props.choices.map((choice) => choice.taskId))]);
  return (
    <nav class="change-tree" aria-label="Changed files">
      <For each={tasks()}>
        {(taskId) => {
          const view = createMemo(() => taskView(props.run, taskId));
          const own = createMemo(() => props.choices.filter((choice) => choice.taskId === taskId));
          return (
            <section aria-label={`Task ${view().number}`}>
              <h2 class="change-task">
                <Glyph state={view().state} />
                <Show when={view().number > 0}>
                  <span>{view().number}</span>
                </Show>
                <span class="cut-off grow">
                  <Inert text={view().title} />
                </span>
                <span class="fact quiet">{own().length}</span>
              </h2>
              <ul class="plain-list">
                <For each={own()}>
                  {(choice) => (
                    <li>
                      <ChangeRow choice={choice} chosen={sameChoice(choice, props.chosen)} choose={props.choose} />
                    </li>
                  )}
                </For>
              </ul>
            </section>
          );
        }}
      </For>
      <Show when={props.run.order.length > 0}>
        <div class="change-line">
          <SmallLine run={props.run} />
          <p class="quiet">Left of the line: undo puts back what was there. Right of it: only the worker has it yet.</p>
        </div>
      </Show>
    </nav>
  );
}

function ChangeRow(props: { choice: Choice; chosen: boolean; choose: (choice: Choice) => void }): JSX.Element {
  const change = () => props.choice.change;
  return (
    <button
      type="button"
      class="change-row"
      classList={{ gone: change().undone }}
      aria-current={props.chosen ? "true" : undefined}
      onClick={() => props.choose(props.choice)}
    >
      <Icon name="file" size={14} />
      <code class="cut-off grow">
        <Inert text={change().path} />
      </code>
      <span class="fact quiet">{change().undone ? "put back" : sizeWords(props.choice)}</span>
    </button>
  );
}
