// Over a surface: whether one watches or drives, since when, and the button to change it.

import { type JSX, Match, Show, Switch } from "solid-js";
import { createAction } from "../app/action.ts";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import type { LiveSession, RunState } from "../run/run-state.ts";
import { taskView } from "../run/run-view.ts";
import { duration } from "../words/format.ts";
import { controls, type Held } from "./control.ts";

export function SessionBand(props: { run: RunState; session: LiveSession; held: Held | undefined }): JSX.Element {
  const app = useApp();
  const now = useNow();
  const take = createAction(() => controls.take(app, props.session.sessionId));
  const giveBack = createAction(() => controls.handBack(app, props.session.sessionId, ""));
  const role = (): string => taskView(props.run, props.session.taskId).role || "The worker";
  return (
    <>
      <div class="session-band" classList={{ "band-driving": props.held !== undefined }} role="status">
        <BandWords session={props.session} driving={props.held !== undefined} role={role()} />
        <Show
          when={props.held}
          fallback={
            <Show when={!props.session.closed}>
              <button
                type="button"
                class="button"
                disabled={take.busy() || app.readOnly()}
                onClick={() => void take.run()}
              >
                <Icon name="pointer" /> Take control
              </button>
            </Show>
          }
        >
          {(held) => (
            <>
              <span class="fact">{duration(now() - held().since)}</span>
              <button
                type="button"
                class="button primary"
                disabled={giveBack.busy() || app.readOnly()}
                onClick={() => void giveBack.run()}
              >
                Hand back
              </button>
            </>
          )}
        </Show>
      </div>
      <Show when={take.fault() ?? giveBack.fault() ?? controls.refused(props.session.sessionId)}>
        {(fault) => (
          <FaultNotice
            fault={fault()}
            dismiss={() => {
              take.clear();
              giveBack.clear();
              controls.clearRefusal();
            }}
          />
        )}
      </Show>
    </>
  );
}

function BandWords(props: { session: LiveSession; driving: boolean; role: string }): JSX.Element {
  return (
    <Switch>
      <Match when={props.session.closed}>
        <Icon name="eye" /> <span class="strong">Closed</span>
      </Match>
      <Match when={props.driving}>
        <Icon name="pointer" /> <span class="band-title">You are in control</span>
        <span class="grow">
          {props.role} is paused before its next step
          {props.session.kind === "browser" ? " and sees nothing you type into password fields" : ""}.
        </span>
      </Match>
      <Match when={props.session.taken}>
        <Icon name="eye" /> <span class="band-title">Watching</span>
        <span class="grow">A person drives it in another window or on another device.</span>
      </Match>
      <Match when={true}>
        <Icon name="eye" /> <span class="band-title">Watching</span>
        <span class="grow">{props.role} works here. Taking control pauses it at its next step.</span>
      </Match>
    </Switch>
  );
}
