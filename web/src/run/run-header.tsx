// The goal, the clock, and the buttons that hold or end the run.

import type { Stopped } from "@openwrap/contracts";
import { createSignal, For, type JSX, Show } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { runPath } from "../app/router.ts";
import { runOf } from "../overview/overview-state.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { RehearsalTag } from "../parts/rehearsal-tag.tsx";
import { duration } from "../words/format.ts";
import { RunParts } from "./part-head.tsx";
import type { RunState } from "./run-state.ts";

const PHASES = {
  planning: "Planning",
  review: "Plan waits for you",
  working: "Working",
  paused: "Paused",
  answering: "Writing the answer",
  stopping: "Stopping",
  finished: "Finished",
} as const;

/** A goal beyond it is set smaller, so that the run below keeps its room. */
const LONG_GOAL_CHARS = 70;

const ENDS = { completed: "Completed", failed: "Failed", canceled: "Stopped", queued: "", running: "" } as const;

/** Commands a run takes, for header and keys alike. */
export function useRunCommands(runId: () => string) {
  const app = useApp();
  const [stopped, setStopped] = createSignal<Stopped>();
  const command = () => ({ requestId: requestId(), runId: runId() });
  return {
    pause: createAction(() => app.api.run.pause(command())),
    resume: createAction(() => app.api.run.resume(command())),
    stop: createAction(async () => setStopped(await app.api.run.stop(command()))),
    stopped,
  };
}

export function RunHeader(props: { run: RunState; number: number }): JSX.Element {
  const app = useApp();
  const now = useNow();
  const commands = useRunCommands(() => props.run.runId);
  const over = (): boolean => props.run.end !== undefined;
  const elapsed = (): string => duration((props.run.end?.at ?? now()) - props.run.createdAt);
  return (
    <header class="run-header">
      <div class="run-title">
        <Show when={props.number > 0}>
          <span class="fact quiet">Run {props.number}</span>
        </Show>
        <h1 class={props.run.goal.length > LONG_GOAL_CHARS ? "say-5" : "say-6"} tabIndex={-1}>
          <Inert text={props.run.goal} />
        </h1>
      </div>
      <div class="run-course">
        <RehearsalTag model={props.run.model} />
        <span class="run-phase" role="status">
          {props.run.end ? ENDS[props.run.end.status] : PHASES[props.run.phase]}
        </span>
        <span class="fact" role="timer">
          {elapsed()}
        </span>
        <Show when={!over()}>
          <RunButtons run={props.run} commands={commands} />
        </Show>
      </div>
      <RunParts runId={props.run.runId} />
      <Show when={props.run.follows}>
        {(earlier) => (
          <p class="quiet run-follows">
            Goes on from <a href={runPath(earlier())}>run {runOf(app.overview(), earlier())?.number ?? "before"}</a>
          </p>
        )}
      </Show>
      <For each={[commands.pause, commands.resume, commands.stop]}>
        {(action) => (
          <Show when={action.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={action.clear} />}</Show>
        )}
      </For>
      <Show when={commands.stopped()}>{(stopped) => <StoppedNote stopped={stopped()} />}</Show>
    </header>
  );
}

function RunButtons(props: { run: RunState; commands: ReturnType<typeof useRunCommands> }): JSX.Element {
  const app = useApp();
  const { pause, resume, stop } = props.commands;
  return (
    <div class="row">
      <Show
        when={props.run.phase === "paused"}
        fallback={
          <button
            type="button"
            class="button"
            aria-label="Pause"
            disabled={pause.busy() || app.readOnly() || props.run.phase === "stopping"}
            onClick={() => void pause.run()}
          >
            <Icon name="pause" /> <span class="wide-only">Pause</span>
          </button>
        }
      >
        <button
          type="button"
          class="button primary"
          disabled={resume.busy() || app.readOnly()}
          onClick={() => void resume.run()}
        >
          <Icon name="play" /> Resume
        </button>
      </Show>
      <button
        type="button"
        class="button stop"
        disabled={stop.busy() || app.readOnly()}
        onClick={() => void stop.run()}
      >
        <Icon name="stop" /> Stop
      </button>
    </div>
  );
}

function StoppedNote(props: { stopped: Stopped }): JSX.Element {
  return (
    <div class="note" role="status">
      <p class="strong">Stopped. Nothing ran any more after {props.stopped.quietAfterMs} ms.</p>
      <Show when={props.stopped.effects.length > 0} fallback={<p>Nothing in the project had been changed.</p>}>
        <p>What had already happened, and can be undone:</p>
        <ul>
          <For each={props.stopped.effects}>
            {(effect) => (
              <li>
                <Inert text={effect} />
              </li>
            )}
          </For>
        </ul>
      </Show>
    </div>
  );
}
