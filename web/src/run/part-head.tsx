// From one view of a run to the others: the run, its workforce, its live surfaces, its files, its changes.

import { createMemo, For, type JSX, Show } from "solid-js";
import { useApp } from "../app/app.ts";
import { partPath, type RunPart, runPath } from "../app/router.ts";
import { runOf } from "../overview/overview-state.ts";
import { Icon, type IconName } from "../parts/icon.tsx";

const PARTS: readonly { part: RunPart; icon: IconName; words: string }[] = [
  { part: "workforce", icon: "graph", words: "Workforce" },
  { part: "workspace", icon: "eye", words: "Watch" },
  { part: "files", icon: "folder", words: "Files" },
  { part: "review", icon: "diff", words: "Review" },
];

export function RunParts(props: { runId: string }): JSX.Element {
  const app = useApp();
  return (
    <nav class="run-parts" aria-label="Views of this run">
      <For each={PARTS}>
        {({ part, icon, words }) => (
          <a
            class="button plain"
            href={partPath(props.runId, part)}
            aria-current={app.router.place().screen === part ? "page" : undefined}
          >
            <Icon name={icon} /> <span class="part-word">{words}</span>
          </a>
        )}
      </For>
    </nav>
  );
}

export function PartHead(props: { runId: string; title: string; children?: JSX.Element }): JSX.Element {
  const app = useApp();
  const number = createMemo(() => runOf(app.overview(), props.runId)?.number);
  return (
    <header class="part-head">
      <a class="button plain part-back" href={runPath(props.runId)}>
        <Icon name="back" /> Run {number() ?? ""}
      </a>
      <h1 class="say-5" tabIndex={-1}>
        {props.title}
      </h1>
      <Show when={props.children} fallback={<span class="grow" />}>
        <div class="part-middle grow">{props.children}</div>
      </Show>
      <RunParts runId={props.runId} />
    </header>
  );
}
