// What screens read from a run.

import type { RunSummary } from "@openwrap/contracts";
import { counted, roleTitle } from "../words/format.ts";
import {
  ANSWER,
  type LiveSession,
  type Message,
  PLANNER,
  type RunState,
  type TaskState,
  type Work,
} from "./run-state.ts";

/** Every state a task is shown in. */
export type ShownState = TaskState | "blocked";

export interface TaskView {
  taskId: string;
  /** Place in the settling order, from 1; 0 for a dropped task. */
  number: number;
  title: string;
  role: string;
  state: ShownState;
  /** The state in words. */
  word: string;
  work: Work | undefined;
}

const DONE: ReadonlySet<TaskState> = new Set(["completed", "retired"]);

export function shownState(run: RunState, taskId: string): ShownState {
  const state = run.work[taskId]?.state ?? (run.end ? "canceled" : "queued");
  return state === "queued" && missing(run, taskId).length > 0 ? "blocked" : state;
}

/** Dependencies that are not done. */
function missing(run: RunState, taskId: string): string[] {
  return (run.tasks[taskId]?.dependsOn ?? []).filter((id) => !DONE.has(run.work[id]?.state ?? "queued"));
}

export function numberOf(run: RunState, taskId: string): number {
  return run.order.indexOf(taskId) + 1;
}

export function stateWord(run: RunState, taskId: string): string {
  const work = run.work[taskId];
  const state = shownState(run, taskId);
  switch (state) {
    case "queued":
      return run.phase === "paused" ? "Queued, paused" : "Queued";
    case "running":
      return work && work.step > 0 ? `Running, step ${work.step}` : "Running";
    case "waiting":
      return "Waiting for you";
    case "blocked":
      return `Blocked, needs ${missing(run, taskId)
        .map((id) => numberOf(run, id) || id)
        .join(", ")}`;
    case "completed": {
      const holder = run.settled.length + 1;
      return holder === numberOf(run, taskId)
        ? "Done, settling"
        : `Done early, settles after ${numberOf(run, taskId) - 1}`;
    }
    case "retired":
      return work?.undone ? "Settled, undone" : "Settled";
    case "failed":
      return `Failed, ${work?.failure?.code.toLowerCase().replaceAll("_", " ") ?? "unknown"}`;
    case "squashed":
      return "Dropped by the new plan";
    case "canceled":
      return "Canceled";
  }
}

export function taskView(run: RunState, taskId: string): TaskView {
  const task = run.tasks[taskId];
  return {
    taskId,
    number: numberOf(run, taskId),
    title: task?.title ?? taskId,
    role: roleTitle(task?.role ?? run.work[taskId]?.role ?? ""),
    state: shownState(run, taskId),
    word: stateWord(run, taskId),
    work: run.work[taskId],
  };
}

/** "5 of 13 settled, 3 running, 1 waits for you". */
export function progressWords(run: RunState): string {
  const count = (state: ShownState): number => run.order.filter((id) => shownState(run, id) === state).length;
  const words = [`${run.settled.length} of ${run.order.length} settled`];
  if (count("running") > 0) words.push(`${count("running")} running`);
  if (count("completed") > 0) words.push(`${count("completed")} done early`);
  if (count("waiting") > 0) words.push(count("waiting") === 1 ? "1 waits for you" : `${count("waiting")} wait for you`);
  if (count("failed") > 0) words.push(`${count("failed")} failed`);
  return words.join(", ");
}

export function summaryWords(run: RunSummary): string {
  const settled = `${run.tasksRetired} of ${run.tasksTotal} settled`;
  switch (run.phase) {
    case "planning":
      return run.tasksTotal === 0 ? "The planner is making a plan" : `${settled}, planning again`;
    case "review":
      return `A plan of ${counted(run.tasksTotal, "task")} waits for you`;
    case "working":
      return settled;
    case "paused":
      return `${settled}, paused`;
    case "answering":
      return `${settled}, the answer is being written`;
    case "stopping":
      return `${settled}, stopping`;
    case "finished":
      return run.undone ? `${settled}, undone` : settled;
  }
}

/** Pending questions of the run, oldest first. */
export function pending(run: RunState) {
  return Object.values(run.approvals)
    .filter((asked) => !asked.decision && !asked.withdrawn)
    .sort((a, b) => a.sequence - b.sequence);
}

/** The plan that waits for an answer. */
export function planInReview(run: RunState) {
  const newest = run.plans.at(-1);
  return newest && newest.answer === undefined && !run.end ? newest : undefined;
}

