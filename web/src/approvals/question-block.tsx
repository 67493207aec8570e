// A question inside its run: amber at the start edge, the exact thing, the buttons.

import type { Label } from "@openwrap/contracts";
import { createMemo, type JSX, Show } from "solid-js";
import { useNow } from "../app/clock.ts";
import { Diamond } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Exact, Sentence } from "../parts/inert.tsx";
import type { Asked, RunState } from "../run/run-state.ts";
import { taskView } from "../run/run-view.ts";
import { duration } from "../words/format.ts";
import { AnswerButtons } from "./answer.tsx";

export const LABEL_WORDS = {
  web: "the web",
  mcp: "a connected server",
  untrusted_file: "a file from outside",
} as const;

export function labelWords(labels: readonly (keyof typeof LABEL_WORDS)[]): string {
  return labels.map((label) => LABEL_WORDS[label]).join(", ");
}

/** Where a request may come from, said wherever it is asked. */
export function HasRead(props: { labels: readonly Label[] }): JSX.Element {
  return (
    <Show when={props.labels.length > 0}>
      <span class="outside">
        <Icon name="outside" /> Has read text from {labelWords(props.labels)}.
      </span>
    </Show>
  );
}

export function QuestionBlock(props: { asked: Asked; run: RunState }): JSX.Element {
  const now = useNow();
  const task = createMemo(() => taskView(props.run, props.asked.taskId));
  const who = (): string => (task().number > 0 ? `${task().number} ${task().title}, ${task().role}` : "The whole run");
  return (
    <section class="question" aria-label="Waiting for you" data-approval-id={props.asked.question.approvalId}>
      <header class="question-head">
        <Diamond size={16} />
        <span class="strong">Waiting for you</span>
        <span class="quiet grow">{who()}</span>
        <span class="fact quiet">waits {duration(now() - props.asked.askedAt)}</span>
      </header>
      <h2 class="say-5">
        <Sentence text={props.asked.question.sentence} />
      </h2>
      <p class="quiet">
        <Sentence text={props.asked.question.why} />
      </p>
      <HasRead labels={props.asked.question.labels} />
      <Exact text={props.asked.question.exact} label="Exactly this" />
      <p class="quiet if-no">
        <Sentence text={props.asked.question.ifNo} />
      </p>
      <AnswerButtons question={props.asked.question} layout="buttons" />
    </section>
  );
}
