// What a run may read, write, run and connect to; a stroke under what was used just now.

import { createMemo, For, type JSX, Show } from "solid-js";
import { narrow, useNow } from "../app/clock.ts";
import { labelWords } from "../approvals/question-block.tsx";
import type { RunState } from "../run/run-state.ts";
import { granted, type ReachPart, reach } from "../run/run-view.ts";
import { Icon } from "./icon.tsx";
import { Inert } from "./inert.tsx";

/** A use is shown for this long. */
const USED_MS = 10_000;
const SHOWN_MAX = 3;
/** Shown whole even where room is scarce. */
const SHORT_CHARS = 14;

function shortened(part: ReachPart, few: boolean): string {
  if (part.values.length === 0) return part.kind === "write" || part.kind === "read" ? "nothing" : "none";
  const values = part.values.map((value) => (value === "." ? "all of the project" : value));
  if (few && values.length > 1)
    return `${values.length} ${part.kind === "net" ? "hosts" : part.kind === "run" ? "programs" : "places"}`;
  const shown = values.slice(0, SHOWN_MAX).join(" ");
  return values.length > SHOWN_MAX ? `${shown} +${values.length - SHOWN_MAX}` : shown;
}

/** A plain strip of capabilities; `added` ones are framed. */
export function CapabilityStrip(props: { capabilities: readonly string[]; added?: readonly string[] }): JSX.Element {
  const parts = createMemo(() => reach(props.capabilities).filter((part) => part.values.length > 0));
  const added = createMemo(() => reach(props.added ?? []).filter((part) => part.values.length > 0));
  return (
    <div class="reach pieces">
      <For each={parts()}>
        {(part) => (
          <span class="reach-part">
            <span class="reach-label">{part.label}</span>
            <code>
              <Inert text={part.values.map((value) => (value === "." ? "all of the project" : value)).join(" ")} />
            </code>
          </span>
        )}
      </For>
      <For each={added()}>
        {(part) => (
          <span class="reach-part reach-new">
            <span class="reach-label">Add {part.label.toLowerCase()}</span>
            <code>
              <Inert text={part.values.join(" ")} />
            </code>
          </span>
        )}
      </For>
    </div>
  );
}

export function ReachStrip(props: { run: RunState }): JSX.Element {
  const now = useNow();
  const parts = createMemo(() => reach(granted(props.run)));
  const recent = (kind: string): boolean => !props.run.end && now() - (props.run.used[kind] ?? 0) < USED_MS;
  const else_ = { ask: "asks", bundle: "refused", all: "allowed" } as const;
  return (
    <section class="reach" aria-label="What this run may reach">
      <For each={parts()}>
        {(part) => (
          <span
            class="reach-part"
            classList={{
              "reach-used": recent(part.kind),
              "reach-none": part.values.length === 0,
              "reach-short": shortened(part, narrow()).length <= SHORT_CHARS,
            }}
            title={part.values.join("\n")}
          >
            <span class="reach-label">{part.label}</span>
            <code>
              <Inert text={shortened(part, narrow())} />
            </code>
            <Show when={recent(part.kind)}>
              <span class="unseen">used just now</span>
            </Show>
          </span>
        )}
      </For>
      <Show when={props.run.labels.length > 0}>
        <span class="reach-part">
          <Icon name="outside" />
          <span>{narrow() ? "Outside text" : `Text from ${labelWords(props.run.labels)} was read`}</span>
        </span>
      </Show>
      <span class="reach-part reach-else">
        <span class="reach-label">{narrow() ? "Else" : "Anything else"}</span>
        <span>{else_[props.run.approve]}</span>
      </span>
    </section>
  );
}
