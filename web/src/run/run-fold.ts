// Folds facts into a run. Pure and exhaustive: a new kind of fact does not compile until it is thought of here.

import type { Event, EventOf } from "@openwrap/contracts";
import { applyLive, closedAt, type LiveEvent } from "./live-fold.ts";
import { settlingOrder } from "./plan-order.ts";
import { log, type ProposedPlan, type RunState } from "./run-state.ts";
import { applyStep, type StepEvent } from "./step-fold.ts";
import { applyTask, type TaskEvent } from "./task-fold.ts";

/** The run after a fact; facts of other runs, and facts that are in already, change nothing. */
export function apply(state: RunState, sequence: number, event: Event): RunState {
  if (event.runId !== state.runId || sequence <= state.sequence) return state;
  return { ...fold(state, sequence, event), sequence };
}

function fold(state: RunState, sequence: number, event: Event): RunState {
  switch (event.type) {
    case "run_created":
      return created(state, sequence, event);
    case "plan_proposed":
    case "plan_accepted":
    case "plan_rejected":
    case "plan_refused":
    case "replan_requested":
      return foldPlan(state, sequence, event);
    case "grant_issued":
      return { ...state, grants: [...state.grants, event.grant] };
    case "grant_revoked":
      return { ...state, grants: state.grants.filter((grant) => grant.grantId !== event.grantId) };
    case "approval_requested":
    case "approval_resolved":
    case "approval_withdrawn":
      return foldApproval(state, sequence, event);
    case "run_paused":
    case "run_resumed":
    case "run_stopping":
    case "slots_changed":
    case "run_finished":
      return foldCourse(state, sequence, event);
    case "task_started":
    case "task_waiting":
    case "task_ready":
    case "task_completed":
    case "task_failed":
    case "task_needs_head":
    case "commit_requested":
    case "task_retired":
    case "task_reopened":
    case "task_canceled":
    case "task_squashed":
      return applyTask(state, sequence, event satisfies TaskEvent);
    case "model_requested":
    case "model_finished":
    case "tool_requested":
    case "tool_finished":
    case "tool_refused":
      return applyStep(state, event satisfies StepEvent);
    case "undo_requested":
      return state;
    case "undo_finished":
      return undone(state, sequence, event);
    default:
      return foldBeside(state, sequence, event);
  }
}

type BesideEvent =
  | LiveEvent
  | EventOf<"connected" | "connection_refused" | "budget_set" | "model_fell_back">
  | NotOfRuns;
/** Facts about the installation. */
type NotOfRuns = EventOf<
  | "core_started"
  | "core_stopped"
  | "sandbox_probed"
  | "project_opened"
  | "provider_added"
  | "provider_removed"
  | "route_set"
  | "route_removed"
  | "budget_default_set"
  | "secret_stored"
  | "secret_removed"
  | "file_upload_requested"
  | "playbook_draft_requested"
  | "launch_link_issued"
  | "record_kept"
  | "signed_in"
  | "device_paired"
  | "device_role_changed"
  | "device_revoked"
  | "mcp_server_added"
  | "mcp_server_removed"
  | "mcp_server_approved"
  | "mcp_server_changed"
>;

function foldBeside(state: RunState, sequence: number, event: BesideEvent): RunState {
  switch (event.type) {
    case "connected":
      // The way to its model is no reach of a run: it is never asked for.
      if (event.purpose.startsWith("model:")) return state;
      return { ...state, used: { ...state.used, net: event.at } };
    case "session_opened":
    case "session_closed":
    case "control_taken":
    case "control_handed_back":
    case "preview_opened":
    case "message_sent":
    case "message_seen":
    case "file_uploaded":
      return applyLive(state, sequence, event);
    case "budget_set":
      return log(state, sequence, event, { kind: "note", title: "Budget set", detail: "" });
    case "model_fell_back":
      return log(state, sequence, event, {
        kind: "note",
        title: "Another model stands in",
        detail: `${event.from} did not answer (${event.error.code}): ${event.to} is asked`,
      });
    case "connection_refused": {
      const hosts = state.refusedHosts.includes(event.host) ? state.refusedHosts : [...state.refusedHosts, event.host];
      const entry = { kind: "failed" as const, title: "Connection refused", detail: `${event.host}: ${event.reason}` };
      return log({ ...state, refusedHosts: hosts }, sequence, event, entry);
    }
    default:
      return notOfRuns(state, event);
  }
}

