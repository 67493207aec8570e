// Beside a surface: the note to hand back with, what was done, what its worker may reach, and the page as text.

import { createMemo, createSignal, createUniqueId, For, type JSX, Show } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Inert } from "../parts/inert.tsx";
import type { LiveSession, RunState } from "../run/run-state.ts";
import { reach, taskView } from "../run/run-view.ts";
import { clock } from "../words/format.ts";
import { controls, type Held } from "./control.ts";

const NOTE_CHARS_MAX = 2_000;

export function SessionSide(props: {
  run: RunState;
  session: LiveSession;
  held: Held | undefined;
  text: string | undefined;
  aloud: boolean;
  setAloud: (on: boolean) => void;
}): JSX.Element {
  return (
    <aside class="surface-side" aria-label="About this surface">
      <Show when={props.held}>
        {(held) => (
          <>
            <HandBack sessionId={props.session.sessionId} />
            <Deeds run={props.run} session={props.session} held={held()} />
          </>
        )}
      </Show>
      <WorkerReach run={props.run} taskId={props.session.taskId} />
      <Show when={props.session.kind === "terminal"}>
        <section class="side-part" aria-label="Reading">
          <label class="check">
            <input
              type="checkbox"
              checked={props.aloud}
              onChange={(event) => props.setAloud(event.currentTarget.checked)}
            />
            Text for screen readers
          </label>
          <p class="quiet">While you drive it, Shift Escape gives the keyboard back to this page.</p>
        </section>
      </Show>
      <Show when={props.session.kind === "browser"}>
        <section class="side-part" aria-label="The page as text">
          <h2>The page as text</h2>
          <Show when={props.text} fallback={<p class="quiet">Nothing to read yet.</p>}>
            {(text) => (
              <section class="page-text" tabIndex={0} aria-label="Text of the page">
                <Inert text={text()} />
              </section>
            )}
          </Show>
        </section>
      </Show>
    </aside>
  );
}

function HandBack(props: { sessionId: string }): JSX.Element {
  const app = useApp();
  const [note, setNote] = createSignal("");
  const id = createUniqueId();
  const giveBack = createAction(() => controls.handBack(app, props.sessionId, note()));
  return (
    <section class="side-part hand-back" aria-label="Hand back with a note">
      <h2>
        <label for={id}>Hand back with a note</label>
      </h2>
      <textarea
        id={id}
        class="say-4"
        rows="3"
        maxLength={NOTE_CHARS_MAX}
        placeholder="What the worker should know."
        value={note()}
        onInput={(event) => setNote(event.currentTarget.value)}
      />
      <Show when={giveBack.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={giveBack.clear} />}</Show>
      <button
        type="button"
        class="button"
        disabled={note().trim() === "" || giveBack.busy() || app.readOnly()}
        onClick={() => void giveBack.run()}
      >
        Hand back with this note
      </button>
    </section>
  );
}

const DEEDS_SHOWN = 10;

function Deeds(props: { run: RunState; session: LiveSession; held: Held }): JSX.Element {
  const shown = createMemo(() => props.held.deeds().slice(-DEEDS_SHOWN));
  const role = (): string => taskView(props.run, props.session.taskId).role || "The worker";
  return (
    <section class="side-part" aria-label="What you did">
      <h2>What you did</h2>
      <ol class="plain-list deeds">
        <For each={shown()}>
          {(deed) => (
            <li>
              <span class="fact quiet">{clock(deed.at)}</span> <Inert text={deed.words} />
            </li>
          )}
        </For>
      </ol>
      <p class="quiet">{role()} is told what changed, with your note.</p>
    </section>
  );
}

/** Granted to the task or to the whole run. */
function WorkerReach(props: { run: RunState; taskId: string }): JSX.Element {
  const parts = createMemo(() => {
    const own = props.run.grants.filter(({ holder }) => holder.kind === "run" || holder.taskId === props.taskId);
    return reach(own.map((grant) => grant.capability)).filter((part) => part.values.length > 0);
  });
  return (
    <section class="side-part" aria-label="Reach">
      <h2>Reach of {taskView(props.run, props.taskId).role || "the worker"}</h2>
      <dl class="surface-reach">
        <For each={parts()} fallback={<dd class="quiet">nothing beyond its own copy</dd>}>
          {(part) => (
            <>
              <dt>{part.label}</dt>
              <dd>
                <For each={part.values}>
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
      </dl>
    </section>
  );
}
