// The tape: a row a worker, a column a task; the line keeps its place and the tape moves past it.

import { createEffect, createMemo, For, type JSX, on, Show } from "solid-js";
import { Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import type { RunState } from "./run-state.ts";
import { lowered, taskView } from "./run-view.ts";
import { BEHIND_MIN, layoutTape, type TapeNode } from "./tape-layout.ts";

export function Tape(props: { run: RunState }): JSX.Element {
  const layout = createMemo(() => layoutTape(props.run));
  const byId = createMemo(() => {
    const nodes = new Map<string, TapeNode>();
    for (const node of [...layout().behind, ...layout().ahead]) nodes.set(node.taskId, node);
    return nodes;
  });
  const behind = createMemo(() => layout().behind.map((node) => node.taskId), [], { equals: sameList });
  const ahead = createMemo(() => layout().ahead.map((node) => node.taskId), [], { equals: sameList });
  let scroller: HTMLDivElement | undefined;
  createEffect(
    on(
      () => props.run.settled.length,
      () => scroller?.scrollTo({ left: scroller.scrollWidth }),
    ),
  );
  const columns = (count: number): number[] => Array.from({ length: count }, (_, place) => place + 1);
  return (
    <section class="tape" classList={{ "tape-over": ahead().length === 0 }} aria-label="Workers and tasks">
      <div class="tape-lanes" style={{ "--lanes": layout().lanes.length }}>
        <span class="tape-corner" />
        <For each={layout().lanes}>{(lane) => <span class="tape-lane strong">{lane.title}</span>}</For>
      </div>
      <div
        class="tape-behind"
        tabIndex={0}
        role="group"
        aria-label="Settled tasks"
        ref={(element) => {
          scroller = element;
        }}
      >
        <div
          class="tape-grid"
          style={{ "--lanes": layout().lanes.length, "--columns": Math.max(behind().length, BEHIND_MIN) }}
        >
          <For each={columns(behind().length)}>
            {(column) => (
              <span
                class="scale scale-behind"
                classList={{ even: column % 2 === 0 }}
                style={{ "--at": column + Math.max(0, BEHIND_MIN - behind().length) }}
              >
                {column}
              </span>
            )}
          </For>
          <For each={layout().lanes}>{(_, lane) => <span class="tape-row" style={{ "--lane": lane() + 2 }} />}</For>
          <For each={behind()}>{(id) => <SettledNode run={props.run} node={byId().get(id)} />}</For>
        </div>
      </div>
      <Show when={ahead().length > 0}>
        <div class="tape-ahead" tabIndex={0} role="group" aria-label="Tasks past the line">
          <div class="tape-grid" style={{ "--lanes": layout().lanes.length, "--columns": ahead().length }}>
            <For each={columns(ahead().length)}>
              {(column) => (
                <span class="scale scale-ahead" classList={{ even: column % 2 === 0 }} style={{ "--at": column }}>
                  {column + behind().length}
                </span>
              )}
            </For>
            <For each={layout().lanes}>{(_, lane) => <span class="tape-row" style={{ "--lane": lane() + 2 }} />}</For>
            <For each={ahead()}>{(id) => <LiveNode run={props.run} node={byId().get(id)} />}</For>
          </div>
        </div>
      </Show>
    </section>
  );
}

function sameList(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place]);
}

function place(node: TapeNode): Record<string, string | number> {
  return { "--at": node.start, "--span": node.span, "--lane": node.lane + 2 };
}

function SettledNode(props: { run: RunState; node: TapeNode | undefined }): JSX.Element {
  return (
    <Show when={props.node}>
      {(node) => {
        const view = createMemo(() => taskView(props.run, node().taskId));
        return (
          <div
            class="node node-settled"
            style={place(node())}
            data-task-id={view().taskId}
            data-state={view().state}
            title={`${view().number} ${view().title}: ${view().word}`}
          >
            <span class="cut-off">
              <Inert text={view().title} />
            </span>
            <span class="strong">{view().number}</span>
            <Glyph state={view().state} />
            <span class="unseen">{view().word}</span>
          </div>
        );
      }}
    </Show>
  );
}

function LiveNode(props: { run: RunState; node: TapeNode | undefined }): JSX.Element {
  return (
    <Show when={props.node}>
      {(node) => {
        const view = createMemo(() => taskView(props.run, node().taskId));
        return (
          <div
            class={`node node-live node-${view().state}`}
            style={place(node())}
            data-task-id={view().taskId}
            data-state={view().state}
            title={`${view().number} ${view().title}: ${view().word}`}
          >
            <Glyph state={view().state} />
            <span class="strong">{view().number}</span>
            <span class="strong cut-off">
              <Inert text={view().title} />
            </span>
            <span class="node-word">{lowered(view().word)}</span>
            <Show when={view().state === "running"}>
              <Steps done={(view().work?.step ?? 1) - 1} />
            </Show>
          </div>
        );
      }}
    </Show>
  );
}

/** Steps at the bottom edge: filled, the current one dashed. */
export function Steps(props: { done: number }): JSX.Element {
  const shown = (): number => Math.min(Math.max(props.done, 0), 12);
  return (
    <span class="steps" aria-hidden="true">
      <For each={Array.from({ length: shown() })}>{() => <i class="step-done" />}</For>
      <i class="step-now" />
    </span>
  );
}
