// All runs, newest first.

import type { RunSummary } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { type JSX, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { runPath } from "../app/router.ts";
import { projectOf } from "../overview/overview-state.ts";
import { Diamond, Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { RehearsalTag } from "../parts/rehearsal-tag.tsx";
import { summaryWords } from "../run/run-view.ts";
import { amount, clock, day } from "../words/format.ts";

const STATES = {
  completed: "retired",
  failed: "failed",
  canceled: "canceled",
  queued: "queued",
  running: "running",
} as const;
const ENDS = { completed: "Completed", failed: "Failed", canceled: "Stopped", queued: "", running: "" } as const;

export function WorkScreen(): JSX.Element {
  const app = useApp();
  return (
    <main class="page" id="main">
      <h1 class="say-6" tabIndex={-1}>
        Work
      </h1>
      <Show
        when={app.overview().runs.length > 0}
        fallback={
          <p class="say-4">
            No run yet. <a href="/">Say what should be done.</a>
          </p>
        }
      >
        <ul class="plain-list work-list">
          {/* A row stays while its run goes on: what has the focus keeps it. */}
          <Key each={app.overview().runs} by="runId">
            {(run) => <WorkRow run={run()} />}
          </Key>
        </ul>
      </Show>
    </main>
  );
}

function WorkRow(props: { run: RunSummary }): JSX.Element {
  const app = useApp();
  const now = useNow();
  const end = (): string => (props.run.phase === "finished" ? `${ENDS[props.run.status]}, ` : "");
  return (
    <li>
      <a class="work-row" href={runPath(props.run.runId)}>
        <Show when={props.run.phase === "review"} fallback={<Glyph state={STATES[props.run.status]} />}>
          <Diamond />
        </Show>
        <span class="number quiet">{props.run.number}</span>
        <span class="grow">
          <span class="say-4">
            <Inert text={props.run.goal} />
          </span>
          <span class="quiet">
            {end()}
            {summaryWords(props.run)} <RehearsalTag model={props.run.model} />
          </span>
        </span>
        <span class="fact quiet work-project">
          <Inert text={projectOf(app.overview(), props.run.projectId)?.name ?? ""} />
        </span>
        <span class="fact quiet">{amount(props.run.inputTokens + props.run.outputTokens)} tokens</span>
        <span class="fact quiet">
          {day(props.run.createdAt, now()) === "today" ? clock(props.run.createdAt) : day(props.run.createdAt, now())}
        </span>
      </a>
    </li>
  );
}
