// What came of the run: its answer, its files, its digest; and the ways to check it or take it back.

import type { ReplayResult } from "@openwrap/contracts";
import { createSignal, For, type JSX, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { FileTile } from "../parts/file-tile.tsx";
import { Glyph, Octagon } from "../parts/glyph.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { Markdown } from "../parts/markdown.tsx";
import { DraftNote, SaveDraft, useDraft } from "../playbooks/save-draft.tsx";
import { counted, duration, shortHash } from "../words/format.ts";
import { UndoNote } from "./run-log.tsx";
import type { RunEnd, RunState } from "./run-state.ts";
import { useUndo } from "./use-undo.ts";

const HEADS = {
  completed: "Done",
  failed: "Failed",
  canceled: "Stopped",
  queued: "",
  running: "",
} as const;

export function RunOutcome(props: { run: RunState; end: RunEnd }): JSX.Element {
  return (
    <section class="outcome" aria-label="Result">
      <header class="question-head">
        <Glyph
          state={props.end.status === "completed" ? "retired" : props.end.status === "failed" ? "failed" : "canceled"}
        />
        <h2>{HEADS[props.end.status]}</h2>
        <span class="quiet grow">
          {counted(props.run.settled.length, "task")} settled in {duration(props.end.at - props.run.createdAt)}
        </span>
      </header>
      <Show when={props.end.error}>
        {(error) => (
          <p class="say-5">
            <Inert text={error().message} /> <code class="quiet">{error().code}</code>
          </p>
        )}
      </Show>
      <Show when={props.end.answer}>{(answer) => <Markdown text={answer()} />}</Show>
      <Show when={props.end.artifacts.length > 0}>
        <h3>Files</h3>
        <ul class="tiles">
          <For each={props.end.artifacts}>
            {(artifact) => (
              <li>
                <FileTile
                  projectId={props.run.projectId}
                  runId={props.run.runId}
                  path={artifact.path}
                  size={artifact.size}
                  settled
                  undone={props.run.files[artifact.path]?.undone === true}
                  from=""
                />
              </li>
            )}
          </For>
        </ul>
      </Show>
      <Checks run={props.run} end={props.end} />
    </section>
  );
}

function Checks(props: { run: RunState; end: RunEnd }): JSX.Element {
  const app = useApp();
  const [replayed, setReplayed] = createSignal<ReplayResult>();
  const replay = createAction(async () => setReplayed(await app.api.run.replay({ runId: props.run.runId })));
  const { undo, result } = useUndo(() => props.run.runId);
  const draft = useDraft(() => props.run.runId);
  const left = (): boolean => props.run.settled.some((id) => props.run.work[id]?.undone !== true);
  return (
    <div class="checks">
      <div class="row">
        <Show when={props.end.digest}>
          {(digest) => (
            <>
              <span>
                Digest{" "}
                <span class="fact" title={digest()} data-run-digest={digest()}>
                  {shortHash(digest())}
                </span>
              </span>
              <button
                type="button"
                class="button"
                disabled={replay.busy() || app.readOnly()}
                onClick={() => void replay.run()}
              >
                <Icon name="replay" /> {replay.busy() ? "Replaying" : "Replay"}
              </button>
            </>
          )}
        </Show>
        <Show when={left()}>
          <button type="button" class="button" disabled={undo.busy() || app.readOnly()} onClick={() => void undo.run()}>
            <Icon name="undo" /> Undo
          </button>
        </Show>
        <Show when={props.end.status === "completed" && !props.run.model.startsWith("playbook/")}>
          <SaveDraft draft={draft} />
        </Show>
      </div>
      <Show when={replay.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={replay.clear} />}</Show>
      <Show when={undo.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={undo.clear} />}</Show>
      <DraftNote draft={draft} />
      <Show when={replayed()}>{(done) => <ReplayNote result={done()} />}</Show>
      <Show when={result()}>{(done) => <UndoNote result={done()} />}</Show>
    </div>
  );
}

function ReplayNote(props: { result: ReplayResult }): JSX.Element {
  const fine = (): boolean => props.result.equal && props.result.filesEqual;
  return (
    <div class="note" role="status">
      <p class="strong note-line">
        <Show when={fine()} fallback={<Octagon />}>
          <Glyph state="retired" />
        </Show>
        {fine()
          ? "Replayed: same digest, same files."
          : props.result.equal
            ? "Replayed: same digest, but files differ."
            : "Replayed: another digest."}
      </p>
      <Show when={props.result.diverged.length > 0}>
        <ul>
          <For each={props.result.diverged}>
            {(line) => (
              <li>
                <Inert text={line} />
              </li>
            )}
          </For>
        </ul>
      </Show>
    </div>
  );
}
