// The start: say a goal; what waits, what runs, what has settled.

import type { PendingApproval, RunSummary } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { createMemo, ErrorBoundary, For, type JSX, lazy, Show, Suspense, untrack } from "solid-js";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { load } from "../app/load.ts";
import { approvalPath, runPath } from "../app/router.ts";
import { answersInList, useAnswer } from "../approvals/answer.tsx";
import { HasRead } from "../approvals/question-block.tsx";
import { usePlace } from "../approvals/use-place.ts";
import { isOver, runOf } from "../overview/overview-state.ts";
import { ChainFoot } from "../parts/chain-foot.tsx";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Drawing } from "../parts/file-tile.tsx";
import { Diamond, Glyph, Octagon } from "../parts/glyph.tsx";
import { Inert, Sentence } from "../parts/inert.tsx";
import { RehearsalTag } from "../parts/rehearsal-tag.tsx";
import { SmallLine } from "../parts/small-line.tsx";
import { openSessions, progressWords, summaryWords } from "../run/run-view.ts";
import { useFeed } from "../run/use-feed.ts";
import { firstWords } from "../words/first-words.ts";
import { amount, clock, counted, day, dollars, duration, sequenceText } from "../words/format.ts";
import { Composer } from "./composer.tsx";

const LiveThumbnail = lazy(() => load(() => import("./live-thumbnail.tsx")));
const FirstRun = lazy(() => import("../first-run/first-run.tsx"));

const WAITING_SHOWN = 4;
const SETTLED_SHOWN = 12;

export function NowScreen(): JSX.Element {
  const app = useApp();
  const running = createMemo(
    () =>
      app
        .overview()
        .runs.filter((run) => !isOver(run))
        .map((run) => run.runId),
    [],
    { equals: same },
  );
  const approvals = createMemo(() => app.overview().approvals);
  // Stays while its own choices change what there is, until there is a run.
  const { providers, projects } = untrack(() => app.overview());
  const fresh = providers.length === 0 && projects.length === 0;
  const first = createMemo(() => fresh && app.overview().runs.length === 0);
  return (
    <div class="now">
      <Settled />
      <main class="now-main" id="main">
        <Show when={first()} fallback={<Composer />}>
          <FirstRun />
        </Show>
        <Limits />
        <Show when={approvals().length > 0}>
          <section class="band" aria-labelledby="waiting-head">
            <header class="band-head">
              <h2 id="waiting-head">Waiting for you</h2> <span class="quiet">{approvals().length}</span>
              <Show when={approvals().length > WAITING_SHOWN}>
                <a class="band-all" href="/approvals">
                  All {approvals().length}
                </a>
              </Show>
            </header>
            <Key each={approvals().slice(0, WAITING_SHOWN)} by={(asked) => asked.question.approvalId}>
              {(asked) => <WaitingRow asked={asked()} />}
            </Key>
          </section>
        </Show>
        <Show when={running().length > 0}>
          <section class="band" aria-labelledby="running-head">
            <header class="band-head">
              <h2 id="running-head">Running</h2> <span class="quiet">{running().length}</span>
            </header>
            <For each={running()}>{(runId) => <RunningRow runId={runId} />}</For>
          </section>
        </Show>
        <Show when={app.overview().runs.length === 0 && !first()}>
          <Beginnings />
        </Show>
      </main>
    </div>
  );
}

function same(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place]);
}

/** What this installation cannot do, before a person waits for it. */
function Limits(): JSX.Element {
  const app = useApp();
  const off = (): string[] => app.overview().disabled.map((one) => `${one.feature} (by ${one.switch})`);
  return (
    <>
      <Show when={!app.overview().sandbox.usable}>
        <p class="note-line">
          <Octagon /> Programs are not run on this system: what would hold them in is missing.{" "}
          <a href="/settings">What is missing</a>
        </p>
      </Show>
      <Show when={off().length > 0}>
        <p class="note-line">
          <Octagon /> Switched off: {off().join(", ")}
        </p>
      </Show>
    </>
  );
}

function Beginnings(): JSX.Element {
  return (
    <section class="band beginnings" aria-label="Before the first run">
      <p class="say-4">No run yet. Say what should be done.</p>
      <p class="quiet">
        The planner answers with a plan you can read. Nothing starts, and nothing is read or written, before you approve
        it.
      </p>
    </section>
  );
}

function WaitingRow(props: { asked: PendingApproval }): JSX.Element {
  const app = useApp();
  const now = useNow();
  const answer = useAnswer(() => props.asked.question.approvalId);
  const run = () => runOf(app.overview(), props.asked.runId);
  const place = usePlace(() => props.asked);
  const where = (): string => `${place.words()}. Waits ${duration(now() - props.asked.askedAt)}.`;
  const look = (): string =>
    props.asked.question.kind === "plan" ? runPath(props.asked.runId) : approvalPath(props.asked.question.approvalId);
  return (
    <div class="waiting-row">
      <Diamond size={18} />
      <div class="grow">
        <p class="say-4">
          <Sentence text={props.asked.question.sentence} />
        </p>
        <p class="quiet">
          <Inert text={where()} />
          <Show when={props.asked.question.kind === "plan"}>
            {" "}
            <Inert text={run()?.goal ?? ""} />
          </Show>
        </p>
        <HasRead labels={props.asked.question.labels} />
        <Show when={answer.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={answer.clear} />}</Show>
      </div>
      <div class="row">
        <a class="button" href={look()}>
          {props.asked.question.kind === "plan" ? "Read the plan" : "Look"}
        </a>
        <Show when={answersInList(props.asked)}>
          <button
            type="button"
            class="button"
            disabled={answer.busy() || app.readOnly()}
            onClick={() => void answer.run(false, "once")}
          >
            No
          </button>
          <button
            type="button"
            class="button primary"
            disabled={answer.busy() || app.readOnly()}
            onClick={() => void answer.run(true, "once")}
          >
            Allow once
          </button>
        </Show>
      </div>
    </div>
  );
}

