// What keys and palette do.

import { ApiFault } from "@openwrap/contracts/client";
import { type Accessor, createSignal } from "solid-js";
import { requestId } from "../app/action.ts";
import type { App } from "../app/app.ts";
import { approvalPath, runPath } from "../app/router.ts";
import { isOver } from "../overview/overview-state.ts";
import { type Command, PAIR_MS, press } from "./key-map.ts";

export interface Commands {
  run: (command: Command) => void;
  dialog: Accessor<"palette" | "help" | undefined>;
  close: () => void;
  fault: Accessor<ApiFault | undefined>;
  clear: () => void;
}

export function createCommands(app: App): Commands {
  const [dialog, setDialog] = createSignal<"palette" | "help">();
  const [fault, setFault] = createSignal<ApiFault>();
  const all = async (acts: Promise<unknown>[]): Promise<void> => {
    for (const outcome of await Promise.allSettled(acts)) {
      if (outcome.status === "fulfilled") continue;
      if (!(outcome.reason instanceof ApiFault)) throw outcome.reason;
      const failed = outcome.reason;
      setFault(() => failed);
    }
  };
  const acts: Record<Command, () => void> = {
    "go-now": () => app.router.go("/"),
    "go-work": () => app.router.go("/work"),
    "go-library": () => app.router.go("/library"),
    "go-models": () => app.router.go("/models"),
    "go-audit": () => app.router.go("/audit"),
    "go-files": () => app.router.go("/files"),
    "go-playbooks": () => app.router.go("/playbooks"),
    "go-tools": () => app.router.go("/tools"),
    "go-settings": () => app.router.go("/settings"),
    "new-run": () => {
      app.router.go("/");
      requestAnimationFrame(() => document.querySelector<HTMLElement>("[data-composer]")?.focus());
    },
    "first-approval": () => firstApproval(app),
    "pause-all": () => void all(pauseAll(app)),
    "stop-all": () => void all([stopAll(app)]),
    palette: () => setDialog("palette"),
    help: () => setDialog("help"),
  };
  const run = (command: Command): void => acts[command]();
  listen(app, run, dialog);
  return { run, dialog, close: () => setDialog(undefined), fault, clear: () => setFault(undefined) };
}

function listen(app: App, run: (command: Command) => void, dialog: Accessor<string | undefined>): void {
  let paired = 0;
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.repeat || app.phase() !== "ready") return;
    const target = event.target instanceof HTMLElement ? event.target : document.body;
    const writing = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
    const { key, shiftKey: shift, altKey: alt } = event;
    const pressed = press(
      { key, shift, alt, command: event.ctrlKey || event.metaKey, writing: writing || underDialog(dialog) },
      performance.now() - paired < PAIR_MS && paired > 0,
      app.preferences.letters(),
    );
    if (key !== "Shift") paired = pressed.paired ? performance.now() : 0;
    if (!pressed.command) return;
    event.preventDefault();
    run(pressed.command);
  });
}

/** A dialog has the keys: any that is open, and one of ours that is on its way; not one that was just closed. */
function underDialog(dialog: Accessor<string | undefined>): boolean {
  if (document.querySelector("dialog[open]")) return true;
  return dialog() !== undefined && document.querySelector(".palette, .keys") === null;
}

function firstApproval(app: App): void {
  const first = app.overview().approvals[0];
  if (!first) return;
  app.router.go(first.question.kind === "plan" ? runPath(first.runId) : approvalPath(first.question.approvalId));
}

function pauseAll(app: App): Promise<unknown>[] {
  if (app.readOnly()) return [];
  const active = app.overview().runs.filter((run) => !isOver(run) && run.phase !== "stopping");
  const moving = active.filter((run) => run.phase !== "paused");
  const command = (runId: string) => ({ requestId: requestId(), runId });
  return moving.length > 0
    ? moving.map((run) => app.api.run.pause(command(run.runId)))
    : active.map((run) => app.api.run.resume(command(run.runId)));
}

/** One command for everything; should it fail, each run is stopped by itself. */
async function stopAll(app: App): Promise<void> {
  if (app.readOnly()) return;
  try {
    await app.api.run.stopAll({ requestId: requestId() });
  } catch (error) {
    if (!(error instanceof ApiFault)) throw error;
    const active = app.overview().runs.filter((run) => !isOver(run));
    await Promise.all(active.map((run) => app.api.run.stop({ requestId: requestId(), runId: run.runId })));
  }
}
