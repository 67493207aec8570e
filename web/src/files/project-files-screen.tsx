// Files of every project that was opened.

import { createMemo, For, type JSX, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { projectPath } from "../app/router.ts";
import { projectOf } from "../overview/overview-state.ts";
import { visible } from "../words/visible-text.ts";
import { FileBrowser } from "./file-browser.tsx";

export default function ProjectFilesScreen(props: { projectId: string | undefined }): JSX.Element {
  const app = useApp();
  const project = createMemo(() => {
    const named = props.projectId === undefined ? undefined : projectOf(app.overview(), props.projectId);
    const newest = app.overview().runs[0]?.projectId;
    return named ?? (newest ? projectOf(app.overview(), newest) : undefined) ?? app.overview().projects.at(-1);
  });
  return (
    <main class="part" id="main">
      <header class="part-head">
        <h1 class="say-5" tabIndex={-1}>
          Files
        </h1>
      </header>
      <Show
        when={project()?.projectId}
        fallback={
          <p class="say-4 file-none">
            No folder is open. <a href="/">Open one on the start page.</a>
          </p>
        }
      >
        {(projectId) => (
          <FileBrowser place={{ projectId: projectId() }}>
            <label class="file-place">
              <span class="quiet">Project</span>
              <select class="field grow" onChange={(event) => app.router.go(projectPath(event.currentTarget.value))}>
                <For each={app.overview().projects}>
                  {(one) => (
                    <option value={one.projectId} selected={one.projectId === projectId()}>
                      {visible(one.name)}
                    </option>
                  )}
                </For>
              </select>
            </label>
          </FileBrowser>
        )}
      </Show>
    </main>
  );
}
