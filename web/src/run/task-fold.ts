// Facts about tasks: started, waiting, done, settled, dropped.

import type { EventOf } from "@openwrap/contracts";
import { shortened } from "../words/first-words.ts";
import { emptyWork, log, type RunFile, type RunState, type Work } from "./run-state.ts";

export type TaskEvent = EventOf<
  | "task_started"
  | "task_waiting"
  | "task_ready"
  | "task_completed"
  | "task_failed"
  | "task_needs_head"
  | "commit_requested"
  | "task_retired"
  | "task_reopened"
  | "task_canceled"
  | "task_squashed"
>;

/** Without what belongs to an attempt that is over. */
function released(work: Work): Work {
  const { asking: _asking, approvalId: _approvalId, failure: _failure, ...rest } = work;
  return rest;
}

export function withWork(state: RunState, taskId: string, change: (work: Work) => Work): RunState {
  const work = state.work[taskId] ?? emptyWork(taskId);
  return { ...state, work: { ...state.work, [taskId]: change(work) } };
}

export function applyTask(state: RunState, sequence: number, event: TaskEvent): RunState {
  const taskId = event.taskId ?? "";
  switch (event.type) {
    case "task_started":
      return withWork(state, taskId, (work) => ({
        ...released(work),
        state: "running",
        attempt: event.attempt ?? work.attempt + 1,
        step: 0,
        workerId: event.workerId,
        role: event.role,
        startedAt: event.at,
        words: "",
      }));
    case "task_waiting":
      return withWork(state, taskId, (work) => ({ ...work, state: "waiting", approvalId: event.approvalId }));
    case "task_ready":
      return withWork(state, taskId, (work) => ({ ...released(work), state: "running" }));
    case "task_needs_head":
      return withWork(state, taskId, (work) => ({ ...released(work), state: "queued" }));
    case "commit_requested":
      return state;
    case "task_completed":
      return completed(state, taskId, event);
    case "task_retired":
      return retired(state, taskId, sequence, event);
    case "task_failed":
    case "task_reopened":
    case "task_canceled":
    case "task_squashed":
      return cast(state, taskId, sequence, event);
  }
}

function completed(state: RunState, taskId: string, event: EventOf<"task_completed">): RunState {
  const next = withWork(state, taskId, (work) => ({
    ...released(work),
    state: "completed",
    endedAt: event.at,
    result: { hash: event.resultHash, preview: event.preview },
    paths: event.paths,
  }));
  const files = { ...state.files };
  for (const path of event.paths) files[path] = { path, taskId, settled: false, undone: false };
  return { ...next, files };
}

function retired(state: RunState, taskId: string, sequence: number, event: EventOf<"task_retired">): RunState {
  const settled = state.settled.includes(taskId) ? state.settled : [...state.settled, taskId];
  const next = withWork(state, taskId, (work) => ({
    ...released(work),
    state: "retired",
    ordinal: event.ordinal,
    settledAt: event.at,
  }));
  const files: Record<string, RunFile> = { ...state.files };
  for (const { path, size } of event.files) files[path] = { path, size, taskId, settled: true, undone: false };
  const title = state.tasks[taskId]?.title ?? taskId;
  const preview = shortened(next.work[taskId]?.result?.preview ?? "");
  const entry = { kind: "settled" as const, taskId, title, detail: "" };
  const told = { ...next, settled, files };
  return log(told, sequence, event, preview === "" ? entry : { ...entry, says: preview });
}

type CastEvent = EventOf<"task_failed" | "task_reopened" | "task_canceled" | "task_squashed">;

function cast(state: RunState, taskId: string, sequence: number, event: CastEvent): RunState {
  const title = state.tasks[taskId]?.title ?? taskId;
  const files = Object.fromEntries(
    Object.entries(state.files).filter(([, file]) => file.taskId !== taskId || file.settled),
  );
  switch (event.type) {
    case "task_failed": {
      const failure = { code: event.code, message: event.message };
      const next = withWork(state, taskId, (work) => ({
        ...released(work),
        state: "failed",
        failure,
        endedAt: event.at,
      }));
      return log(next, sequence, event, { kind: "failed", taskId, title, detail: event.message });
    }
    case "task_reopened": {
      const next = withWork({ ...state, files }, taskId, ({ result: _result, ...work }) => ({
        ...released(work),
        state: "queued",
        paths: [],
      }));
      const over = event.paths.length > 0 ? `over ${event.paths.join(", ")}` : "";
      return log(next, sequence, event, { kind: "dropped", taskId, title, detail: `starts again ${over}`.trim() });
    }
    case "task_canceled": {
      const next = withWork({ ...state, files }, taskId, (work) => ({
        ...released(work),
        state: "canceled",
        endedAt: event.at,
      }));
      return log(next, sequence, event, { kind: "dropped", taskId, title, detail: `canceled: ${event.reason}` });
    }
    case "task_squashed": {
      const next = withWork({ ...state, files }, taskId, (work) => ({
        ...released(work),
        state: "squashed",
        endedAt: event.at,
      }));
      const entry = { kind: "dropped" as const, taskId, title, detail: "dropped by the new plan" };
      return log({ ...next, order: next.order.filter((id) => id !== taskId) }, sequence, event, entry);
    }
  }
}
