// Facts about steps: what a worker asked a model, and what it did with a tool.

import type { EventOf, Label } from "@openwrap/contracts";
import type { RunState, ToolCall, Work } from "./run-state.ts";
import { withWork } from "./task-fold.ts";

export type StepEvent = EventOf<
  "model_requested" | "model_finished" | "tool_requested" | "tool_finished" | "tool_refused"
>;

export function applyStep(state: RunState, event: StepEvent): RunState {
  const taskId = event.taskId ?? "";
  switch (event.type) {
    case "model_requested":
      return withWork(state, taskId, (work) => ({
        ...stepping(work, event),
        asking: `${taskId}.${event.attempt ?? 0}.${event.step ?? 0}`,
      }));
    case "model_finished": {
      const { inputTokens, outputTokens } = event.usage;
      const phase = taskId === "answer" ? ("answering" as const) : state.phase;
      const next = withWork(state, taskId, ({ asking: _asking, ...work }) => ({
        ...work,
        words: event.preview || work.words,
        inputTokens: work.inputTokens + inputTokens,
        outputTokens: work.outputTokens + outputTokens,
      }));
      return {
        ...next,
        phase,
        inputTokens: state.inputTokens + inputTokens,
        outputTokens: state.outputTokens + outputTokens,
      };
    }
    case "tool_requested":
      return requested(state, taskId, event);
    case "tool_finished":
      return finished(state, taskId, event);
    case "tool_refused":
      return refused(state, taskId, event);
  }
}

function stepping(work: Work, event: StepEvent): Work {
  const { approvalId: _approvalId, ...rest } = work;
  const running = work.state === "waiting" || work.state === "queued" ? "running" : work.state;
  return {
    ...(running === work.state ? work : rest),
    state: running,
    attempt: event.attempt ?? work.attempt,
    step: event.step ?? work.step,
    startedAt: work.startedAt ?? event.at,
  };
}

function requested(state: RunState, taskId: string, event: EventOf<"tool_requested">): RunState {
  const call: ToolCall = {
    callId: event.callId,
    tool: event.tool,
    summary: event.summary,
    startedAt: event.at,
    argumentsHash: event.argumentsHash,
    preview: "",
    decision: event.decision,
    needs: event.needs,
    labels: [],
  };
  const used = { ...state.used };
  for (const need of event.needs) used[need.split(":", 1)[0] ?? ""] = event.at;
  return withWork({ ...state, used }, taskId, (work) => ({ ...stepping(work, event), calls: put(work.calls, call) }));
}

/** A call that a crash cut off is requested again under the same id. */
function put(calls: ToolCall[], call: ToolCall): ToolCall[] {
  const place = calls.findIndex((one) => one.callId === call.callId);
  return place === -1 ? [...calls, call] : calls.with(place, call);
}

function finished(state: RunState, taskId: string, event: EventOf<"tool_finished">): RunState {
  const labels = joined(state.labels, event.labels);
  return withWork({ ...state, labels }, taskId, (work) => {
    const known = work.calls.find((call) => call.callId === event.callId);
    const call: ToolCall = {
      ...(known ?? { callId: event.callId, summary: "", startedAt: event.at, argumentsHash: "", needs: [] }),
      tool: event.tool,
      durationMs: event.durationMs,
      resultHash: event.resultHash,
      preview: event.preview,
      labels: event.labels,
      end: event.isError ? "error" : "done",
    };
    return { ...stepping(work, event), calls: put(work.calls, call) };
  });
}

function refused(state: RunState, taskId: string, event: EventOf<"tool_refused">): RunState {
  const call: ToolCall = {
    callId: event.callId,
    tool: event.tool,
    summary: event.summary,
    startedAt: event.at,
    argumentsHash: event.argumentsHash,
    resultHash: event.resultHash,
    preview: event.preview,
    needs: [],
    labels: [],
    end: "refused",
    code: event.code,
    ...(event.decision ? { decision: event.decision } : {}),
  };
  return withWork(state, taskId, (work) => ({ ...stepping(work, event), calls: put(work.calls, call) }));
}

function joined(a: Label[], b: Label[]): Label[] {
  return b.every((label) => a.includes(label)) ? a : [...new Set([...a, ...b])].sort();
}
