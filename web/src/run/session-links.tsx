// Live surfaces of a run or a task: watched by following the link.

import { createMemo, For, type JSX, Show } from "solid-js";
import { partPath } from "../app/router.ts";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import type { LiveSession, RunState } from "./run-state.ts";
import { numberOf, openSessions } from "./run-view.ts";

export const KIND_WORDS = { terminal: "Terminal", browser: "Browser", file: "File" } as const;

export function SessionLinks(props: { run: RunState; taskId?: string }): JSX.Element {
  const sessions = createMemo(() =>
    openSessions(props.run).filter((session) => props.taskId === undefined || session.taskId === props.taskId),
  );
  return (
    <Show when={sessions().length > 0}>
      <ul class="plain-list session-links">
        <For each={sessions()}>
          {(session) => (
            <li>
              <SessionLink run={props.run} session={session} place={props.taskId === undefined} />
            </li>
          )}
        </For>
      </ul>
    </Show>
  );
}

function SessionLink(props: { run: RunState; session: LiveSession; place: boolean }): JSX.Element {
  const number = (): number => (props.place ? numberOf(props.run, props.session.taskId) : 0);
  return (
    <a
      class="session-link"
      classList={{ taken: props.session.taken !== undefined }}
      href={partPath(props.run.runId, "workspace", props.session.sessionId)}
    >
      <Icon name={props.session.kind} size={14} />
      <span class="unseen">Watch the {KIND_WORDS[props.session.kind].toLowerCase()}</span>
      <code class="cut-off grow">
        <Inert text={props.session.title} />
      </code>
      <span class="quiet">{props.session.taken ? "in your hands" : number() > 0 ? `task ${number()}` : ""}</span>
    </a>
  );
}