/** Nothing of a run; a later version of the core may also tell facts this page has no words for. */
function notOfRuns(state: RunState, _event: NotOfRuns): RunState {
  return state;
}

function created(state: RunState, sequence: number, event: EventOf<"run_created">): RunState {
  const { goal, runDate, model, approve, slots, at: createdAt } = event;
  const next = { ...state, projectId: event.projectId ?? "", goal, runDate, model, approve, slots, createdAt };
  const detail = event.follows ? "You, after an earlier run" : "You";
  return log({ ...next, ...(event.follows ? { follows: event.follows.runId } : {}) }, sequence, event, {
    kind: "you",
    title: "",
    detail,
    says: goal,
  });
}

type PlanEvent = EventOf<"plan_proposed" | "plan_accepted" | "plan_rejected" | "plan_refused" | "replan_requested">;

function foldPlan(state: RunState, sequence: number, event: PlanEvent): RunState {
  switch (event.type) {
    case "plan_proposed": {
      const { version, plan, bundle } = event;
      return { ...state, phase: "review", plans: [...state.plans, { version, plan, bundle }] };
    }
    case "plan_accepted":
      return accepted(state, sequence, event);
    case "plan_rejected": {
      const reason = event.reason ?? "";
      const next = {
        ...state,
        phase: "planning" as const,
        plans: answered(state.plans, event.version, "rejected", reason),
      };
      const title = `Plan ${event.version} not accepted.`;
      return log(next, sequence, event, { kind: "dropped", title, detail: reason });
    }
    case "plan_refused":
      return log(state, sequence, event, { kind: "note", title: "No plan.", detail: "", says: event.message });
    case "replan_requested": {
      const entry = { kind: "note" as const, title: "A new plan is asked for.", detail: event.reason };
      return log({ ...state, phase: "planning" }, sequence, event, entry);
    }
  }
}

function answered(
  plans: ProposedPlan[],
  version: number,
  answer: "accepted" | "rejected",
  reason: string,
): ProposedPlan[] {
  return plans.map((plan) => (plan.version === version ? { ...plan, answer, reason } : plan));
}

function accepted(state: RunState, sequence: number, event: EventOf<"plan_accepted">): RunState {
  const proposed = state.plans.find((plan) => plan.version === event.version);
  if (!proposed) return state;
  const tasks = { ...state.tasks };
  for (const task of proposed.plan.tasks) tasks[task.taskId] = task;
  const next: RunState = {
    ...state,
    phase: "working",
    plans: answered(state.plans, event.version, "accepted", ""),
    tasks,
    order: settlingOrder(proposed.plan.tasks, state.settled),
  };
  const count = proposed.plan.tasks.length;
  const title = event.version === 1 ? "Plan accepted." : `Plan ${event.version} accepted.`;
  const noted = log(next, sequence, event, {
    kind: "plan",
    title,
    detail: `${count} ${count === 1 ? "task" : "tasks"}`,
  });
  if (proposed.bundle.length === 0) return noted;
  const detail = proposed.bundle.map((capability) => capability.replace(":", " ").replace(/ \.$/, " ./")).join(", ");
  return log(noted, sequence, event, { kind: "grant", title: "Granted with it", detail });
}

type ApprovalEvent = EventOf<"approval_requested" | "approval_resolved" | "approval_withdrawn">;

function foldApproval(state: RunState, sequence: number, event: ApprovalEvent): RunState {
  if (event.type === "approval_requested") {
    const { question, taskId, at: askedAt } = event;
    const asked = { question, taskId: taskId ?? "", askedAt, sequence, withdrawn: false };
    return { ...state, approvals: { ...state.approvals, [question.approvalId]: asked } };
  }
  const asked = state.approvals[event.approvalId];
  if (!asked) return state;
  const next =
    event.type === "approval_resolved" ? { ...asked, decision: event.decision } : { ...asked, withdrawn: true };
  const told = { ...state, approvals: { ...state.approvals, [event.approvalId]: next } };
  if (event.type === "approval_withdrawn" || asked.question.kind === "plan") return told;
  const { allow, scope, reason } = event.decision;
  const scopes = { once: "once", task: "for this task", run: "for this run" };
  const title = allow ? `You allowed it ${scopes[scope]}.` : "You said no.";
  const detail = asked.question.sentence.replaceAll("`", "");
  const entry = { kind: "you" as const, taskId: asked.taskId, title, detail };
  return log(told, sequence, event, reason ? { ...entry, says: reason } : entry);
}

