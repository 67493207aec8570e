// A tool call on one line; opened in place it shows exactly what went in and what came out.

import { createSignal, type JSX, Match, Show, Switch } from "solid-js";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { createRead } from "../app/read.ts";
import { Octagon } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Exact, Inert } from "../parts/inert.tsx";
import { shortDuration } from "../words/format.ts";
import type { ToolCall } from "./run-state.ts";

/** Bytes of a blob shown in place. */
const SHOWN_BYTES = 16_384;

function grantWord(call: ToolCall): string {
  if (call.end === "refused") return "refused";
  if (!call.decision) return "";
  if (!call.decision.allow) return "refused";
  if (call.decision.asked) return "you allowed it";
  return call.needs.length > 0 ? "plan grant" : "no grant needed";
}

export function ToolRow(props: { call: ToolCall }): JSX.Element {
  const now = useNow();
  const [open, setOpen] = createSignal(false);
  const time = (): string =>
    shortDuration(props.call.durationMs ?? (props.call.end ? 0 : Math.max(0, now() - props.call.startedAt)));
  return (
    <details class="tool" onToggle={(event) => setOpen(event.currentTarget.open)} data-call-id={props.call.callId}>
      <summary>
        <span class="tool-mark">
          <Switch fallback={<span class="dot" role="img" aria-label="Running" />}>
            <Match when={props.call.end === "done"}>
              <svg class="tick" viewBox="0 0 14 14" width="14" height="14" role="img" aria-label="Done">
                <path d="M2.5 7.5 5.5 10.5 11.5 3.5" />
              </svg>
            </Match>
            <Match when={props.call.end !== undefined}>
              <Octagon />
            </Match>
          </Switch>
        </span>
        <span class="tool-words">
          <code class="strong">{props.call.tool}</code>{" "}
          <code>
            <Inert text={firstLine(props.call.summary)} />
          </code>
          <Show when={props.call.preview !== ""}>
            {" "}
            <span class="quiet">
              <Inert text={props.call.preview} />
            </span>
          </Show>
        </span>
        <span class="tool-grant quiet">{grantWord(props.call)}</span>
        <span class="fact quiet tool-time">{time()}</span>
      </summary>
      <Show when={open()}>
        <ToolDetails call={props.call} />
      </Show>
    </details>
  );
}

function firstLine(text: string): string {
  const end = text.indexOf("\n");
  return end === -1 ? text : `${text.slice(0, end)} \u2026`;
}

function ToolDetails(props: { call: ToolCall }): JSX.Element {
  return (
    <div class="tool-details">
      <Show when={props.call.decision?.reason}>
        {(reason) => (
          <p>
            <span class="strong">You said:</span> <Inert text={reason()} />
          </p>
        )}
      </Show>
      <Show when={props.call.code}>{(code) => <p class="bad">{code()}</p>}</Show>
      <Show when={props.call.labels.length > 0}>
        <p class="outside">
          <Icon name="outside" /> The result holds text from outside.
        </p>
      </Show>
      <BlobView title="Arguments" hash={props.call.argumentsHash} />
      <Show when={props.call.resultHash} fallback={<p class="quiet">No result yet.</p>}>
        {(hash) => <BlobView title="Result" hash={hash()} />}
      </Show>
    </div>
  );
}

/** JSON laid out; anything else as it is. A JSON string is shown as its text. */
export function laidOut(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : JSON.stringify(value, null, 2);
  } catch {
    return text;
  }
}

export function BlobView(props: { title: string; hash: string }): JSX.Element {
  const app = useApp();
  const blob = createRead(
    () => props.hash,
    (hash) => app.api.blob.get({ hash, limit: SHOWN_BYTES }),
  );
  return (
    <div class="blob">
      <h4>
        {props.title}{" "}
        <span class="fact quiet" title={props.hash}>
          {props.hash.slice(0, 8)}
        </span>
      </h4>
      <Show
        when={blob.value()}
        fallback={
          <Show when={blob.fault()} fallback={<p class="quiet late">Being read</p>}>
            <p class="bad">
              It could not be read.{" "}
              <button type="button" class="button small" onClick={() => blob.again()}>
                Try again
              </button>
            </p>
          </Show>
        }
      >
        {(content) => (
          <>
            <Exact text={content().nextOffset ? content().text : laidOut(content().text)} label={props.title} />
            <Show when={content().nextOffset}>
              <p class="quiet">
                The first {SHOWN_BYTES} of {content().size} bytes.
              </p>
            </Show>
          </>
        )}
      </Show>
    </div>
  );
}
