// At the foot of a run: say something to its workers while it lives, or what should come next when it is over.

import { createMemo, createSignal, createUniqueId, For, type JSX, Show } from "solid-js";
import { createAction, requestId } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { runPath } from "../app/router.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { AddFiles, createDrop, createUploads, UploadList, type Uploads } from "../parts/uploads.tsx";
import { visible } from "../words/visible-text.ts";
import type { RunState } from "./run-state.ts";
import { liveTasks, messageWords, taskView } from "./run-view.ts";

const TEXT_CHARS_MAX = 8_000;

export function SteerBar(props: { run: RunState }): JSX.Element {
  return (
    <Show when={!props.run.model.startsWith("playbook/")} fallback={<PlaybookNote run={props.run} />}>
      <ModelSteerBar run={props.run} />
    </Show>
  );
}

/** A program reads no messages. */
function PlaybookNote(props: { run: RunState }): JSX.Element {
  return (
    <section class="steer" aria-label="About this run">
      <p class="quiet">
        A playbook carries out this run: no model takes part, and nobody reads messages.
        <Show when={props.run.end === undefined}> It can be paused and stopped.</Show>
      </p>
    </section>
  );
}

function ModelSteerBar(props: { run: RunState }): JSX.Element {
  const uploads = createUploads(() => props.run.projectId);
  const drop = createDrop(uploads);
  return (
    <section
      class="steer"
      classList={{ "drop-over": drop.over() }}
      aria-label={props.run.end ? "What should come next" : "Steer this run"}
      {...drop.on}
    >
      <UploadList uploads={uploads} />
      <Show when={props.run.end} fallback={<Steer run={props.run} uploads={uploads} />}>
        <FollowUp run={props.run} uploads={uploads} />
      </Show>
    </section>
  );
}

function Field(props: {
  label: string;
  placeholder: string;
  text: string;
  write: (text: string) => void;
  enter: (strong: boolean) => void;
}): JSX.Element {
  const id = createUniqueId();
  return (
    <>
      <label class="unseen" for={id}>
        {props.label}
      </label>
      <textarea
        id={id}
        class="steer-field"
        rows="1"
        maxLength={TEXT_CHARS_MAX}
        placeholder={props.placeholder}
        value={props.text}
        onInput={(event) => props.write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          props.enter(event.ctrlKey || event.metaKey);
        }}
      />
    </>
  );
}

function Steer(props: { run: RunState; uploads: Uploads }): JSX.Element {
  const app = useApp();
  const [text, setText] = createSignal("");
  const [target, setTarget] = createSignal("");
  const steer = createAction(async (interrupt: boolean) => {
    const place = target() === "" ? {} : { taskId: target() };
    await app.api.run.steer({
      requestId: requestId(),
      runId: props.run.runId,
      text: text().trim(),
      interrupt,
      ...place,
    });
    setText("");
  });
  const off = (): boolean => text().trim() === "" || steer.busy() || app.readOnly() || props.run.phase === "stopping";
  const send = (interrupt: boolean): void => {
    if (!off()) void steer.run(interrupt);
  };
  return (
    <>
      <Unseen run={props.run} />
      <Show when={steer.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={steer.clear} />}</Show>
      <form
        class="steer-row"
        onSubmit={(event) => {
          event.preventDefault();
          send(false);
        }}
      >
        <Field label="Steer this run" placeholder="Steer this run" text={text()} write={setText} enter={send} />
        <Target run={props.run} target={target()} choose={setTarget} />
        <AddFiles uploads={props.uploads} words="Add files" bare />
        <button type="button" class="button" disabled={off()} title="Ctrl Enter" onClick={() => send(true)}>
          Interrupt now
        </button>
        <button type="submit" class="button primary" disabled={off()} title="Read with the next step">
          Queue <span class="key-sign" aria-hidden="true" />
        </button>
      </form>
    </>
  );
}

/** Messages no worker has read yet. */
function Unseen(props: { run: RunState }): JSX.Element {
  const waiting = createMemo(() => props.run.messages.filter((message) => message.seenBy.length === 0));
  return (
    <Show when={waiting().length > 0}>
      <ul class="plain-list steer-waiting">
        <For each={waiting()}>
          {(message) => (
            <li>
              <span class="said cut-off">
                <Inert text={message.text} />
              </span>
              <span class="quiet">{messageWords(props.run, message)}</span>
            </li>
          )}
        </For>
      </ul>
    </Show>
  );
}

function Target(props: { run: RunState; target: string; choose: (taskId: string) => void }): JSX.Element {
  const tasks = createMemo(() => liveTasks(props.run).active.map((id) => taskView(props.run, id)));
  return (
    <Show when={tasks().length > 1}>
      <label class="picker steer-target">
        <span class="unseen">To whom</span>
        <select onChange={(event) => props.choose(event.currentTarget.value)}>
          <option value="" selected={props.target === ""}>
            To every worker
          </option>
          <For each={tasks()}>
            {(task) => (
              <option value={task.taskId} selected={props.target === task.taskId}>
                To {task.number} {visible(task.title)}
              </option>
            )}
          </For>
        </select>
      </label>
    </Show>
  );
}

function FollowUp(props: { run: RunState; uploads: Uploads }): JSX.Element {
  const app = useApp();
  const [text, setText] = createSignal("");
  const follow = createAction(async () => {
    const { runId, projectId, model, approve } = props.run;
    const goal = text().trim();
    const created = await app.api.run.create({
      requestId: requestId(),
      projectId,
      goal,
      model,
      approve,
      allow: [],
      follows: runId,
    });
    app.router.go(runPath(created.runId));
  });
  const off = (): boolean => text().trim() === "" || follow.busy() || app.readOnly();
  const send = (): void => {
    if (!off()) void follow.run();
  };
  return (
    <>
      <Show when={follow.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={follow.clear} />}</Show>
      <form
        class="steer-row"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Field
          label="What should come next"
          placeholder="Say what should come next. The planner knows this run."
          text={text()}
          write={setText}
          enter={send}
        />
        <AddFiles uploads={props.uploads} words="Add files" bare />
        <button type="submit" class="button primary" disabled={off()}>
          <Icon name="right" /> Make a plan
        </button>
      </form>
    </>
  );
}
