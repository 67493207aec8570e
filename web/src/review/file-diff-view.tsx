// One changed file, before and after.

import { createMemo, type JSX, Match, Show, Switch } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { createRead } from "../app/read.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { saveAs } from "../parts/file-tile.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import type { RunState } from "../run/run-state.ts";
import { numberOf } from "../run/run-view.ts";
import { fileSize, shortHash } from "../words/format.ts";
import type { Choice } from "./choices.ts";
import { DiffView, type Layout, lineCounts } from "./diff-view.tsx";

export function FileDiffView(props: { run: RunState; choice: Choice; layout: Layout; close: () => void }): JSX.Element {
  const app = useApp();
  const change = () => props.choice.change;
  const diff = createRead(
    () => ({
      runId: props.run.runId,
      path: change().path,
      taskId: props.choice.taskId,
      // Another state of the file is another answer.
      state: `${change().committed} ${change().undone} ${change().afterSize ?? ""}`,
    }),
    ({ runId, path, taskId }) => app.api.run.diff({ runId, path, taskId }),
  );
  const counts = createMemo(() => {
    const known = diff.value();
    return known?.text ? lineCounts(known.before ?? "", known.after ?? "") : undefined;
  });
  return (
    <article class="file-diff">
      <header class="preview-head">
        <button type="button" class="button plain narrow-only" onClick={() => props.close()}>
          <Icon name="back" /> All changes
        </button>
        <h2 class="cut-off grow">
          <code>
            <Inert text={change().path} />
          </code>
        </h2>
        <Show when={counts()}>
          {(known) => (
            <span class="fact">
              <span class="count-added">+{known().added}</span>{" "}
              <span class="count-removed">{`\u2212${known().removed}`}</span>
            </span>
          )}
        </Show>
        <Save run={props.run} choice={props.choice} />
      </header>
      <Heads run={props.run} choice={props.choice} layout={props.layout} />
      <Show when={diff.fault()}>{(fault) => <FaultNotice fault={fault()} retry={diff.again} />}</Show>
      <Show when={diff.value()} fallback={<p class="quiet late diff-none">Being read</p>}>
        {(known) => (
          <Switch>
            <Match when={known().text}>
              <Show when={known().cut}>
                <p class="quiet diff-none">Only the beginning of both is compared.</p>
              </Show>
              <DiffView
                before={known().before ?? ""}
                after={known().after ?? ""}
                layout={props.layout}
                label="Changes"
              />
            </Match>
            <Match when={true}>
              <dl class="diff-other">
                <dt>Before</dt>
                <dd>{sideWords(change().beforeSize, known().beforeHash)}</dd>
                <dt>After</dt>
                <dd>{sideWords(change().afterSize, known().afterHash)}</dd>
              </dl>
              <p class="quiet diff-none">It is no text, so its bytes are not compared here.</p>
            </Match>
          </Switch>
        )}
      </Show>
    </article>
  );
}

function sideWords(size: number | null | undefined, hash: string | null | undefined): string {
  if (size == null) return "not there";
  return hash ? `${fileSize(size)}, ${shortHash(hash)}` : fileSize(size);
}

/** What stands left and right. */
function Heads(props: { run: RunState; choice: Choice; layout: Layout }): JSX.Element {
  const number = (): string => String(numberOf(props.run, props.choice.taskId) || props.choice.taskId);
  return (
    <Show when={props.layout === "split"}>
      <div class="diff-heads fact quiet">
        <span>before task {number()}</span>
        <span>
          {props.choice.change.committed ? `as task ${number()} settled it` : `task ${number()}, its own copy so far`}
        </span>
      </div>
    </Show>
  );
}

function Save(props: { run: RunState; choice: Choice }): JSX.Element {
  const app = useApp();
  const change = () => props.choice.change;
  const there = (): boolean => change().kind !== "removed" && !change().undone;
  const save = createAction(async () => {
    const { projectId, runId } = props.run;
    const view = change().committed ? {} : { runId, taskId: props.choice.taskId };
    saveAs(await app.file(projectId, change().path, view), change().path.split("/").at(-1) ?? change().path);
  });
  return (
    <Show when={there()}>
      <Show when={save.fault()}>{(fault) => <span class="bad">{fault().message}</span>}</Show>
      <button type="button" class="button" disabled={save.busy()} onClick={() => void save.run()}>
        <Icon name="download" size={14} /> Download
      </button>
    </Show>
  );
}
