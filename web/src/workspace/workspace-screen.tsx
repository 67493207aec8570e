// A worker's live surfaces: watched, or driven by the person until they are handed back.

import "../styles/workspace.css";
import {
  createEffect,
  createMemo,
  createSignal,
  For,
  type JSX,
  lazy,
  Match,
  on,
  onCleanup,
  Show,
  Switch,
} from "solid-js";
import { useApp } from "../app/app.ts";
import { createRead } from "../app/read.ts";
import { partPath } from "../app/router.ts";
import { FileBrowser } from "../files/file-browser.tsx";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Icon } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { PartHead } from "../run/part-head.tsx";
import type { LiveSession, RunState } from "../run/run-state.ts";
import { openSessions, taskView } from "../run/run-view.ts";
import { KIND_WORDS } from "../run/session-links.tsx";
import { useFeed } from "../run/use-feed.ts";
import { visible } from "../words/visible-text.ts";
import type { BrowserSurface } from "./browser-view.tsx";
import { controls } from "./control.ts";
import { SessionBand } from "./session-band.tsx";
import { SessionSide } from "./session-side.tsx";

const BrowserView = lazy(() => import("./browser-view.tsx"));
const TerminalView = lazy(() => import("./terminal-view.tsx"));

export default function WorkspaceScreen(props: { runId: string; detail: string | undefined }): JSX.Element {
  const feed = useFeed(() => props.runId);
  return (
    <main class="part workspace-part" id="main">
      <Switch
        fallback={
          <>
            <PartHead runId={props.runId} title="Workspace" />
            <Skeleton rows={6} label="The run is being read" />
          </>
        }
      >
        <Match when={feed().state()}>{(run) => <Workspace run={run()} detail={props.detail} />}</Match>
        <Match when={feed().fault()}>
          {(fault) => <FaultNotice fault={fault()} retry={() => void feed().load()} />}
        </Match>
      </Switch>
    </main>
  );
}

/** Sessions to choose from: open ones, and the named one although it is over. */
function choices(run: RunState, named: string | undefined): LiveSession[] {
  const open = openSessions(run);
  const over = named === undefined ? undefined : run.sessions[named];
  return over && !open.includes(over) ? [...open, over] : open;
}

function Workspace(props: { run: RunState; detail: string | undefined }): JSX.Element {
  const app = useApp();
  const [files, setFiles] = createSignal(false);
  void controls.restore(app);
  const sessions = createMemo(() => choices(props.run, props.detail));
  const chosen = createMemo(() => sessions().find((one) => one.sessionId === props.detail) ?? sessions()[0]);
  const id = createMemo(() => chosen()?.sessionId);
  const worker = (): string => {
    const session = chosen();
    return session ? `${taskView(props.run, session.taskId).role}\u2019s workspace` : "Workspace";
  };
  createEffect(on(id, () => setFiles(false), { defer: true }));
  const open = (sessionId: string): void => {
    setFiles(false);
    app.router.go(partPath(props.run.runId, "workspace", sessionId));
  };
  return (
    <>
      <PartHead runId={props.run.runId} title={worker()}>
        <SurfaceTabs
          run={props.run}
          sessions={sessions()}
          chosen={files() ? undefined : id()}
          open={open}
          files={files()}
          showFiles={() => setFiles(true)}
        />
      </PartHead>
      <Show
        when={id()}
        keyed
        fallback={
          <p class="say-4 workspace-none">
            {props.run.end
              ? "The run is over; its browsers and terminals are closed."
              : "No browser and no terminal is open. They come here when a worker opens one."}
          </p>
        }
      >
        {(sessionId) => (
          <Show when={props.run.sessions[sessionId]}>
            {(session) => (
              <Show when={!files()} fallback={<OwnFiles run={props.run} session={session()} />}>
                <Surface run={props.run} session={session()} />
              </Show>
            )}
          </Show>
        )}
      </Show>
    </>
  );
}

