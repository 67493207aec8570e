// Beside the run: its files, plan, reach, tokens and workers.

import { createMemo, createSignal, For, type JSX, Match, Show, Switch } from "solid-js";
import { FileTile } from "../parts/file-tile.tsx";
import { Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { PreviewLink } from "../parts/preview-link.tsx";
import { TokenMeter } from "../parts/token-meter.tsx";
import { amount } from "../words/format.ts";
import { Calls } from "./live-column.tsx";
import { RunBudget } from "./run-budget.tsx";
import type { RunState } from "./run-state.ts";
import { granted, numberOf, openSessions, reach, taskView, workers } from "./run-view.ts";
import { SessionLinks } from "./session-links.tsx";
import { BlobView } from "./tool-row.tsx";

type Tab = "files" | "plan" | "reach";

export function SidePane(props: { run: RunState }): JSX.Element {
  const [tab, setTab] = createSignal<Tab>("files");
  const files = createMemo(() => Object.values(props.run.files).sort((a, b) => (a.path < b.path ? -1 : 1)));
  const Choice = (choice: { tab: Tab; children: JSX.Element }): JSX.Element => (
    <button type="button" class="tab" aria-pressed={tab() === choice.tab} onClick={() => setTab(choice.tab)}>
      {choice.children}
    </button>
  );
  return (
    <aside class="side" aria-label="About this run">
      <nav class="tabs" aria-label="Views">
        <Choice tab="files">Files {files().length}</Choice>
        <Choice tab="plan">Plan</Choice>
        <Choice tab="reach">Reach</Choice>
      </nav>
      <div class="side-body">
        <Switch>
          <Match when={tab() === "files"}>
            <Show
              when={files().length > 0}
              fallback={<p class="quiet">No file yet. Files appear here when a task has made them.</p>}
            >
              <ul class="tiles">
                <For each={files()}>
                  {(file) => (
                    <li>
                      <FileTile
                        projectId={props.run.projectId}
                        runId={props.run.runId}
                        path={file.path}
                        size={file.size}
                        settled={file.settled}
                        undone={file.undone}
                        from={String(numberOf(props.run, file.taskId) || file.taskId)}
                      />
                    </li>
                  )}
                </For>
              </ul>
            </Show>
          </Match>
          <Match when={tab() === "plan"}>
            <PlanList run={props.run} />
          </Match>
          <Match when={tab() === "reach"}>
            <ReachList run={props.run} />
          </Match>
        </Switch>
      </div>
      <LiveParts run={props.run} />
      <Tokens run={props.run} />
      <Workers run={props.run} />
    </aside>
  );
}

/** What can be watched, and the pages that tasks serve. */
function LiveParts(props: { run: RunState }): JSX.Element {
  return (
    <>
      <Show when={openSessions(props.run).length > 0}>
        <section class="side-part" aria-label="Live">
          <h2>Live</h2>
          <SessionLinks run={props.run} />
        </section>
      </Show>
      <Show when={props.run.previews.length > 0}>
        <section class="side-part" aria-label="Pages served">
          <h2>Pages served</h2>
          <ul class="plain-list">
            <For each={props.run.previews}>
              {(preview) => (
                <li class="note-line">
                  <code class="cut-off">
                    <Inert text={preview.path} />
                  </code>
                  <PreviewLink url={preview.url} over={props.run.end !== undefined} />
                </li>
              )}
            </For>
          </ul>
        </section>
      </Show>
    </>
  );
}

function PlanList(props: { run: RunState }): JSX.Element {
  return (
    <Show when={props.run.order.length > 0} fallback={<p class="quiet">No plan is accepted yet.</p>}>
      <ol class="side-plan">
        <For each={props.run.order}>
          {(id) => {
            const view = createMemo(() => taskView(props.run, id));
            return (
              <li>
                <details>
                  <summary>
                    <Glyph state={view().state} /> <span class="strong">{view().number}</span>{" "}
                    <span>
                      <Inert text={view().title} /> <span class="quiet">{view().word}</span>
                    </span>
                  </summary>
                  <p class="quiet">
                    <Inert text={props.run.tasks[id]?.description ?? ""} />
                  </p>
                  <Calls work={view().work} />
                  <Show when={view().work?.result}>{(result) => <Result hash={result().hash} />}</Show>
                </details>
              </li>
            );
          }}
        </For>
      </ol>
    </Show>
  );
}

/** The whole result, read when it is wanted. */
function Result(props: { hash: string }): JSX.Element {
  const [open, setOpen] = createSignal(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Its result</summary>
      <Show when={open()}>
        <BlobView title="Result" hash={props.hash} />
      </Show>
    </details>
  );
}

function ReachList(props: { run: RunState }): JSX.Element {
  const parts = createMemo(() => reach(granted(props.run)));
  return (
    <dl class="side-reach">
      <For each={parts()}>
        {(part) => (
          <>
            <dt>{part.label}</dt>
            <dd>
              <For each={part.values} fallback={<span class="quiet">nothing</span>}>
                {(value) => (
                  <code>
                    <Inert text={value === "." ? "all of the project" : value} />
                  </code>
                )}
              </For>
            </dd>
          </>
        )}
      </For>
      <Show when={props.run.refusedHosts.length > 0}>
        <dt>Refused</dt>
        <dd>
          <For each={props.run.refusedHosts}>
            {(host) => (
              <code>
                <Inert text={host} />
              </code>
            )}
          </For>
        </dd>
      </Show>
    </dl>
  );
}

function Tokens(props: { run: RunState }): JSX.Element {
  return (
    <section class="side-part" aria-label="Tokens of this run">
      <h2>Tokens, this run</h2>
      <TokenMeter input={props.run.inputTokens} output={props.run.outputTokens} />
      <p class="side-sum fact">
        <span>{amount(props.run.inputTokens)} read</span>
        <span>{amount(props.run.outputTokens)} written</span>
      </p>
      <RunBudget runId={props.run.runId} />
    </section>
  );
}

function Workers(props: { run: RunState }): JSX.Element {
  const list = createMemo(() => workers(props.run));
  return (
    <section class="side-part" aria-label="Workers">
      <h2>Workers</h2>
      <ul class="side-workers">
        <For each={list()} fallback={<li class="quiet">Nobody has started yet.</li>}>
          {(worker) => (
            <li>
              <Glyph state={worker.state} />
              <span class="grow">{worker.title}</span>
              <span class="fact quiet">{amount(worker.inputTokens + worker.outputTokens)} tokens</span>
            </li>
          )}
        </For>
      </ul>
    </section>
  );
}