/** Tasks past the line that somebody works at, then those done early, then the rest. */
export function liveTasks(run: RunState): { active: string[]; early: string[]; ahead: string[] } {
  const past = run.order.filter((id) => run.work[id]?.state !== "retired");
  const of = (states: ShownState[]): string[] => past.filter((id) => states.includes(shownState(run, id)));
  return {
    active: of(["running", "waiting", "failed"]),
    early: of(["completed"]),
    ahead: of(["queued", "blocked", "canceled"]),
  };
}

export function workOf(run: RunState, stage: typeof PLANNER | typeof ANSWER): Work | undefined {
  return run.work[stage];
}

/** What became of something a person told the workers. */
export function messageWords(run: RunState, message: Message): string {
  const to =
    message.taskId === undefined ? "to every worker" : `to task ${numberOf(run, message.taskId) || message.taskId}`;
  if (message.seenBy.length > 0) {
    const readers = message.seenBy.map((id) => readerWords(run, id));
    return `You, ${to}. Read by ${readers.join(", ")}`;
  }
  if (run.end) return `You, ${to}. The run ended before anybody read it`;
  return message.interrupt
    ? `You, ${to}. The step under way is given up for it`
    : `You, ${to}. Read with the next step`;
}

function readerWords(run: RunState, taskId: string): string {
  const number = numberOf(run, taskId);
  return number > 0 ? `${number} ${taskView(run, taskId).role}` : `the ${taskId === "" ? "worker" : taskId}`;
}

/** Surfaces that can be watched, oldest first. */
export function openSessions(run: RunState): LiveSession[] {
  return Object.values(run.sessions)
    .filter((session) => !session.closed)
    .sort((a, b) => a.openedAt - b.openedAt || (a.sessionId < b.sessionId ? -1 : 1));
}

export interface WorkerView {
  key: string;
  title: string;
  state: ShownState | "idle";
  inputTokens: number;
  outputTokens: number;
}

/** Roles at work with what they used, by first appearance. */
export function workers(run: RunState): WorkerView[] {
  const found = new Map<string, WorkerView>();
  for (const work of Object.values(run.work)) {
    const role =
      work.taskId === PLANNER || work.taskId === ANSWER ? work.taskId : (run.tasks[work.taskId]?.role ?? work.role);
    const known = found.get(role) ?? {
      key: role,
      title: roleTitle(role),
      state: "idle" as const,
      inputTokens: 0,
      outputTokens: 0,
    };
    // Planner and answer are no tasks: they are at work while they ask a model.
    const task = run.tasks[work.taskId] !== undefined;
    const busy = (work.state === "running" && (task || work.asking !== undefined)) || work.state === "waiting";
    const state = known.state === "waiting" || !busy ? known.state : work.state;
    found.set(role, {
      ...known,
      state,
      inputTokens: known.inputTokens + work.inputTokens,
      outputTokens: known.outputTokens + work.outputTokens,
    });
  }
  return [...found.values()];
}

export interface ReachPart {
  label: string;
  kind: string;
  values: string[];
}

const REACH: readonly [kind: string, label: string][] = [
  ["read", "Read"],
  ["write", "Write"],
  ["run", "Run"],
  ["net", "Connect"],
  ["secret", "Secrets"],
];
const FURTHER: Readonly<Record<string, string>> = { browser: "Browse", mcp: "Connected tools", env: "Variables" };

/** What capabilities allow, by kind; kinds beside the five stand at the end when there are any. */
export function reach(capabilities: readonly string[]): ReachPart[] {
  const byKind = new Map<string, Set<string>>();
  for (const capability of capabilities) {
    const colon = capability.indexOf(":");
    const kind = capability.slice(0, colon);
    const values = byKind.get(kind) ?? new Set<string>();
    byKind.set(kind, values.add(capability.slice(colon + 1)));
  }
  const parts = REACH.map(([kind, label]) => ({ label, kind, values: [...(byKind.get(kind) ?? [])].sort() }));
  for (const [kind, values] of byKind) {
    if (!REACH.some(([known]) => known === kind))
      parts.push({ label: FURTHER[kind] ?? roleTitle(kind), kind, values: [...values].sort() });
  }
  return parts;
}

export function granted(run: RunState): string[] {
  return run.grants.map((grant) => grant.capability);
}

/** For the middle of a sentence. */
export function lowered(words: string): string {
  return words.charAt(0).toLowerCase() + words.slice(1);
}
