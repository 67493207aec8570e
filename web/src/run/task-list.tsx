// The tape turned: a row a task, a track a worker, the line a rule between rows.

import { createMemo, For, type JSX, Show } from "solid-js";
import { useNow } from "../app/clock.ts";
import { Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { clock, duration } from "../words/format.ts";
import type { RunState } from "./run-state.ts";
import { lowered, taskView } from "./run-view.ts";
import { Steps } from "./tape.tsx";
import { type Lane, layoutTape } from "./tape-layout.ts";

export function TaskList(props: { run: RunState }): JSX.Element {
  const layout = createMemo(() => layoutTape(props.run));
  const laneOf = createMemo(
    () => new Map([...layout().behind, ...layout().ahead].map((node) => [node.taskId, node.lane])),
  );
  const settled = createMemo(() => props.run.order.slice(0, props.run.settled.length));
  const ahead = createMemo(() => props.run.order.slice(props.run.settled.length));
  const row = (id: string): JSX.Element => (
    <TaskRow run={props.run} taskId={id} lanes={layout().lanes} lane={laneOf().get(id) ?? 0} />
  );
  return (
    <section class="task-list" aria-label="Tasks" style={{ "--lanes": layout().lanes.length }}>
      <div class="tracks-head" aria-hidden="true">
        <For each={layout().lanes}>{(lane) => <span>{lane.short}</span>}</For>
      </div>
      <ol class="rows-behind">
        <For each={settled()}>{row}</For>
      </ol>
      <div class="turned-line">
        <span class="pennant">
          {settled().length > 0 ? `Settled through ${settled().length}` : "Nothing settled yet"}
        </span>
        <Show when={settled().length > 0}>
          <span class="quiet">Above can be undone</span>
        </Show>
      </div>
      <ol class="rows-ahead">
        <For each={ahead()}>{row}</For>
      </ol>
    </section>
  );
}

function TaskRow(props: { run: RunState; taskId: string; lanes: Lane[]; lane: number }): JSX.Element {
  const now = useNow();
  const view = createMemo(() => taskView(props.run, props.taskId));
  const time = (): string => {
    const work = view().work;
    if (!work?.startedAt) return "";
    if (work.settledAt) return clock(work.settledAt);
    return work.endedAt ? clock(work.endedAt) : duration(now() - work.startedAt);
  };
  return (
    <li class={`task-row row-${view().state}`} data-task-id={view().taskId} data-state={view().state}>
      <span class="tracks" aria-hidden="true">
        <For each={props.lanes}>
          {(_, lane) => (
            <span class="track">
              <Show when={lane() === props.lane}>
                <Glyph state={view().state} />
              </Show>
            </span>
          )}
        </For>
      </span>
      <span class="fact number">{view().number}</span>
      <span class="task-words">
        <span class="strong">
          <Inert text={view().title} />
        </span>{" "}
        <span class="task-word">
          {view().role}, {lowered(view().word)}
        </span>
        <Show when={view().state === "running"}>
          <Steps done={(view().work?.step ?? 1) - 1} />
        </Show>
      </span>
      <span class="fact quiet">{time()}</span>
    </li>
  );
}
