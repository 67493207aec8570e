// One of a list, or all of it.

import { For, type JSX } from "solid-js";

export function Pick(props: {
  label: string;
  /** What stands for no choice. */
  all: string;
  value: string;
  options: readonly (readonly [string, string])[];
  choose: (value: string) => void;
}): JSX.Element {
  return (
    <select class="field" aria-label={props.label} onChange={(event) => props.choose(event.currentTarget.value)}>
      <option value="" selected={props.value === ""}>
        {props.all}
      </option>
      <For each={props.options}>
        {([value, title]) => (
          <option value={value} selected={props.value === value}>
            {title}
          </option>
        )}
      </For>
    </select>
  );
}
