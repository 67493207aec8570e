// Past the line: what waits for a person, who works at what, and at the end what came of it.

import { createEffect, createMemo, createSignal, For, type JSX, on, Show } from "solid-js";
import { narrow, useNow } from "../app/clock.ts";
import { QuestionBlock } from "../approvals/question-block.tsx";
import { Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { duration } from "../words/format.ts";
import { PlanReview } from "./plan-review.tsx";
import type { RunFeed } from "./run-feed.ts";
import { RunOutcome } from "./run-outcome.tsx";
import { ANSWER, PLANNER, type RunState, type Work } from "./run-state.ts";
import { liveTasks, lowered, pending, planInReview, taskView } from "./run-view.ts";
import { SessionLinks } from "./session-links.tsx";
import { ToolRow } from "./tool-row.tsx";

/** Calls of a task shown without asking. */
const CALLS_SHOWN = 4;

export function LiveColumn(props: { run: RunState; feed: RunFeed }): JSX.Element {
  // Where there is no room, the question is a sheet over the tasks.
  const questions = createMemo(() =>
    narrow() ? [] : pending(props.run).filter((asked) => asked.question.kind !== "plan"),
  );
  const ids = createMemo(() => questions().map((asked) => asked.question.approvalId), [], { equals: same });
  const active = createMemo(() => liveTasks(props.run).active, [], { equals: same });
  const stage = (): typeof PLANNER | typeof ANSWER | undefined => {
    if (props.run.end) return undefined;
    if (props.run.phase === "answering" || props.run.work[ANSWER]?.asking) return ANSWER;
    return props.run.phase === "planning" ? PLANNER : undefined;
  };
  return (
    <section class="live" aria-label="Now">
      <Show when={!narrow() && props.run.order.length > 0}>
        <p class="pennant">
          {props.run.settled.length > 0 ? `Settled through ${props.run.settled.length}` : "Nothing settled yet"}
        </p>
      </Show>
      <Announcer run={props.run} />
      <For each={ids()}>
        {(id) => (
          <Show when={props.run.approvals[id]}>{(asked) => <QuestionBlock asked={asked()} run={props.run} />}</Show>
        )}
      </For>
      <Show when={planInReview(props.run)} keyed>
        {(proposed) => <PlanReview run={props.run} proposed={proposed} />}
      </Show>
      <Show when={stage()}>{(who) => <StageBlock run={props.run} feed={props.feed} stage={who()} />}</Show>
      <Show when={!props.run.end}>
        <For each={active()}>{(id) => <TaskBlock run={props.run} feed={props.feed} taskId={id} />}</For>
        <AheadList run={props.run} />
      </Show>
      <Show when={props.run.end}>{(end) => <RunOutcome run={props.run} end={end()} />}</Show>
    </section>
  );
}

function same(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place]);
}

/** Says what changed to those who do not see it. */
function Announcer(props: { run: RunState }): JSX.Element {
  const [said, setSaid] = createSignal("");
  createEffect(
    on(
      () => props.run.settled.length,
      (settled) => setSaid(`Settled through ${settled} of ${props.run.order.length}`),
      { defer: true },
    ),
  );
  createEffect(
    on(
      () => pending(props.run).at(-1)?.question.sentence,
      (sentence) => {
        if (sentence) setSaid(`Waiting for you: ${sentence.replaceAll("`", "")}`);
      },
    ),
  );
  return (
    <p class="unseen" role="status">
      {said()}
    </p>
  );
}

function StageBlock(props: { run: RunState; feed: RunFeed; stage: typeof PLANNER | typeof ANSWER }): JSX.Element {
  const now = useNow();
  const since = (): number => props.run.work[props.stage]?.startedAt ?? props.run.createdAt;
  const words = { planner: "The planner makes a plan", answer: "The answer is being written" };
  return (
    <article class="work-block">
      <header class="work-head">
        <Glyph state="running" />
        <h2 class="work-title">{words[props.stage]}</h2>
        <span class="fact quiet">{duration(now() - since())}</span>
      </header>
      <LiveWords run={props.run} feed={props.feed} taskId={props.stage} />
    </article>
  );
}

/** What is being written now, else what was said last. */
function LiveWords(props: { run: RunState; feed: RunFeed; taskId: string }): JSX.Element {
  const work = (): Work | undefined => props.run.work[props.taskId];
  const words = (): string => {
    const live = props.feed.text()[props.taskId];
    if (live && live.stepId === work()?.asking) return live.text;
    return work()?.words ?? "";
  };
  return (
    <Show when={words() !== ""}>
      <section
        class="say-4 live-words"
        classList={{ writing: work()?.asking !== undefined }}
        data-live-text={props.taskId}
        tabIndex={0}
        aria-label="What it says"
      >
        <Inert text={words()} />
      </section>
    </Show>
  );
}

export function Calls(props: { work: Work | undefined; all?: boolean }): JSX.Element {
  const [all, setAll] = createSignal(props.all ?? false);
  const calls = (): Work["calls"] => props.work?.calls ?? [];
  const ids = createMemo(() => calls().map((call) => call.callId), [], { equals: same });
  const shown = createMemo(() => (all() ? ids() : ids().slice(-CALLS_SHOWN)), [], { equals: same });
  const byId = createMemo(() => new Map(calls().map((call) => [call.callId, call])));
  return (
    <>
      <Show when={ids().length > shown().length}>
        <button type="button" class="button small plain" onClick={() => setAll(true)}>
          {ids().length - shown().length} earlier
        </button>
      </Show>
      <For each={shown()}>{(id) => <Show when={byId().get(id)}>{(call) => <ToolRow call={call()} />}</Show>}</For>
    </>
  );
}

function TaskBlock(props: { run: RunState; feed: RunFeed; taskId: string }): JSX.Element {
  const now = useNow();
  const view = createMemo(() => taskView(props.run, props.taskId));
  const elapsed = (): string => {
    const work = view().work;
    return work?.startedAt ? duration((work.endedAt ?? now()) - work.startedAt) : "";
  };
  return (
    <article class="work-block" aria-label={`Task ${view().number}`}>
      <header class="work-head">
        <Glyph state={view().state} />
        <h2 class="work-title">
          <span class="number">{view().number}</span> <Inert text={view().title} />
        </h2>
        <span class="quiet grow">
          {view().role}, {lowered(view().word)}
          <Show when={(view().work?.attempt ?? 1) > 1}>, try {view().work?.attempt}</Show>
        </span>
        <span class="fact quiet">{elapsed()}</span>
      </header>
      <SessionLinks run={props.run} taskId={props.taskId} />
      <Calls work={view().work} />
      <Show when={view().work?.failure}>
        {(failure) => (
          <p class="bad">
            <Inert text={failure().message} />
          </p>
        )}
      </Show>
      <LiveWords run={props.run} feed={props.feed} taskId={props.taskId} />
    </article>
  );
}

/** Done early and to come, in a line each. */
function AheadList(props: { run: RunState }): JSX.Element {
  const rows = createMemo(() => {
    const { early, ahead } = liveTasks(props.run);
    return [...early, ...ahead];
  });
  return (
    <Show when={rows().length > 0}>
      <ul class="ahead-list">
        <For each={rows()}>
          {(id) => {
            const view = createMemo(() => taskView(props.run, id));
            return (
              <li>
                <Glyph state={view().state} />
                <span class="strong">{view().number}</span>
                <span class="cut-off">
                  <Inert text={view().title} />
                </span>
                <span class="quiet">{lowered(view().word)}</span>
              </li>
            );
          }}
        </For>
      </ul>
    </Show>
  );
}
