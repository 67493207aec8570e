// The plan before it starts: one decision, in one column.

import type { PlanTask } from "@openwrap/contracts";
import { createMemo, For, type JSX, Show } from "solid-js";
import { AnswerButtons } from "../approvals/answer.tsx";
import { Diamond, Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { CapabilityStrip } from "../parts/reach-strip.tsx";
import { RehearsalTag } from "../parts/rehearsal-tag.tsx";
import { counted, roleTitle } from "../words/format.ts";
import { settlingOrder } from "./plan-order.ts";
import type { ProposedPlan, RunState } from "./run-state.ts";
import { pending } from "./run-view.ts";

export function PlanReview(props: { run: RunState; proposed: ProposedPlan }): JSX.Element {
  const order = createMemo(() => settlingOrder(props.proposed.plan.tasks, props.run.settled));
  const question = createMemo(() => pending(props.run).find((asked) => asked.question.kind === "plan"));
  const byId = createMemo(() => new Map(props.proposed.plan.tasks.map((task) => [task.taskId, task])));
  const tasks = createMemo(() => order().flatMap((id) => byId().get(id) ?? []));
  return (
    <section class="plan-review" aria-label="Plan review">
      <header class="question-head">
        <Diamond size={16} />
        <span class="strong">{question() ? "Waiting for you" : "The plan"}</span>
        <span class="quiet grow">
          {counted(tasks().length, "task")}, {counted(new Set(tasks().map((task) => task.role)).size, "kind")} of worker
          {props.proposed.version > 1 ? `, version ${props.proposed.version}` : ""}
        </span>
        <RehearsalTag model={props.run.model} />
      </header>
      <h2 class="say-5 plan-summary">
        <Inert text={props.proposed.plan.summary} />
      </h2>
      <ol class="plan-tasks">
        <For each={tasks()}>
          {(task) => (
            <PlanRow task={task} number={order().indexOf(task.taskId) + 1} numberOf={(id) => order().indexOf(id) + 1} />
          )}
        </For>
      </ol>
      <div class="plan-asks">
        <h3>With it you allow</h3>
        <Show when={props.proposed.bundle.length > 0} fallback={<p class="quiet">Nothing: it only thinks.</p>}>
          <CapabilityStrip capabilities={props.proposed.bundle} />
        </Show>
        <p class="quiet">Anything else is asked for when it comes up. What a task changes can be undone.</p>
      </div>
      <Show when={question()}>
        {(asked) => (
          <div class="plan-answer">
            <AnswerButtons question={asked().question} layout="buttons" />
          </div>
        )}
      </Show>
    </section>
  );
}

export function PlanRow(props: { task: PlanTask; number: number; numberOf: (taskId: string) => number }): JSX.Element {
  const needs = (): string =>
    (props.task.dependsOn ?? [])
      .map((id) => props.numberOf(id) || id)
      .sort((a, b) => Number(a) - Number(b))
      .join(", ");
  const title = (): JSX.Element => (
    <>
      <span class="strong">
        <Inert text={props.task.title} />
      </span>{" "}
      <span class="quiet">
        {roleTitle(props.task.role)}
        {needs() === "" ? "" : `, after ${needs()}`}
      </span>
    </>
  );
  return (
    <li class="plan-row" data-plan-task={props.task.taskId}>
      <Glyph state="queued" />
      <span class="fact number">{props.number}</span>
      <Show when={props.task.description} fallback={<p class="plan-words">{title()}</p>}>
        {(description) => (
          <details class="plan-words">
            <summary>{title()}</summary>
            <p>
              <Inert text={description()} />
            </p>
          </details>
        )}
      </Show>
      <div class="plan-makes">
        <For each={props.task.deliverables ?? []}>
          {(deliverable) => (
            <code class="makes" title={deliverable.description ?? ""}>
              <Inert text={deliverable.path} />
            </code>
          )}
        </For>
        <Show when={props.task.irreversible}>
          <span class="tag">Cannot be undone</span>
        </Show>
      </div>
    </li>
  );
}