type CourseEvent = EventOf<"run_paused" | "run_resumed" | "run_stopping" | "slots_changed" | "run_finished">;

function foldCourse(state: RunState, sequence: number, event: CourseEvent): RunState {
  switch (event.type) {
    case "run_paused": {
      const next: RunState = {
        ...state,
        phase: "paused",
        phaseBefore: state.phase === "paused" ? "working" : state.phase,
      };
      return log(next, sequence, event, { kind: "you", title: "Paused.", detail: "" });
    }
    case "run_resumed":
      return log({ ...state, phase: "working" }, sequence, event, { kind: "you", title: "Resumed.", detail: "" });
    case "run_stopping": {
      const next: RunState = { ...state, phase: "stopping", stopping: event.reason };
      return log(next, sequence, event, { kind: "you", title: "Stop asked for.", detail: event.reason });
    }
    case "slots_changed":
      return { ...state, slots: event.slots };
    case "run_finished":
      return finished(state, sequence, event);
  }
}

const ENDINGS = { completed: "Completed.", failed: "Failed.", canceled: "Stopped.", queued: "", running: "" };

function finished(state: RunState, sequence: number, event: EventOf<"run_finished">): RunState {
  const { status, artifacts, at } = event;
  const end = {
    status,
    at,
    artifacts,
    ...(event.runDigest ? { digest: event.runDigest } : {}),
    ...(event.answer ? { answer: event.answer } : {}),
    ...(event.answerHash ? { answerHash: event.answerHash } : {}),
    ...(event.error ? { error: event.error } : {}),
  };
  const work = { ...state.work };
  for (const [id, one] of Object.entries(work)) {
    if (one.state === "running" || one.state === "waiting" || one.state === "queued") {
      const { asking: _asking, approvalId: _approvalId, ...rest } = one;
      work[id] = { ...rest, state: status === "completed" ? "retired" : "canceled", endedAt: at };
    }
  }
  const approvals = { ...state.approvals };
  for (const [id, asked] of Object.entries(approvals)) {
    if (!asked.decision) approvals[id] = { ...asked, withdrawn: true };
  }
  const sessions = Object.fromEntries(
    Object.entries(state.sessions).map(([id, one]) => [id, closedAt(one, at, "the run is over")]),
  );
  const entry = { kind: "end" as const, title: ENDINGS[status], detail: event.error?.message ?? "" };
  return log({ ...state, phase: "finished", end, work, approvals, sessions }, sequence, event, entry);
}

function undone(state: RunState, sequence: number, event: EventOf<"undo_finished">): RunState {
  const files = { ...state.files };
  for (const path of event.reverted) {
    const file = files[path];
    if (file) files[path] = { ...file, undone: true };
  }
  const work = { ...state.work };
  for (const id of event.tasks) {
    const one = work[id];
    // One file of several leaves its task as it is.
    const whole = event.conflicts.length === 0 && one?.paths.every((path) => files[path]?.undone !== false);
    if (one && whole) work[id] = { ...one, undone: true };
  }
  const back = `${event.reverted.length} ${event.reverted.length === 1 ? "file" : "files"} put back`;
  const kept = event.conflicts.length > 0 ? `; left alone, changed since: ${event.conflicts.join(", ")}` : "";
  const only = event.tasks.length === 1 ? (event.tasks[0] ?? "") : undefined;
  const name = state.tasks[only ?? ""]?.title ?? "a task";
  const part = only !== undefined && work[only]?.undone !== true;
  const title = only === undefined ? "Undid files of the run:" : part ? `Undid a part of ${name}:` : `Undid ${name}:`;
  const entry = { kind: "you" as const, title, detail: back + kept };
  const all = state.settled.every((id) => work[id]?.undone === true || work[id]?.paths.length === 0);
  return log({ ...state, work, files, undone: all }, sequence, event, entry);
}
