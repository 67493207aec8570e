// Every question of every run, what puts most at stake first.

import type { PendingApproval, Risk } from "@openwrap/contracts";
import { Key } from "@solid-primitives/keyed";
import { createEffect, createMemo, For, type JSX, on, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import { useApp } from "../app/app.ts";
import { narrow, useNow } from "../app/clock.ts";
import { approvalPath, runPath } from "../app/router.ts";
import { RISKS } from "../overview/overview-state.ts";
import { Diamond } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Exact, Inert, Sentence } from "../parts/inert.tsx";
import { CapabilityStrip } from "../parts/reach-strip.tsx";
import { SmallLine } from "../parts/small-line.tsx";
import type { RunState } from "../run/run-state.ts";
import { granted, liveTasks, numberOf } from "../run/run-view.ts";
import { counted, duration, sequenceText } from "../words/format.ts";
import { AnswerButtons } from "./answer.tsx";
import { HasRead, labelWords } from "./question-block.tsx";
import { usePlace } from "./use-place.ts";

const RISK_WORDS: Record<Risk, string> = {
  cannot_be_undone: "Cannot be undone",
  leaves_machine: "Leaves this machine",
  runs_program: "Runs something new",
  changes_files: "Changes files",
  reads_more: "Reads more",
};

export function ApprovalsScreen(props: { approvalId: string | undefined }): JSX.Element {
  const app = useApp();
  const approvals = createMemo(() => app.overview().approvals);
  const chosen = createMemo(() => {
    const named = approvals().find((asked) => asked.question.approvalId === props.approvalId);
    return named ?? (narrow() && props.approvalId === undefined ? undefined : approvals()[0]);
  });
  const runs = (): number => new Set(approvals().map((asked) => asked.runId)).size;
  return (
    <main class="approvals" id="main" classList={{ "one-chosen": chosen() !== undefined }}>
      <section class="approvals-list" aria-label="Questions">
        <h1 class="say-6" tabIndex={-1}>
          Waiting for you
        </h1>
        <p class="quiet">
          <Show when={approvals().length > 0} fallback="Nothing waits. Questions of all runs come here.">
            {counted(approvals().length, "question")} from {counted(runs(), "run")}. Everything else goes on.
          </Show>
        </p>
        <Show when={approvals().length === 0}>
          <a class="button approvals-start" href="/">
            Start a run
          </a>
        </Show>
        <For each={RISKS}>
          {(risk) => {
            const group = createMemo(() => approvals().filter((asked) => asked.question.risk === risk));
            return (
              <Show when={group().length > 0}>
                <h2 class="risk">
                  {RISK_WORDS[risk]} <span class="quiet">{group().length}</span>
                </h2>
                <ul class="plain-list">
                  <Key each={group()} by={(asked) => asked.question.approvalId}>
                    {(asked) => <ListRow asked={asked()} chosen={chosen() === asked()} />}
                  </Key>
                </ul>
              </Show>
            );
          }}
        </For>
      </section>
      <section class="approvals-main" aria-label="Question">
        <Show
          when={chosen()?.question.approvalId}
          keyed
          fallback={
            <p class="say-4 quiet approvals-none">
              {approvals().length > 0 ? "Choose a question." : "Nothing waits for you."}
            </p>
          }
        >
          {(id) => (
            <Show when={approvals().find((asked) => asked.question.approvalId === id)}>
              {(asked) => <Detail asked={asked()} />}
            </Show>
          )}
        </Show>
      </section>
    </main>
  );
}

function ListRow(props: { asked: PendingApproval; chosen: boolean }): JSX.Element {
  const now = useNow();
  const { words } = usePlace(() => props.asked);
  return (
    <li>
      <a
        class="list-row"
        classList={{ chosen: props.chosen }}
        href={approvalPath(props.asked.question.approvalId)}
        aria-current={props.chosen ? "true" : undefined}
      >
        <Diamond />
        <span class="grow">
          <span class="say-4">
            <Sentence text={props.asked.question.sentence} />
          </span>
          <span class="quiet">
            <Inert text={words()} />
          </span>
          <HasRead labels={props.asked.question.labels} />
        </span>
        <span class="fact quiet">{duration(now() - props.asked.askedAt)}</span>
      </a>
    </li>
  );
}