function OwnFiles(props: { run: RunState; session: LiveSession }): JSX.Element {
  const place = createMemo(() => {
    const { projectId, runId } = props.run;
    const working = props.run.work[props.session.taskId]?.state;
    const own = working === "running" || working === "waiting" || working === "completed";
    return own ? { projectId, runId, taskId: props.session.taskId } : { projectId, runId };
  });
  return <FileBrowser place={place()} />;
}

function SurfaceTabs(props: {
  run: RunState;
  sessions: LiveSession[];
  chosen: string | undefined;
  open: (sessionId: string) => void;
  files: boolean;
  showFiles: () => void;
}): JSX.Element {
  const words = (session: LiveSession): string => {
    const { number } = taskView(props.run, session.taskId);
    const several = props.sessions.filter((one) => one.kind === session.kind).length > 1;
    return several && number > 0 ? `${KIND_WORDS[session.kind]}, task ${number}` : KIND_WORDS[session.kind];
  };
  return (
    <nav class="tabs surface-tabs" aria-label="Surfaces">
      <For each={props.sessions}>
        {(session) => (
          <button
            type="button"
            class="tab"
            aria-pressed={session.sessionId === props.chosen}
            title={visible(session.title)}
            onClick={() => props.open(session.sessionId)}
          >
            <Icon name={session.kind} /> {words(session)}
            <Show when={session.taken}>
              <span class="tab-taken">taken</span>
            </Show>
          </button>
        )}
      </For>
      <Show when={props.sessions.length > 0}>
        <button type="button" class="tab" aria-pressed={props.files} onClick={() => props.showFiles()}>
          <Icon name="folder" /> Files
        </button>
      </Show>
    </nav>
  );
}

function Surface(props: { run: RunState; session: LiveSession }): JSX.Element {
  const app = useApp();
  const { sessionId, kind } = props.session;
  const held = createMemo(() => controls.held(sessionId));
  const driving = (): boolean => held() !== undefined && !app.readOnly() && !props.session.closed;
  const [aloud, setAloud] = createSignal(false);
  createEffect(() => controls.follow(props.session));
  const view = createRead<string, BrowserSurface | undefined>(
    () => (kind === "browser" && !props.session.closed ? sessionId : undefined),
    async (wanted) => {
      const found = (await app.api.session.view({ sessionId: wanted })).view;
      return found?.kind === "browser" ? found : undefined;
    },
  );
  const stop = app.surfaces.listen(sessionId, (frame) => {
    if (frame.kind === "changed" && kind === "browser") view.again();
  });
  onCleanup(stop);
  let band: HTMLDivElement | undefined;
  const release = (): void => band?.querySelector<HTMLElement>("button")?.focus();
  return (
    <div class="workspace">
      <section class="surface" classList={{ driving: driving(), watching: !driving() }} aria-label={KIND_WORDS[kind]}>
        <div
          ref={(element) => {
            band = element;
          }}
        >
          <SessionBand run={props.run} session={props.session} held={held()} />
        </div>
        <Show
          when={props.session.closed}
          fallback={<LiveSurface {...props} driving={driving()} aloud={aloud()} view={view} release={release} />}
        >
          {(closed) => (
            <p class="say-4 workspace-none">
              It has ended: <Inert text={closed().reason} />.
            </p>
          )}
        </Show>
      </section>
      <SessionSide
        run={props.run}
        session={props.session}
        held={held()}
        text={view.value()?.text}
        aloud={aloud()}
        setAloud={setAloud}
      />
    </div>
  );
}

function LiveSurface(props: {
  session: LiveSession;
  driving: boolean;
  aloud: boolean;
  view: ReturnType<typeof createRead<string, BrowserSurface | undefined>>;
  release: () => void;
}): JSX.Element {
  return (
    <Show
      when={props.session.kind === "browser"}
      fallback={
        <TerminalView session={props.session} driving={props.driving} aloud={props.aloud} release={props.release} />
      }
    >
      <BrowserView session={props.session} driving={props.driving} view={props.view} release={props.release} />
    </Show>
  );
}
