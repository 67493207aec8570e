// How many of the tokens were read, and how many written.

import type { JSX } from "solid-js";

/** Solid: read; hatched: written. */
export function TokenMeter(props: { input: number; output: number }): JSX.Element {
  const share = (): string => `${Math.round((props.input / Math.max(props.input + props.output, 1)) * 100)}%`;
  return (
    <span class="meter" aria-hidden="true" classList={{ empty: props.input + props.output === 0 }}>
      <span class="meter-solid" style={{ "inline-size": share() }} />
      <span class="meter-hatched" />
    </span>
  );
}
