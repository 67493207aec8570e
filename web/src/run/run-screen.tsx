// One run: its plan, its tasks at work with the line between settled and live, what it asks, what it made.

import { createMemo, createSignal, type JSX, Match, Show, Switch } from "solid-js";
import { useApp } from "../app/app.ts";
import { narrow } from "../app/clock.ts";
import { runOf } from "../overview/overview-state.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { ReachStrip } from "../parts/reach-strip.tsx";
import { LiveColumn } from "./live-column.tsx";
import { QuestionSheet } from "./question-sheet.tsx";
import type { RunFeed } from "./run-feed.ts";
import { RunHeader } from "./run-header.tsx";
import { RunLog } from "./run-log.tsx";
import type { RunState } from "./run-state.ts";
import { SidePane } from "./side-pane.tsx";
import { SteerBar } from "./steer-bar.tsx";
import { Tape } from "./tape.tsx";
import { TaskList } from "./task-list.tsx";
import { useFeed } from "./use-feed.ts";

export default function RunScreen(props: { runId: string }): JSX.Element {
  const feed = useFeed(() => props.runId);
  return (
    <Switch fallback={<Skeleton rows={6} label="The run is being read" />}>
      <Match when={feed().state()}>{(run) => <Run run={run()} feed={feed()} />}</Match>
      <Match when={feed().fault()}>
        {(fault) => (
          <div class="page">
            <FaultNotice fault={fault()} retry={() => void feed().load()} />
          </div>
        )}
      </Match>
    </Switch>
  );
}

function Run(props: { run: RunState; feed: RunFeed }): JSX.Element {
  const app = useApp();
  const summary = createMemo(() => runOf(app.overview(), props.run.runId));
  const planned = (): boolean => props.run.order.length > 0;
  return (
    <div class="run" data-run-id={props.run.runId} data-phase={props.run.phase} data-settled={props.run.settled.length}>
      <RunHeader run={props.run} number={summary()?.number ?? 0} />
      <ReachStrip run={props.run} />
      <Show when={!narrow()} fallback={<NarrowRun run={props.run} feed={props.feed} planned={planned()} />}>
        <div class="run-grid" classList={{ "run-unplanned": !planned() }}>
          <Show when={planned()}>
            <Tape run={props.run} />
          </Show>
          <RunLog run={props.run} />
          <div class="live-column">
            <LiveColumn run={props.run} feed={props.feed} />
            <SteerBar run={props.run} />
          </div>
          <SidePane run={props.run} />
        </div>
      </Show>
    </div>
  );
}

type NarrowTab = "tasks" | "log" | "more";

function NarrowRun(props: { run: RunState; feed: RunFeed; planned: boolean }): JSX.Element {
  const [tab, setTab] = createSignal<NarrowTab>("tasks");
  const Choice = (choice: { tab: NarrowTab; children: JSX.Element }): JSX.Element => (
    <button type="button" class="tab" aria-pressed={tab() === choice.tab} onClick={() => setTab(choice.tab)}>
      {choice.children}
    </button>
  );
  return (
    <div class="run-narrow">
      <nav class="tabs" aria-label="Parts of the run">
        <Choice tab="tasks">Tasks</Choice>
        <Choice tab="log">Log</Choice>
        <Choice tab="more">Files and tokens</Choice>
      </nav>
      <Switch>
        <Match when={tab() === "tasks"}>
          <Show when={props.planned}>
            <TaskList run={props.run} />
          </Show>
          <LiveColumn run={props.run} feed={props.feed} />
        </Match>
        <Match when={tab() === "log"}>
          <RunLog run={props.run} />
        </Match>
        <Match when={tab() === "more"}>
          <SidePane run={props.run} />
        </Match>
      </Switch>
      <div class="run-foot">
        <SteerBar run={props.run} />
        <QuestionSheet run={props.run} />
      </div>
    </div>
  );
}
