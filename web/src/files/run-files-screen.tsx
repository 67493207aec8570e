// Files as a run sees them: the project, and the private copy of each task that works or has not settled.

import { createMemo, For, type JSX, Match, Show, Switch } from "solid-js";
import { useApp } from "../app/app.ts";
import { partPath } from "../app/router.ts";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { PartHead } from "../run/part-head.tsx";
import type { RunState } from "../run/run-state.ts";
import { liveTasks, taskView } from "../run/run-view.ts";
import { useFeed } from "../run/use-feed.ts";
import { visible } from "../words/visible-text.ts";
import { FileBrowser, type FilePlace } from "./file-browser.tsx";

export default function RunFilesScreen(props: { runId: string; detail: string | undefined }): JSX.Element {
  const feed = useFeed(() => props.runId);
  return (
    <main class="part" id="main">
      <PartHead runId={props.runId} title="Files" />
      <Switch fallback={<Skeleton rows={6} label="The run is being read" />}>
        <Match when={feed().state()}>{(run) => <RunFiles run={run()} taskId={props.detail} />}</Match>
        <Match when={feed().fault()}>
          {(fault) => <FaultNotice fault={fault()} retry={() => void feed().load()} />}
        </Match>
      </Switch>
    </main>
  );
}

/** Tasks that have a view of their own now. */
export function tasksWithView(run: RunState): string[] {
  if (run.end) return [];
  const { active, early } = liveTasks(run);
  return [...active, ...early].filter((id) => run.work[id]?.startedAt !== undefined);
}

function RunFiles(props: { run: RunState; taskId: string | undefined }): JSX.Element {
  const app = useApp();
  const tasks = createMemo(() => tasksWithView(props.run));
  const place = createMemo((): FilePlace => {
    const { projectId, runId } = props.run;
    const taskId = tasks().find((id) => id === props.taskId);
    return taskId === undefined ? { projectId, runId } : { projectId, runId, taskId };
  });
  return (
    <FileBrowser place={place()}>
      <label class="file-place">
        <span class="quiet">Seen by</span>
        <select
          class="field grow"
          onChange={(event) => {
            const taskId = event.currentTarget.value;
            app.router.go(partPath(props.run.runId, "files", taskId === "" ? undefined : taskId));
          }}
        >
          <option value="" selected={place().taskId === undefined}>
            the project
          </option>
          <For each={tasks()}>
            {(id) => (
              <option value={id} selected={place().taskId === id}>
                task {taskView(props.run, id).number} {visible(taskView(props.run, id).title)}
              </option>
            )}
          </For>
        </select>
      </label>
      <Show when={place().taskId !== undefined}>
        <p class="quiet file-none">Its private copy: what it changes reaches the project when it settles.</p>
      </Show>
    </FileBrowser>
  );
}
