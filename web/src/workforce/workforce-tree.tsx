// The workforce as nested lists: all that the picture shows, and what lies behind each task.

import { createMemo, For, type JSX, Show } from "solid-js";
import { partPath } from "../app/router.ts";
import { Glyph } from "../parts/glyph.tsx";
import { Inert } from "../parts/inert.tsx";
import { Calls } from "../run/live-column.tsx";
import type { RunState } from "../run/run-state.ts";
import { lowered, numberOf, taskView } from "../run/run-view.ts";
import { SessionLinks } from "../run/session-links.tsx";
import { layoutTape } from "../run/tape-layout.ts";
import { shortened } from "../words/first-words.ts";
import { amount, shortDuration } from "../words/format.ts";
import { headView, tasksOfLane } from "./heads.ts";

/** What a worker said last, without what it meant for programs. */
const WORDS_CHARS_MAX = 400;

export function WorkforceTree(props: {
  run: RunState;
  chosen: string | undefined;
  choose: (id: string) => void;
}): JSX.Element {
  const lanes = createMemo(() => layoutTape(props.run).lanes.map((lane) => lane.key), [], { equals: same });
  return (
    <section class="workforce-tree" aria-label="Workforce">
      <ul class="tree">
        <li>
          <HeadLine run={props.run} id="planner" />
          <ul>
            <li>
              <HeadLine run={props.run} id="coordinator" />
              <Show when={lanes().length > 0} fallback={<p class="quiet tree-none">Workers come with the plan.</p>}>
                <ul>
                  <For each={lanes()}>
                    {(key) => <Lane run={props.run} lane={key} chosen={props.chosen} choose={props.choose} />}
                  </For>
                </ul>
              </Show>
            </li>
          </ul>
        </li>
      </ul>
    </section>
  );
}

function same(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place]);
}

function HeadLine(props: { run: RunState; id: string }): JSX.Element {
  const view = createMemo(() => headView(props.run, props.id));
  return (
    <p class="tree-head">
      <Glyph state={view().state} /> <span class="strong">{view().title}</span> <span class="quiet">{view().word}</span>
    </p>
  );
}

function Lane(props: {
  run: RunState;
  lane: string;
  chosen: string | undefined;
  choose: (id: string) => void;
}): JSX.Element {
  const tasks = createMemo(() => tasksOfLane(props.run, props.lane), [], { equals: same });
  return (
    <li>
      <HeadLine run={props.run} id={props.lane} />
      <ul>
        <For each={tasks()}>
          {(id) => (
            <li>
              <TaskLine run={props.run} taskId={id} open={props.chosen === id} toggle={() => props.choose(id)} />
            </li>
          )}
        </For>
      </ul>
    </li>
  );
}

function TaskLine(props: { run: RunState; taskId: string; open: boolean; toggle: () => void }): JSX.Element {
  const view = createMemo(() => taskView(props.run, props.taskId));
  const needs = (): string =>
    (props.run.tasks[props.taskId]?.dependsOn ?? [])
      .map((id) => numberOf(props.run, id) || id)
      .sort((a, b) => Number(a) - Number(b))
      .join(", ");
  return (
    <>
      <button
        type="button"
        class="tree-task"
        aria-expanded={props.open}
        data-task-id={props.taskId}
        data-state={view().state}
        onClick={() => props.toggle()}
      >
        <Glyph state={view().state} />
        <span class="number">{view().number}</span>
        <span class="grow">
          <Inert text={view().title} />
          <span class="quiet tree-word">
            {lowered(view().word)}
            {needs() === "" || view().state === "blocked" ? "" : `, after ${needs()}`}
          </span>
        </span>
      </button>
      <Show when={props.open}>
        <TaskDetails run={props.run} taskId={props.taskId} />
      </Show>
    </>
  );
}

function TaskDetails(props: { run: RunState; taskId: string }): JSX.Element {
  const work = () => props.run.work[props.taskId];
  const figures = (): string => {
    const known = work();
    if (!known) return "Not started";
    const spent = `${amount(known.inputTokens + known.outputTokens)} tokens`;
    const tries = known.attempt > 1 ? `, try ${known.attempt}` : "";
    const time = known.startedAt && known.endedAt ? `, ${shortDuration(known.endedAt - known.startedAt)}` : "";
    return `${spent}${time}${tries}`;
  };
  return (
    <div class="tree-details">
      <Show when={props.run.tasks[props.taskId]?.description}>
        {(description) => (
          <p>
            <Inert text={description()} />
          </p>
        )}
      </Show>
      <p class="quiet">{figures()}</p>
      <Show when={work()?.failure}>
        {(failure) => (
          <p class="bad">
            <Inert text={failure().message} />
          </p>
        )}
      </Show>
      <Show when={work()?.words}>
        {(words) => (
          <section class="say-4 live-words" tabIndex={0} aria-label="What it says">
            <Inert text={shortened(words(), WORDS_CHARS_MAX)} />
          </section>
        )}
      </Show>
      <SessionLinks run={props.run} taskId={props.taskId} />
      <Calls work={work()} />
      <Show when={(work()?.paths.length ?? 0) > 0}>
        <p class="row">
          <For each={work()?.paths}>
            {(path) => (
              <code class="makes">
                <Inert text={path} />
              </code>
            )}
          </For>
          <a href={partPath(props.run.runId, "review", props.taskId)}>Review what it changed</a>
        </p>
      </Show>
    </div>
  );
}
