// What is round every screen: places, the top bar, what waits, the connection.

import { createEffect, createMemo, For, type JSX, lazy, Match, on, Show, Suspense, Switch } from "solid-js";
import { Dynamic } from "solid-js/web";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import { load } from "../app/load.ts";
import type { Place, RunPart } from "../app/router.ts";
import { ApprovalsScreen } from "../approvals/approvals-screen.tsx";
import { NowScreen } from "../now/now-screen.tsx";
import { added, isOver, NOTHING_SPENT, projectOf, runOf } from "../overview/overview-state.ts";
import { CostMeter } from "../parts/cost-meter.tsx";
import { FaultNotice, Skeleton } from "../parts/fault-notice.tsx";
import { Diamond } from "../parts/glyph.tsx";
import { Icon, Mark } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { TokenMeter } from "../parts/token-meter.tsx";
import { amount, clock } from "../words/format.ts";
import { WorkScreen } from "../work/work-screen.tsx";
import { DialogBoundary, ScreenBoundary } from "./boundary.tsx";
import { type Commands, createCommands } from "./commands.ts";
import { type Door, RAIL, railPlaceOf } from "./places.ts";

const RunScreen = lazy(() => load(() => import("../run/run-screen.tsx")));
const RUN_SCREENS = {
  workforce: lazy(() => load(() => import("../workforce/workforce-screen.tsx"))),
  workspace: lazy(() => load(() => import("../workspace/workspace-screen.tsx"))),
  files: lazy(() => load(() => import("../files/run-files-screen.tsx"))),
  review: lazy(() => load(() => import("../review/review-screen.tsx"))),
};
const SettingsScreen = lazy(() => load(() => import("../settings/settings-screen.tsx")));
const Palette = lazy(() => load(() => import("./palette.tsx")));
const KeyHelp = lazy(() => load(() => import("./key-help.tsx")));
const ProjectFilesScreen = lazy(() => load(() => import("../files/project-files-screen.tsx")));
const LibraryScreen = lazy(() => load(() => import("../library/library-screen.tsx")));
const ModelsScreen = lazy(() => load(() => import("../models/models-screen.tsx")));
const AuditScreen = lazy(() => load(() => import("../audit/audit-screen.tsx")));
const DevicesScreen = lazy(() => load(() => import("../devices/devices-screen.tsx")));
const PlaybooksScreen = lazy(() => load(() => import("../playbooks/playbooks-screen.tsx")));
const ToolsScreen = lazy(() => load(() => import("../tools/tools-screen.tsx")));

/** At hand before they are asked for, so that no key that is typed into them is lost; then the rest, for when the server is away. */
const PRELOADED = [
  RunScreen,
  Palette,
  KeyHelp,
  ...Object.values(RUN_SCREENS),
  LibraryScreen,
  PlaybooksScreen,
  ModelsScreen,
  ToolsScreen,
  ProjectFilesScreen,
  AuditScreen,
  DevicesScreen,
  SettingsScreen,
];

/** After the first screen has come to rest. */
const PRELOAD_MS = 1_000;

/** One after the other. What fails is tried again when it is opened. */
async function preload(): Promise<void> {
  for (const screen of PRELOADED) {
    try {
      await screen.preload();
    } catch {
      return;
    }
  }
}

/** A lost connection is said aloud only when it stays lost. */
const BANNER_MS = 5_000;

export function Frame(): JSX.Element {
  const app = useApp();
  const commands = createCommands(app);
  const place = app.router.place;
  titles();
  setTimeout(() => void preload(), PRELOAD_MS);
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <Rail />
      <div class="stage">
        <TopBar commands={commands} />
        <LostBanner />
        <Show when={commands.fault()}>{(fault) => <FaultNotice fault={fault()} dismiss={commands.clear} />}</Show>
        <Doors />
        <div class={`screen screen-${place().screen}`}>
          <ScreenBoundary place={place}>
            <Suspense fallback={<Skeleton rows={6} label="The screen is being read" />}>
              <Screen place={place()} />
            </Suspense>
          </ScreenBoundary>
        </div>
      </div>
      <Show when={commands.dialog() === "palette"}>
        <DialogBoundary close={commands.close}>
          <Palette commands={commands} />
        </DialogBoundary>
      </Show>
      <Show when={commands.dialog() === "help"}>
        <DialogBoundary close={commands.close}>
          <KeyHelp commands={commands} />
        </DialogBoundary>
      </Show>
    </>
  );
}

type PartPlace = Extract<Place, { screen: RunPart }>;

