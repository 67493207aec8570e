// Who works on what: a picture where there is room, and beside it (alone where there is none) the same as a tree.

import "../styles/workforce.css";
import { createMemo, createSignal, For, type JSX, Match, Show, Switch } from "solid-js";
import { narrow } from "../app/clock.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { PartHead } from "../run/part-head.tsx";
import type { RunState } from "../run/run-state.ts";
import { lowered, progressWords, taskView } from "../run/run-view.ts";
import { useFeed } from "../run/use-feed.ts";
import { type GraphNode, layoutGraph, SIZE } from "./graph-layout.ts";
import { headView } from "./heads.ts";
import { WorkforceTree } from "./workforce-tree.tsx";

export default function WorkforceScreen(props: { runId: string; detail: string | undefined }): JSX.Element {
  const feed = useFeed(() => props.runId);
  return (
    <main class="part" id="main">
      <PartHead runId={props.runId} title="Workforce">
        <Show when={feed().state()}>{(run) => <span class="quiet">{progressWords(run())}</span>}</Show>
      </PartHead>
      <Switch fallback={<Skeleton rows={6} label="The run is being read" />}>
        <Match when={feed().state()}>{(run) => <Workforce run={run()} detail={props.detail} />}</Match>
        <Match when={feed().fault()}>
          {(fault) => <FaultNotice fault={fault()} retry={() => void feed().load()} />}
        </Match>
      </Switch>
    </main>
  );
}

function Workforce(props: { run: RunState; detail: string | undefined }): JSX.Element {
  const [chosen, setChosen] = createSignal<string | undefined>(props.detail);
  const choose = (id: string): void => {
    setChosen((before) => (before === id ? undefined : id));
  };
  return (
    <div class="workforce">
      <Show when={!narrow()}>
        <Graph run={props.run} chosen={chosen()} choose={choose} />
      </Show>
      <WorkforceTree run={props.run} chosen={chosen()} choose={choose} />
    </div>
  );
}

function Graph(props: { run: RunState; chosen: string | undefined; choose: (id: string) => void }): JSX.Element {
  const layout = createMemo(() => layoutGraph(props.run));
  const pick = (event: MouseEvent): void => {
    const node = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-node]") : null;
    if (node?.dataset.node) props.choose(node.dataset.node);
  };
  const near = (from: string, to: string): boolean => props.chosen === from || props.chosen === to;
  return (
    <section class="graph-scroller" tabIndex={0} aria-label="Picture of the workforce">
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: a picture; the tree beside it holds the same for keys and ears. */}
      <div
        class="graph"
        role="img"
        aria-label={`Planner, coordinator, ${layout().lanes.length} workers and ${props.run.order.length} tasks; the tree beside it says the same`}
        style={{ "inline-size": `${layout().width}px`, "block-size": `${layout().height}px` }}
        onClick={pick}
      >
        <For each={layout().lanes}>
          {(lane) => (
            <div class="graph-lane" style={{ "inset-block-start": `${lane.y}px`, "block-size": `${lane.height}px` }} />
          )}
        </For>
        <svg class="graph-edges" width={layout().width} height={layout().height} aria-hidden="true">
          <For each={layout().edges}>
            {(edge) => (
              <path d={edge.path} class={`edge-${edge.kind}`} classList={{ near: near(edge.from, edge.to) }} />
            )}
          </For>
        </svg>
        <For each={layout().nodes}>
          {(node) => <Node run={props.run} node={node} chosen={node.kind === "task" && props.chosen === node.id} />}
        </For>
      </div>
    </section>
  );
}

function Node(props: { run: RunState; node: GraphNode; chosen: boolean }): JSX.Element {
  const place = (): Record<string, string> => ({
    "inset-inline-start": `${props.node.x}px`,
    "inset-block-start": `${props.node.y}px`,
    "inline-size": `${props.node.width}px`,
    "block-size": `${SIZE.height}px`,
  });
  return (
    <Show when={props.node.kind === "task"} fallback={<Head run={props.run} node={props.node} place={place()} />}>
      <TaskNode run={props.run} node={props.node} chosen={props.chosen} place={place()} />
    </Show>
  );
}

function Head(props: { run: RunState; node: GraphNode; place: Record<string, string> }): JSX.Element {
  const view = createMemo(() => headView(props.run, props.node.id));
  return (
    <div class="graph-node graph-head" style={props.place}>
      <span class="note-line">
        <Glyph state={view().state} /> <span class="strong cut-off">{view().title}</span>
      </span>
      <span class="quiet cut-off">{view().word}</span>
    </div>
  );
}

function TaskNode(props: {
  run: RunState;
  node: GraphNode;
  chosen: boolean;
  place: Record<string, string>;
}): JSX.Element {
  const view = createMemo(() => taskView(props.run, props.node.id));
  return (
    <div
      class={`graph-node graph-task node-${view().state}`}
      classList={{ chosen: props.chosen, "at-rest": view().state === "retired" }}
      style={props.place}
      data-node={props.node.id}
      data-state={view().state}
      title={`${view().number} ${view().title}: ${view().word}`}
    >
      <span class="graph-title">
        <Glyph state={view().state} /> <span class="strong">{view().number}</span>{" "}
        <span class="strong cut-off grow">
          <Inert text={view().title} />
        </span>
      </span>
      <span class="node-word">{lowered(view().word)}</span>
    </div>
  );
}
