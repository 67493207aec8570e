// Planner, coordinator and workers: what each is doing, in a glyph and a few words.

import { ANSWER, PLANNER, type RunState } from "../run/run-state.ts";
import { type ShownState, shownState } from "../run/run-view.ts";
import { layoutTape } from "../run/tape-layout.ts";
import { counted } from "../words/format.ts";

export interface HeadView {
  title: string;
  state: ShownState | "idle";
  word: string;
}

export function headView(run: RunState, id: string): HeadView {
  if (id === "planner") return planner(run);
  if (id === "coordinator") return coordinator(run);
  return worker(run, id);
}

function planner(run: RunState): HeadView {
  const title = "Planner";
  const accepted = run.plans.filter((plan) => plan.answer === "accepted").length;
  if (run.phase === "review") return { title, state: "waiting", word: "its plan waits for you" };
  if (run.work[PLANNER]?.asking !== undefined || run.phase === "planning")
    return { title, state: "running", word: accepted > 0 ? "plans again" : "makes a plan" };
  if (accepted === 0) return { title, state: run.end ? "canceled" : "idle", word: "no plan" };
  return { title, state: "retired", word: accepted === 1 ? "plan accepted" : `${accepted} plans accepted` };
}

const ENDS = {
  completed: "retired",
  failed: "failed",
  canceled: "canceled",
  queued: "queued",
  running: "running",
} as const;

function coordinator(run: RunState): HeadView {
  const title = "Coordinator";
  if (run.end)
    return { title, state: ENDS[run.end.status], word: `${run.settled.length} of ${run.order.length} settled` };
  if (run.phase === "paused") return { title, state: "idle", word: "paused" };
  if (run.phase === "stopping") return { title, state: "running", word: "stopping" };
  if (run.phase === "answering" || run.work[ANSWER]?.asking !== undefined)
    return { title, state: "running", word: "writes the answer" };
  if (run.order.length === 0) return { title, state: "idle", word: "waits for the plan" };
  return { title, state: "running", word: `${run.settled.length} of ${run.order.length} settled` };
}

/** Tasks of a lane, in their order. */
export function tasksOfLane(run: RunState, key: string): string[] {
  const { lanes, behind, ahead } = layoutTape(run);
  const place = lanes.findIndex((lane) => lane.key === key);
  return [...behind, ...ahead].filter((node) => node.lane === place).map((node) => node.taskId);
}

const FIRST: readonly ShownState[] = ["waiting", "running", "failed"];

function worker(run: RunState, key: string): HeadView {
  const title = layoutTape(run).lanes.find((lane) => lane.key === key)?.title ?? key;
  const tasks = tasksOfLane(run, key);
  const states = tasks.map((id) => shownState(run, id));
  const busy = FIRST.find((state) => states.includes(state));
  const done = states.filter((state) => state === "retired").length;
  const word = `${done} of ${counted(tasks.length, "task")}`;
  if (busy) return { title, state: busy, word };
  const over = done === tasks.length;
  return { title, state: over ? "retired" : run.end ? "canceled" : "idle", word: over ? `${word}, done` : word };
}