function partOf(place: Place): PartPlace | undefined {
  return Object.hasOwn(RUN_SCREENS, place.screen) ? (place as PartPlace) : undefined;
}

function Screen(props: { place: Place }): JSX.Element {
  const as = <S extends Place["screen"]>(screen: S): Extract<Place, { screen: S }> | undefined =>
    props.place.screen === screen ? (props.place as Extract<Place, { screen: S }>) : undefined;
  const part = createMemo(() => partOf(props.place));
  const shown = createMemo(() => {
    const place = part();
    return place ? `${place.screen} ${place.runId}` : undefined;
  });
  return (
    <Switch
      fallback={
        <main class="page" id="main">
          <h1 class="say-6" tabIndex={-1}>
            There is nothing here.
          </h1>
          <p>
            <a href="/">Go to Now</a>
          </p>
        </main>
      }
    >
      <Match when={props.place.screen === "now"}>
        <NowScreen />
      </Match>
      <Match when={props.place.screen === "work"}>
        <WorkScreen />
      </Match>
      <Match when={as("run")?.runId} keyed>
        {(runId) => (
          <main class="run-main" id="main">
            <RunScreen runId={runId} />
          </main>
        )}
      </Match>
      <Match when={shown()} keyed>
        {(_) => {
          const { screen, runId } = part() as PartPlace;
          return <Dynamic component={RUN_SCREENS[screen]} runId={runId} detail={part()?.detail} />;
        }}
      </Match>
      <Match when={as("approvals")}>{(approvals) => <ApprovalsScreen approvalId={approvals().approvalId} />}</Match>
      <Match when={as("projects")}>{(projects) => <ProjectFilesScreen projectId={projects().projectId} />}</Match>
      <Match when={as("tools")}>{(tools) => <ToolsScreen serverId={tools().serverId} />}</Match>
      <Match when={as("playbooks")}>{(playbooks) => <PlaybooksScreen name={playbooks().name} />}</Match>
      <Match when={as("library")}>{(library) => <LibraryScreen entry={library().entry} />}</Match>
      <Match when={as("models")}>{(models) => <ModelsScreen providerId={models().providerId} />}</Match>
      <Match when={props.place.screen === "devices"}>
        <DevicesScreen />
      </Match>
      <Match when={props.place.screen === "audit"}>
        <AuditScreen />
      </Match>
      <Match when={props.place.screen === "settings"}>
        <SettingsScreen />
      </Match>
    </Switch>
  );
}

const TITLES: Record<Place["screen"], string> = {
  now: "Now",
  work: "Work",
  run: "",
  workforce: "Workforce, ",
  workspace: "Workspace, ",
  files: "Files, ",
  review: "Review, ",
  approvals: "Waiting for you",
  projects: "Files",
  tools: "Tools",
  library: "Library",
  models: "Models",
  playbooks: "Playbooks",
  audit: "Audit",
  devices: "Devices",
  settings: "Settings",
  nowhere: "Nothing here",
};

