// Text from outside: shown, never obeyed.

import { For, type JSX, Show } from "solid-js";
import { pieces, sentenceParts } from "../words/visible-text.ts";

/** Plain text with hidden characters boxed, its direction kept to itself. */
export function Inert(props: { text: string }): JSX.Element {
  return (
    <bdi>
      <For each={pieces(props.text)}>
        {(piece) => (
          <Show when={piece.hidden} fallback={piece.text}>
            <span class="hidden-character" title="A character that does not show">
              {piece.text}
            </span>
          </Show>
        )}
      </For>
    </bdi>
  );
}

/** A sentence with machine facts in backticks. */
export function Sentence(props: { text: string }): JSX.Element {
  return (
    <For each={sentenceParts(props.text)}>
      {(part) => (
        <Show when={part.fact} fallback={<Inert text={part.text} />}>
          <code>
            <Inert text={part.text} />
          </code>
        </Show>
      )}
    </For>
  );
}

/** Exactly what it says: a command, a path, a file. Long ones scroll. */
export function Exact(props: { text: string; label: string }): JSX.Element {
  return (
    <section class="exact" tabIndex={0} aria-label={props.label}>
      <Inert text={props.text} />
    </section>
  );
}
