// The first question of a run over its tasks, where they do not stand beside each other.

import { createMemo, createSignal, type JSX, Show } from "solid-js";
import { QuestionBlock } from "../approvals/question-block.tsx";
import { Diamond } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import type { RunState } from "./run-state.ts";
import { pending } from "./run-view.ts";

export function QuestionSheet(props: { run: RunState }): JSX.Element {
  const [low, setLow] = createSignal(false);
  const questions = createMemo(() => pending(props.run).filter((asked) => asked.question.kind !== "plan"));
  return (
    <Show when={questions()[0]}>
      {(asked) => (
        <div class="question-sheet" classList={{ low: low() }}>
          <button type="button" class="sheet-toggle" aria-expanded={!low()} onClick={() => setLow(!low())}>
            <Diamond size={16} />
            <span class="strong grow">
              {questions().length === 1
                ? "1 question waits for you"
                : `1 of ${questions().length} questions that wait for you`}
            </span>
            {low() ? "Raise" : "Lower"} <Icon name="down" />
          </button>
          <Show when={!low()}>
            <QuestionBlock asked={asked()} run={props.run} />
          </Show>
        </div>
      )}
    </Show>
  );
}
