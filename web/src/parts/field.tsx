// A line of text with its name above and what it is for below.

import { createUniqueId, type JSX, Show } from "solid-js";

export function Field(props: {
  label: string;
  hint?: string;
  /** What is wrong with what was typed. */
  wrong?: string | undefined;
  value: string;
  write: (value: string) => void;
  placeholder?: string;
  fact?: boolean;
  inputMode?: "decimal" | "numeric" | "url";
}): JSX.Element {
  const id = createUniqueId();
  const says = (): string | undefined => {
    const parts = [...(props.hint === undefined ? [] : ["hint"]), ...(props.wrong === undefined ? [] : ["wrong"])];
    return parts.length === 0 ? undefined : parts.map((part) => `${id}-${part}`).join(" ");
  };
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
        aria-invalid={props.wrong === undefined ? undefined : "true"}
        aria-describedby={says()}
        value={props.value}
        onInput={(event) => props.write(event.currentTarget.value)}
      />
      <Show when={props.hint}>
        <p class="quiet" id={`${id}-hint`}>
          {props.hint}
        </p>
      </Show>
      <Show when={props.wrong}>
        <p class="field-says" id={`${id}-wrong`}>
          {props.wrong}
        </p>
      </Show>
    </div>
  );
}
