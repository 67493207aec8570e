// One of a few, all of them on screen.

import { For, type JSX } from "solid-js";

export function Choices<T extends string>(props: {
  name: string;
  legend: string;
  value: T;
  options: readonly (readonly [T, string])[];
  choose: (value: T) => void;
  disabled?: boolean;
}): JSX.Element {
  return (
    <fieldset class="choice" disabled={props.disabled}>
      <legend>{props.legend}</legend>
      <div class="segments">
        <For each={props.options}>
          {([value, title]) => (
            <label>
              <input
                type="radio"
                name={props.name}
                checked={props.value === value}
                onChange={() => props.choose(value)}
              />
              <span>{title}</span>
            </label>
          )}
        </For>
      </div>
    </fieldset>
  );
}