function Detail(props: { asked: PendingApproval }): JSX.Element {
  const now = useNow();
  const place = usePlace(() => props.asked);
  const question = () => props.asked.question;
  const run = createMemo(() => place.feed().state());
  let heading: HTMLHeadingElement | undefined;
  createEffect(
    on(
      () => question().approvalId,
      () => heading?.scrollIntoView({ block: "nearest" }),
    ),
  );
  return (
    <article class="detail" data-approval-id={question().approvalId}>
      <a class="back button plain narrow-only" href="/approvals">
        All questions
      </a>
      <header class="question-head">
        <Diamond size={16} />
        <span class="strong">{RISK_WORDS[question().risk]}</span>
        <a class="quiet grow" href={runPath(props.asked.runId)}>
          <Inert text={place.words()} />
        </a>
        <span class="fact quiet">{sequenceText(props.asked.sequence)}</span>
      </header>
      <Dynamic
        component={narrow() ? "h1" : "h2"}
        class="say-7"
        tabIndex={-1}
        ref={(element: HTMLHeadingElement) => {
          heading = element;
        }}
      >
        <Sentence text={question().sentence} />
      </Dynamic>
      <p class="say-4 detail-why">
        <Sentence text={question().why} />
      </p>
      <DetailRows asked={props.asked} run={run()} />
      <p class="quiet">Asked {duration(now() - props.asked.askedAt)} ago. It waits until you answer.</p>
      <div class="detail-answer">
        <AnswerButtons question={question()} layout="segments" />
      </div>
    </article>
  );
}

function DetailRows(props: { asked: PendingApproval; run: RunState | undefined }): JSX.Element {
  const held = createMemo(() => {
    return props.run ? granted(props.run) : [];
  });
  return (
    <dl class="detail-rows">
      <dt>Exactly this</dt>
      <dd>
        <Show
          when={props.asked.question.kind !== "plan"}
          fallback={<a href={runPath(props.asked.runId)}>Read the plan</a>}
        >
          <Exact text={props.asked.question.exact} label="Exactly this" />
        </Show>
      </dd>
      <Show when={props.asked.question.labels.length > 0}>
        <dt>
          Outside text <Icon name="outside" />
        </dt>
        <dd>
          The worker has read text from {labelWords(props.asked.question.labels)}. What it asks for may be what that
          text wants, not what you want.
        </dd>
      </Show>
      <Show when={props.asked.question.adds.length > 0}>
        <dt>Reach would be</dt>
        <dd>
          <CapabilityStrip capabilities={held()} added={props.asked.question.adds} />
        </dd>
      </Show>
      <dt>If you say no</dt>
      <dd>
        <Sentence text={props.asked.question.ifNo} />
      </dd>
      <Show when={props.run}>
        {(state) => (
          <Show when={state().order.length > 0}>
            <dt>Held up by it</dt>
            <dd class="held">
              <SmallLine run={state()} />
              <span>{heldWords(state(), props.asked.taskId)}</span>
            </dd>
          </Show>
        )}
      </Show>
    </dl>
  );
}

/** "7 and 9 are done and settle after 6. 8 goes on." */
export function heldWords(run: RunState, taskId: string): string {
  const mine = numberOf(run, taskId);
  if (mine === 0) return "Nothing settles before it is answered.";
  const { early, active } = liveTasks(run);
  const after = early.map((id) => numberOf(run, id)).filter((number) => number > mine);
  const going = active
    .filter((id) => id !== taskId && run.work[id]?.state === "running")
    .map((id) => numberOf(run, id));
  const parts = [`Task ${mine} waits`];
  if (after.length > 0)
    parts.push(
      `${after.join(" and ")} ${after.length === 1 ? "is" : "are"} done and ${after.length === 1 ? "settles" : "settle"} after ${mine}`,
    );
  if (going.length > 0) parts.push(`${going.join(" and ")} ${going.length === 1 ? "goes" : "go"} on`);
  return `${parts.join(". ")}.`;
}