function RunningRow(props: { runId: string }): JSX.Element {
  const app = useApp();
  const now = useNow();
  const feed = useFeed(() => props.runId);
  const run = createMemo(() => runOf(app.overview(), props.runId));
  const planned = createMemo(() => {
    const state = feed().state();
    return state && state.order.length > 0 ? state : undefined;
  });
  const browser = createMemo(() => {
    const state = feed().state();
    return state ? openSessions(state).findLast((session) => session.kind === "browser")?.sessionId : undefined;
  });
  const words = (summary: RunSummary): string => {
    const state = planned();
    return summary.phase === "working" && state ? progressWords(state) : summaryWords(summary);
  };
  return (
    <Show when={run()}>
      {(summary) => (
        <a class="running-row" classList={{ "with-picture": browser() !== undefined }} href={runPath(props.runId)}>
          <span class="quiet number">{summary().number}</span>
          <span class="running-words">
            <span class="say-4">
              <Inert text={summary().goal} />
            </span>
            <span class="quiet">
              {words(summary())} <RehearsalTag model={summary().model} />
            </span>
          </span>
          <span class="running-line">
            <Show when={planned()}>{(state) => <SmallLine run={state()} />}</Show>
          </span>
          <span class="running-figures fact quiet">
            <span>{duration(now() - summary().createdAt)}</span>
            <span>{amount(summary().inputTokens + summary().outputTokens)} tokens</span>
            <Show when={(summary().spending?.costMicroUsd ?? 0) > 0}>
              <span>{dollars(summary().spending?.costMicroUsd ?? 0)}</span>
            </Show>
          </span>
          <Show when={browser()} keyed>
            {(sessionId) => (
              <ErrorBoundary fallback={<span class="live-thumbnail" />}>
                <Suspense fallback={<span class="live-thumbnail" />}>
                  <LiveThumbnail sessionId={sessionId} />
                </Suspense>
              </ErrorBoundary>
            )}
          </Show>
        </a>
      )}
    </Show>
  );
}

/** Settled ground: runs that are over, newest first. */
function Settled(): JSX.Element {
  const app = useApp();
  const now = useNow();
  const over = createMemo(() => app.overview().runs.filter(isOver).slice(0, SETTLED_SHOWN));
  return (
    <aside class="settled" aria-label="Settled">
      <header class="settled-head">
        <h2>Settled</h2>
        <span class="fact quiet">{over()[0] ? day(over()[0]?.endedAt ?? now(), now()) : ""}</span>
      </header>
      <div class="settled-rows">
        <Key each={over()} by="runId" fallback={<p class="quiet settled-none">Finished runs come to rest here.</p>}>
          {(run) => <SettledRow run={run()} />}
        </Key>
      </div>
      <p class="settled-through quiet">
        Facts so far <span class="fact">{sequenceText(app.sequence())}</span>
      </p>
      <ChainFoot />
    </aside>
  );
}

const STATES = {
  completed: "retired",
  failed: "failed",
  canceled: "canceled",
  queued: "queued",
  running: "running",
} as const;
const WORDS = { completed: "", failed: "Failed. ", canceled: "Stopped. ", queued: "", running: "" } as const;

function SettledRow(props: { run: RunSummary }): JSX.Element {
  return (
    <a class="settled-row" href={runPath(props.run.runId)}>
      <span class="settled-top">
        <span class="note-line">
          <Glyph state={STATES[props.run.status]} /> <span class="quiet">{props.run.number}</span>{" "}
          <RehearsalTag model={props.run.model} />
        </span>
        <span class="fact quiet">
          {clock(props.run.endedAt ?? props.run.createdAt)}, {amount(props.run.inputTokens + props.run.outputTokens)}{" "}
          tokens
        </span>
      </span>
      <span class="say-4">
        {WORDS[props.run.status]}
        <Inert text={props.run.answer ? firstWords(props.run.answer) : props.run.goal} />
      </span>
      <Show when={props.run.artifacts.length > 0}>
        <span class="settled-files">
          <For each={props.run.artifacts.slice(0, 2)}>
            {(artifact) => (
              <span class="mini">
                <Drawing path={artifact.path} />
                <code class="cut-off">
                  <Inert text={artifact.path} />
                </code>
              </span>
            )}
          </For>
        </span>
      </Show>
      <Show when={props.run.artifacts.length > 2}>
        <span class="quiet">and {counted(props.run.artifacts.length - 2, "more file", "more files")}</span>
      </Show>
      <Show when={props.run.undone}>
        <span class="quiet">Undone.</span>
      </Show>
    </a>
  );
}
