// State glyphs on a 14 px grid: circle moving, square has a result, diamond you, octagon failed.

import { type JSX, Match, Switch } from "solid-js";
import type { ShownState } from "../run/run-view.ts";

const OCTAGON = "M4.6 1h4.8L13 4.6v4.8L9.4 13H4.6L1 9.4V4.6z";
const TICK = "M3.9 7.2 6.1 9.4 10.2 4.9";

export function Glyph(props: { state: ShownState | "idle" }): JSX.Element {
  return (
    <svg class={`glyph glyph-${props.state}`} viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">
      <Switch fallback={<circle class="edge" cx="7" cy="7" r="5.25" />}>
        <Match when={props.state === "running"}>
          <circle class="edge" cx="7" cy="7" r="5.25" />
          <path class="fill" d="M7 1.75a5.25 5.25 0 0 1 0 10.5z" />
        </Match>
        <Match when={props.state === "waiting"}>
          <path class="diamond" d="M7 .9 13.1 7 7 13.1.9 7z" />
          <path class="mark" d="M7 3.9v3.4M7 9.2v1.2" />
        </Match>
        <Match when={props.state === "blocked"}>
          <circle class="edge dashed" cx="7" cy="7" r="5.25" />
          <path class="edge" d="M4.5 7h5" />
        </Match>
        <Match when={props.state === "completed"}>
          <path class="edge" d="M1.75 1.75h10.5v10.5H1.75z" />
          <path class="edge" d={TICK} />
        </Match>
        <Match when={props.state === "retired"}>
          <path class="solid" d="M1 1h12v12H1z" />
          <path class="cut" d={TICK} />
        </Match>
        <Match when={props.state === "failed"}>
          <path class="solid" d={OCTAGON} />
          <path class="cut" d="M4.8 4.8l4.4 4.4M9.2 4.8 4.8 9.2" />
        </Match>
        <Match when={props.state === "squashed"}>
          <path class="edge dashed" d="M1.75 1.75h10.5v10.5H1.75z" />
          <path class="edge" d="M2.5 11.5l9-9" />
        </Match>
        <Match when={props.state === "canceled"}>
          <circle class="edge" cx="7" cy="7" r="5.25" />
          <path class="edge" d="M3.4 10.6l7.2-7.2" />
        </Match>
      </Switch>
    </svg>
  );
}

/** Amber, for what waits for a person. */
export function Diamond(props: { size?: number }): JSX.Element {
  return (
    <svg
      class="glyph glyph-waiting"
      viewBox="0 0 14 14"
      width={props.size ?? 14}
      height={props.size ?? 14}
      aria-hidden="true"
    >
      <path class="diamond" d="M7 .9 13.1 7 7 13.1.9 7z" />
      <path class="mark" d="M7 3.9v3.4M7 9.2v1.2" />
    </svg>
  );
}

/** A broken chain, a refusal. */
export function Octagon(): JSX.Element {
  return (
    <svg class="glyph glyph-failed" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">
      <path class="solid" d={OCTAGON} />
      <path class="cut" d="M4.8 4.8l4.4 4.4M9.2 4.8 4.8 9.2" />
    </svg>
  );
}

/** Two linked squares: the chain. */
export function Chain(props: { verified: boolean }): JSX.Element {
  return (
    <svg
      class={`glyph ${props.verified ? "glyph-retired" : "glyph-queued"}`}
      viewBox="0 0 20 14"
      width="20"
      height="14"
      aria-hidden="true"
    >
      <path class="edge" d="M2 3h8v8H2z" />
      <path class={props.verified ? "solid" : "edge"} d="M10 3h8v8h-8z" />
      {props.verified ? <path class="cut" d="M12 7l1.5 1.5L16.2 5.4" /> : null}
    </svg>
  );
}
