// What went wrong, why, and what next.

import type { ApiFault } from "@openwrap/contracts/client";
import { createSignal, type JSX, Show } from "solid-js";
import { Octagon } from "./glyph.tsx";
import { Sentence } from "./inert.tsx";

export function FaultNotice(props: { fault: ApiFault; retry?: () => void; dismiss?: () => void }): JSX.Element {
  const [copied, setCopied] = createSignal(false);
  const details = (): string =>
    `${props.fault.code} (${props.fault.status})\n${props.fault.message}\n${props.fault.hint}\n${location.pathname}`;
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(details());
    setCopied(true);
  };
  return (
    <div class="fault" role="alert">
      <Octagon />
      <div class="fault-words">
        <p class="strong">
          <Sentence text={capital(props.fault.message)} />
        </p>
        <p>
          <Sentence text={props.fault.hint} /> <code class="quiet">{props.fault.code}</code>
        </p>
        <div class="row">
          <Show when={props.retry}>
            {(retry) => (
              <button type="button" class="button" onClick={() => retry()()}>
                Try again
              </button>
            )}
          </Show>
          <button type="button" class="button plain" onClick={() => void copy()}>
            {copied() ? "Copied" : "Copy details"}
          </button>
          <Show when={props.dismiss}>
            {(dismiss) => (
              <button type="button" class="button plain" onClick={() => dismiss()()}>
                Close
              </button>
            )}
          </Show>
        </div>
      </div>
    </div>
  );
}

function capital(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** Shown after a moment, so that what is quick does not flicker. */
export function Skeleton(props: { rows?: number; label: string }): JSX.Element {
  return (
    <div class="skeleton" role="status" aria-label={props.label}>
      {Array.from({ length: props.rows ?? 3 }, () => (
        <span class="bar" />
      ))}
    </div>
  );
}
