// A line of text with its name above and what it is for below.

import { createUniqueId, type JSX, Show } from "solid-js";

export function Field(props: {
  label: string;
  hint?: string;
  value: string;
  write: (value: string) => void;
  placeholder?: string;
  fact?: boolean;
  inputMode?: "decimal" | "numeric" | "url";
}): JSX.Element {
  const id = createUniqueId();
  return (
    <div class="labeled">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        class="field"
        classList={{ fact: props.fact }}
        type="text"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        inputMode={props.inputMode}
        placeholder={props.placeholder}
        aria-describedby={props.hint === undefined ? undefined : `${id}-hint`}
        value={props.value}
        onInput={(event) => props.write(event.currentTarget.value)}
      />
      <Show when={props.hint}>
        <p class="quiet" id={`${id}-hint`}>
          {props.hint}
        </p>
      </Show>
    </div>
  );
}
