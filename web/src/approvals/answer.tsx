// A person's answer to a question: yes for how far, no, or no with a reason the worker reads.

import type { PendingApproval, Question, QuestionKind, Scope } from "@openwrap/contracts";
import { createEffect, createSignal, createUniqueId, For, type JSX, on, onCleanup, onMount, Show } from "solid-js";
import { type Action, createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { createSettled } from "./settled.ts";

const YES: Record<QuestionKind, Record<Scope, string>> = {
  tool: { once: "Allow once", task: "Allow for this task", run: "Allow for this run" },
  plan: { once: "Approve the plan", task: "Approve the plan", run: "Approve the plan" },
  outcome_unknown: { once: "It took effect", task: "It took effect", run: "It took effect" },
  conflict: { once: "Replace my edit", task: "Replace my edit", run: "Replace my edit" },
  budget: { once: "Raise the budget", task: "Raise the budget", run: "Raise the budget" },
};
const NO: Record<QuestionKind, string> = {
  tool: "No",
  plan: "No",
  outcome_unknown: "It did not",
  conflict: "Keep my edit",
  budget: "Stop the run",
};
const SCOPES: Record<Scope, string> = { once: "Once", task: "This task", run: "This run" };
const SHORT: Record<Scope, string> = { once: "Allow once", task: "For this task", run: "For this run" };

type Answer = Action<[allow: boolean, scope: Scope, reason?: string]>;

export function useAnswer(approvalId: () => string): Answer {
  const app = useApp();
  return createAction((allow, scope, reason) =>
    app.api.approval.resolve({
      requestId: requestId(),
      approvalId: approvalId(),
      decision: { allow, scope, ...(reason ? { reason } : {}) },
    }),
  );
}

/** What is chosen at a question's place, and how it is answered. */
function createAnswering(approvalId: () => string) {
  const app = useApp();
  const answer = useAnswer(approvalId);
  const [scope, setScope] = createSignal<Scope>("once");
  const [saying, setSaying] = createSignal(false);
  // The next question at the same place begins with nothing chosen.
  const begin = (): void => {
    setScope("once");
    setSaying(false);
    answer.clear();
  };
  createEffect(on(approvalId, begin, { defer: true }));
  const settled = createSettled(approvalId);
  const off = (): boolean => answer.busy() || app.readOnly();
  // Not switched off until it has settled: what has the focus would lose it.
  const press = (allow: boolean, chosen: Scope): void => {
    if (settled()) void answer.run(allow, chosen);
  };
  return { answer, scope, setScope, saying, setSaying, settled, off, press };
}

/** `segments`: the scope is chosen first and renames the button; `buttons`: one button a scope. */
export function AnswerButtons(props: { question: Question; layout: "segments" | "buttons" }): JSX.Element {
  const answering = createAnswering(() => props.question.approvalId);
  const { answer, scope, setScope, saying, setSaying, settled, off, press } = answering;
  const yes = (chosen: Scope): string =>
    props.layout === "buttons" && props.question.kind === "tool" ? SHORT[chosen] : YES[props.question.kind][chosen];
  let root: HTMLDivElement | undefined;
  // The answered question goes away; who was in it must not be lost on the page.
  onCleanup(() => {
    if (!root?.contains(document.activeElement)) return;
    queueMicrotask(() => document.querySelector<HTMLElement>("h1[tabindex]")?.focus({ preventScroll: true }));
  });
  const offered = (): Scope[] => (props.layout === "buttons" ? props.question.scopes : [scope()]);
  const choice = (words: () => string, primary: boolean, act: () => void): JSX.Element => (
    <button
      type="button"
      class={primary ? "button primary" : "button"}
      disabled={off()}
      aria-disabled={settled() ? undefined : "true"}
      onClick={act}
    >
      {words()}
    </button>
  );
  return (
    <div
      class="answer"
      ref={(element) => {
        root = element;
      }}
    >
      <Show when={answer.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={answer.clear} />}</Show>
      <Show when={!saying()} fallback={<SayWhy answer={answer} off={off()} back={() => setSaying(false)} />}>
        <div class="answer-row">
          <Show when={props.layout === "segments" && props.question.scopes.length > 1}>
            <ScopeChoice scopes={props.question.scopes} scope={scope()} choose={setScope} />
          </Show>
          <div class="answer-yes">
            <For each={offered()}>
              {(chosen, place) =>
                choice(
                  () => yes(chosen),
                  place() === 0,
                  () => press(true, chosen),
                )
              }
            </For>
          </div>
          <div class="answer-no">
            {choice(
              () => NO[props.question.kind],
              false,
              () => press(false, "once"),
            )}
            <button type="button" class="button" disabled={off()} onClick={() => setSaying(true)}>
              No, and say why
            </button>
          </div>
        </div>
      </Show>
    </div>
  );
}

function ScopeChoice(props: { scopes: Scope[]; scope: Scope; choose: (scope: Scope) => void }): JSX.Element {
  const name = createUniqueId();
  return (
    <fieldset class="segments">
      <legend class="unseen">How far the answer reaches</legend>
      <For each={props.scopes}>
        {(scope) => (
          <label>
            <input type="radio" name={name} checked={props.scope === scope} onChange={() => props.choose(scope)} />
            <span>{SCOPES[scope]}</span>
          </label>
        )}
      </For>
    </fieldset>
  );
}

function SayWhy(props: { answer: Answer; off: boolean; back: () => void }): JSX.Element {
  const [reason, setReason] = createSignal("");
  const id = createUniqueId();
  let field: HTMLTextAreaElement | undefined;
  onMount(() => field?.focus());
  const send = (event: Event): void => {
    event.preventDefault();
    if (reason().trim() !== "") void props.answer.run(false, "once", reason().trim());
  };
  return (
    <form class="say-why" onSubmit={send}>
      <label for={id}>Why not? The worker reads it word for word.</label>
      <textarea
        id={id}
        ref={(element) => {
          field = element;
        }}
        rows="2"
        maxLength={2000}
        value={reason()}
        onInput={(event) => setReason(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") props.back();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
        }}
      />
      <div class="row">
        <button type="submit" class="button primary" disabled={props.off || reason().trim() === ""}>
          Say no
        </button>
        <button type="button" class="button plain" onClick={() => props.back()}>
          Back
        </button>
      </div>
    </form>
  );
}

/** One press answers only what reads; everything else is looked at first. */
export function answersInList(asked: PendingApproval): boolean {
  return asked.question.kind === "tool" && asked.question.risk === "reads_more";
}
