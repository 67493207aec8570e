// What is round every screen: places, the top bar, what waits, the connection.

import { createEffect, createMemo, type JSX, Match, on, Show, Switch } from "solid-js";
import { useApp } from "../app/app.ts";
import { useNow } from "../app/clock.ts";
import type { Place } from "../app/router.ts";
import { ApprovalsScreen } from "../approvals/approvals-screen.tsx";
import { NowScreen } from "../now/now-screen.tsx";
import { isOver, projectOf, runOf } from "../overview/overview-state.ts";
import { FaultNotice } from "../parts/fault-notice.tsx";
import { Diamond } from "../parts/glyph.tsx";
import { Icon, type IconName, Mark } from "../parts/icon.tsx";
import { Inert } from "../parts/inert.tsx";
import { RunScreen } from "../run/run-screen.tsx";
import { TokenMeter } from "../run/side-pane.tsx";
import { SettingsScreen } from "../settings/settings-screen.tsx";
import { amount, clock } from "../words/format.ts";
import { WorkScreen } from "../work/work-screen.tsx";
import { type Commands, createCommands } from "./commands.ts";
import { KeyHelp, Palette } from "./palette.tsx";

const PLACES: readonly { path: string; icon: IconName; words: string; screens: Place["screen"][] }[] = [
  { path: "/", icon: "now", words: "Now", screens: ["now"] },
  { path: "/work", icon: "work", words: "Work", screens: ["work", "run", "approvals"] },
  { path: "/settings", icon: "settings", words: "Settings", screens: ["settings"] },
];

/** A lost connection is said aloud only when it stays lost. */
const BANNER_MS = 5_000;

export function Frame(): JSX.Element {
  const app = useApp();
  const commands = createCommands(app);
  const place = app.router.place;
  titles();
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
        <div class={`screen screen-${place().screen}`}>
          <Screen place={place()} />
        </div>
      </div>
      <Show when={commands.dialog() === "palette"}>
        <Palette commands={commands} />
      </Show>
      <Show when={commands.dialog() === "help"}>
        <KeyHelp commands={commands} />
      </Show>
    </>
  );
}

function Screen(props: { place: Place }): JSX.Element {
  const run = (): string | undefined => (props.place.screen === "run" ? props.place.runId : undefined);
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
      <Match when={run()} keyed>
        {(runId) => (
          <main class="run-main" id="main">
            <RunScreen runId={runId} />
          </main>
        )}
      </Match>
      <Match when={props.place.screen === "approvals" ? props.place : undefined}>
        {(approvals) => <ApprovalsScreen approvalId={approvals().approvalId} />}
      </Match>
      <Match when={props.place.screen === "settings"}>
        <SettingsScreen />
      </Match>
    </Switch>
  );
}

/** Document title with what waits; the heading takes the focus when the place changes. */
function titles(): void {
  const app = useApp();
  const words = createMemo(() => {
    const place = app.router.place();
    if (place.screen === "run") return `Run ${runOf(app.overview(), place.runId)?.number ?? ""}`;
    return { now: "Now", work: "Work", approvals: "Waiting for you", settings: "Settings", nowhere: "Nothing here" }[
      place.screen
    ];
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
      {PLACES.map((entry) => (
        <a
          class="rail-place"
          href={entry.path}
          aria-current={entry.screens.includes(app.router.place().screen) ? "page" : undefined}
        >
          <Icon name={entry.icon} size={20} />
          <span>{entry.words}</span>
        </a>
      ))}
    </nav>
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
    if (place.screen === "run") return runOf(app.overview(), place.runId);
    return undefined;
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
        <TokenMeter input={tokens().input} output={tokens().output} />
        <span class="fact">{amount(tokens().input + tokens().output)}</span> <span class="quiet">tokens</span>
      </span>
      <ConnectionDot />
      <WaitingBadge />
    </header>
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