/** Document title with what waits; the heading takes the focus when the place changes. */
function titles(): void {
  const app = useApp();
  const words = createMemo(() => {
    const place = app.router.place();
    const words = TITLES[place.screen];
    return "runId" in place ? `${words}Run ${runOf(app.overview(), place.runId)?.number ?? ""}` : words;
  });
  createEffect(() => {
    const waiting = app.overview().approvals.length;
    document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${words()} \u00b7 Open Wrap`;
  });
  createEffect(
    on(
      app.router.place,
      () => queueMicrotask(() => document.querySelector<HTMLElement>("h1[tabindex]")?.focus({ preventScroll: true })),
      { defer: true },
    ),
  );
}

function Rail(): JSX.Element {
  const app = useApp();
  return (
    <nav class="rail" aria-label="Places">
      <a class="rail-mark" href="/" aria-label="Open Wrap">
        <Mark />
      </a>
      {RAIL.map((entry) => (
        <a
          class="rail-place"
          href={entry.path}
          aria-current={railPlaceOf(app.router.place().screen) === entry ? "page" : undefined}
        >
          <Icon name={entry.icon} size={20} />
          <span>{entry.words}</span>
        </a>
      ))}
    </nav>
  );
}

/** The screens of one place, beside each other. */
function Doors(): JSX.Element {
  const app = useApp();
  const here = createMemo(() => railPlaceOf(app.router.place().screen));
  const open = (door: Door): boolean => door.screens.includes(app.router.place().screen);
  return (
    <Show when={(here()?.doors.length ?? 0) > 1 ? here() : undefined}>
      {(place) => (
        <nav class="doors" aria-label={`In ${place().words}`}>
          <For each={place().doors}>
            {(door) => (
              <a class="door" href={door.path} aria-current={open(door) ? "page" : undefined}>
                {door.words}
              </a>
            )}
          </For>
        </nav>
      )}
    </Show>
  );
}

const POLICY = {
  ask: "Ask for anything new",
  bundle: "Only what the plan asks for",
  all: "Yes to all but protected names",
} as const;

function TopBar(props: { commands: Commands }): JSX.Element {
  const app = useApp();
  const shown = createMemo(() => {
    const place = app.router.place();
    return "runId" in place ? runOf(app.overview(), place.runId) : undefined;
  });
  const project = createMemo(() => {
    const run = shown() ?? app.overview().runs[0];
    return run ? projectOf(app.overview(), run.projectId) : app.overview().projects.at(-1);
  });
  const tokens = createMemo(() => {
    const run = shown();
    const counted = run
      ? [run]
      : app
          .overview()
          .runs.filter(
            (one) => isOver(one) === false || new Date(one.createdAt).toDateString() === new Date().toDateString(),
          );
    return {
      whose: run ? `Run ${run.number}` : "Today",
      input: counted.reduce((sum, one) => sum + one.inputTokens, 0),
      output: counted.reduce((sum, one) => sum + one.outputTokens, 0),
      spending: counted.map((one) => one.spending ?? NOTHING_SPENT).reduce(added, NOTHING_SPENT),
      budget: run?.budget,
    };
  });
  return (
    <header class="top">
      <span class="top-mark" aria-hidden="true">
        <Mark />
      </span>
      <span class="strong top-project">
        <Inert text={project()?.name ?? "Open Wrap"} />
      </span>
      <Show when={shown()}>
        {(run) => (
          <span class="top-policy">
            <Icon name="shield" /> {POLICY[run().approve]}
          </span>
        )}
      </Show>
      <span class="grow" />
      <button
        type="button"
        class="top-search"
        aria-label="Search or do Ctrl K"
        onClick={() => props.commands.run("palette")}
      >
        <Icon name="search" /> <span>Search or do</span> <kbd>Ctrl K</kbd>
      </button>
      <span class="top-tokens">
        <span class="quiet">{tokens().whose}</span>
        <Show when={!tokens().budget}>
          <TokenMeter input={tokens().input} output={tokens().output} />
        </Show>
        <span class="fact">{amount(tokens().input + tokens().output)}</span> <span class="quiet">tokens</span>
        <Show when={tokens().budget || tokens().spending.costMicroUsd > 0}>
          <CostMeter spending={tokens().spending} budget={tokens().budget} />
        </Show>
      </span>
      <ConnectionDot />
      <StopAll commands={props.commands} />
      <WaitingBadge />
    </header>
  );
}

/** There while anything runs: one press ends all of it. */
function StopAll(props: { commands: Commands }): JSX.Element {
  const app = useApp();
  const active = createMemo(() => app.overview().runs.filter((run) => !isOver(run)).length);
  return (
    <Show when={active() > 0}>
      <button
        type="button"
        class="button stop stop-all"
        aria-label="Stop all runs"
        title="Stop all runs (Shift .)"
        disabled={app.readOnly()}
        onClick={() => props.commands.run("stop-all")}
      >
        <Icon name="stop" /> <span class="wide-only">Stop all</span>
      </button>
    </Show>
  );
}

function ConnectionDot(): JSX.Element {
  const app = useApp();
  return (
    <span class="connection" role="status" data-connection={app.connection().live ? "live" : "lost"}>
      <span class="connection-dot" classList={{ lost: !app.connection().live }} />
      {app.connection().live ? "Local" : "Reconnecting"}
    </span>
  );
}

function WaitingBadge(): JSX.Element {
  const app = useApp();
  const count = (): number => app.overview().approvals.length;
  return (
    <Show when={count() > 0} fallback={<span class="nothing-waits quiet">Nothing waits</span>}>
      <a class="waiting-badge" href="/approvals">
        <Diamond /> Waiting <span class="waiting-count">{count()}</span>
      </a>
    </Show>
  );
}

function LostBanner(): JSX.Element {
  const app = useApp();
  const now = useNow();
  const lost = (): boolean => !app.connection().live && now() - app.connection().lostAt > BANNER_MS;
  return (
    <Show when={lost()}>
      <p class="lost-banner" role="status">
        <span class="strong">The server does not answer.</span> You see what was known at{" "}
        {clock(app.connection().lostAt)}, to read only. It is tried again by itself; if Open Wrap was stopped, start it
        with <code>openwrap serve</code>.
      </p>
    </Show>
  );
}
