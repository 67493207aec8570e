// Settled ground: what happened, in order, with its place in the chain. From here it is undone.

import type { UndoResult } from "@openwrap/contracts";
import { createEffect, createMemo, For, type JSX, on, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { ChainFoot } from "../parts/chain-foot.tsx";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Glyph, Octagon } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { PreviewLink } from "../parts/preview-link.tsx";
import { clock, counted, sequenceText } from "../words/format.ts";
import type { LogEntry, RunState } from "./run-state.ts";
import { messageWords } from "./run-view.ts";
import { useUndo } from "./use-undo.ts";

export function RunLog(props: { run: RunState }): JSX.Element {
  const { undo, result } = useUndo(() => props.run.runId);
  let scroller: HTMLDivElement | undefined;
  createEffect(
    on(
      () => props.run.log.length,
      () => scroller?.scrollTo({ top: scroller.scrollHeight }),
    ),
  );
  const undoable = createMemo(() => props.run.settled.some((id) => props.run.work[id]?.undone !== true));
  return (
    <section class="log" aria-label="Log">
      <p class="log-heading">
        {undoable() ? "Settled, can be undone" : props.run.settled.length > 0 ? "Settled" : "Log"}
      </p>
      <div
        class="log-rows"
        role="list"
        tabIndex={0}
        aria-label="What happened"
        ref={(element) => {
          scroller = element;
        }}
      >
        <For each={props.run.log}>
          {(entry) => <LogRow run={props.run} entry={entry} undo={(id) => void undo.run(id)} busy={undo.busy()} />}
        </For>
      </div>
      <Show when={undo.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={undo.clear} />}</Show>
      <Show when={result()}>{(done) => <UndoNote result={done()} />}</Show>
      <ChainFoot>
        <Show when={undoable()}>
          <UndoRun run={props.run} undo={() => void undo.run()} busy={undo.busy()} />
        </Show>
      </ChainFoot>
    </section>
  );
}

function UndoRun(props: { run: RunState; undo: () => void; busy: boolean }): JSX.Element {
  const app = useApp();
  return (
    <button type="button" class="button plain" disabled={props.busy || app.readOnly()} onClick={() => props.undo()}>
      <Icon name="undo" /> Undo the run
    </button>
  );
}

export function UndoNote(props: { result: UndoResult }): JSX.Element {
  return (
    <div class="note" role="status">
      <p class="strong">{counted(props.result.reverted.length, "file")} put back.</p>
      <Show when={props.result.conflicts.length > 0}>
        <p>Changed since, so left alone:</p>
        <ul>
          <For each={props.result.conflicts}>
            {(path) => (
              <li>
                <code>
                  <Inert text={path} />
                </code>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </div>
  );
}

function LogGlyph(props: { kind: LogEntry["kind"] }): JSX.Element {
  switch (props.kind) {
    case "settled":
      return <Glyph state="retired" />;
    case "failed":
      return <Octagon />;
    case "dropped":
      return <Glyph state="squashed" />;
    default:
      return null;
  }
}

/** A goal, a message: nothing but the words of a person. */
function saidOnly(entry: LogEntry): boolean {
  return entry.kind === "you" && entry.says !== undefined && entry.title === "";
}

function LogRow(props: { run: RunState; entry: LogEntry; undo: (taskId: string) => void; busy: boolean }): JSX.Element {
  const app = useApp();
  const { entry } = props;
  const message = () => props.run.messages.find((one) => one.messageId === entry.messageId);
  const number = (): number =>
    entry.taskId === undefined || entry.kind === "you" ? 0 : props.run.order.indexOf(entry.taskId) + 1;
  const undoTask = (): string | undefined =>
    entry.kind === "settled" && entry.taskId !== undefined && props.run.work[entry.taskId]?.undone !== true
      ? entry.taskId
      : undefined;
  return (
    <div class={`log-row log-${entry.kind}`} role="listitem">
      <span class="fact quiet">{clock(entry.at)}</span>
      <span class="log-glyph">
        <LogGlyph kind={entry.kind} />
      </span>
      <div class="log-words">
        <Show when={saidOnly(entry)}>
          <p class="say-4" classList={{ said: entry.messageId !== undefined }}>
            <Inert text={entry.says ?? ""} />
          </p>
        </Show>
        <Show when={message()}>{(sent) => <p class="quiet">{messageWords(props.run, sent())}</p>}</Show>
        <div class="log-head" hidden={message() !== undefined}>
          <p class="grow">
            <Show when={number() > 0}>
              <span class="strong">{number()} </span>
            </Show>
            <span class="log-title">
              <Inert text={entry.title} />
            </span>{" "}
            <span classList={{ fact: entry.kind === "grant", quiet: entry.kind !== "grant" }}>
              <Inert text={entry.detail} />
            </span>{" "}
            <Show when={entry.url}>{(url) => <PreviewLink url={url()} over={props.run.end !== undefined} />}</Show>
          </p>
          <Show when={undoTask()}>
            {(taskId) => (
              <button
                type="button"
                class="button small plain log-undo"
                aria-label={`Undo ${entry.title}`}
                disabled={props.busy || app.readOnly()}
                onClick={() => props.undo(taskId())}
              >
                <Icon name="undo" size={14} /> Undo
              </button>
            )}
          </Show>
        </div>
        <Show when={entry.says !== undefined && entry.title !== ""}>
          <p class="say-4 log-says">
            <Inert text={entry.says ?? ""} />
          </p>
        </Show>
      </div>
      <span class="fact log-sequence">{sequenceText(entry.sequence)}</span>
    </div>
  );
}
