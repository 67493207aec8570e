// A rehearsal is said to be one wherever its run is shown.

import { type JSX, Show } from "solid-js";

export function isRehearsal(model: string): boolean {
  return model === "rehearsal" || model.startsWith("rehearsal/");
}

export function RehearsalTag(props: { model: string }): JSX.Element {
  return (
    <Show when={isRehearsal(props.model)}>
      <span
        class="tag"
        title="The answers come from a script that ships with Open Wrap, not from a model. Tools, files and figures are real."
      >
        Rehearsal
      </span>
    </Show>
  );
}
