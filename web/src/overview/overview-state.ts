// What the start page knows: a snapshot at a sequence, then every later fact folded in. The core folds the same way.

import type {
  Budget,
  DisabledFeature,
  Event,
  Overview,
  PendingApproval,
  Project,
  ProviderConfig,
  Risk,
  RunCreatedEvent,
  RunSummary,
  SandboxReport,
  Spend,
  Spending,
} from "@openwrap/contracts";

export interface OverviewState {
  /** Facts up to here are in. */
  sequence: number;
  /** Head hash at the snapshot; facts that came later have moved it on. */
  headHash: string;
  headSequence: number;
  /** By project id. */
  projects: Project[];
  /** Newest first. */
  runs: RunSummary[];
  /** By risk, highest first, then sequence. */
  approvals: PendingApproval[];
  /** By provider id. */
  providers: ProviderConfig[];
  /** Of runs that are created without a budget. */
  defaultBudget?: Budget | null;
  sandbox: SandboxReport;
  disabled: DisabledFeature[];
}

/** Highest first. */
export const RISKS: readonly Risk[] = [
  "cannot_be_undone",
  "leaves_machine",
  "runs_program",
  "changes_files",
  "reads_more",
];

export function fromSnapshot(overview: Overview): OverviewState {
  return { ...overview, headSequence: overview.sequence };
}

/** The state after a fact; facts that are in already change nothing. */
export function apply(state: OverviewState, sequence: number, event: Event): OverviewState {
  if (sequence <= state.sequence) return state;
  return { ...fold(state, sequence, event), sequence };
}

function fold(state: OverviewState, sequence: number, event: Event): OverviewState {
  switch (event.type) {
    case "project_opened": {
      if (!event.projectId) return state;
      const project = { projectId: event.projectId, name: event.name, path: event.path };
      return { ...state, projects: put(state.projects, project, (one) => one.projectId) };
    }
    case "provider_added":
      return { ...state, providers: put(state.providers, event.provider, (one) => one.providerId) };
    case "provider_removed":
      return { ...state, providers: state.providers.filter((one) => one.providerId !== event.providerId) };
    case "budget_default_set":
      return { ...state, defaultBudget: event.budget ?? null };
    case "sandbox_probed":
      return { ...state, sandbox: event.report };
    case "run_created":
      return event.runId ? { ...state, runs: [created(state, sequence, event, event.runId), ...state.runs] } : state;
    case "approval_requested": {
      if (!event.runId) return state;
      const { runId, taskId, at: askedAt, question } = event;
      const asked: PendingApproval = { runId, taskId: taskId ?? "", askedAt, sequence, question };
      const others = without(state.approvals, question.approvalId);
      return { ...state, approvals: [...others, asked].sort(byRisk) };
    }
    case "approval_resolved":
    case "approval_withdrawn":
      return { ...state, approvals: without(state.approvals, event.approvalId) };
    default:
      return foldRun(state, event);
  }
}

function foldRun(state: OverviewState, event: Event): OverviewState {
  const place = state.runs.findIndex((run) => run.runId === event.runId);
  const run = state.runs[place];
  if (!run) return state;
  const next = runAfter(run, event);
  if (next === run) return state;
  const approvals =
    event.type === "run_finished" ? state.approvals.filter((asked) => asked.runId !== event.runId) : state.approvals;
  return { ...state, runs: state.runs.with(place, next), approvals };
}

function runAfter(run: RunSummary, event: Event): RunSummary {
  switch (event.type) {
    case "plan_proposed": {
      const tasks = event.plan.tasks.length;
      return { ...run, phase: "review", tasksTotal: run.tasksTotal === 0 ? tasks : run.tasksRetired + tasks };
    }
    case "plan_accepted":
    case "run_resumed":
      return { ...run, phase: "working" };
    case "plan_rejected":
    case "replan_requested":
      return { ...run, phase: "planning" };
    case "run_paused":
      return { ...run, phase: "paused" };
    case "run_stopping":
      return { ...run, phase: "stopping" };
    case "task_retired": {
      const tasksRetired = run.tasksRetired + 1;
      return { ...run, tasksRetired, tasksTotal: Math.max(run.tasksTotal, tasksRetired) };
    }
    case "model_finished": {
      const { inputTokens, outputTokens } = event.usage;
      const phase = event.taskId === "answer" ? "answering" : run.phase;
      return {
        ...run,
        phase,
        inputTokens: run.inputTokens + inputTokens,
        outputTokens: run.outputTokens + outputTokens,
        ...(event.booked ? { spending: booked(run.spending, event.booked) } : {}),
      };
    }
    case "budget_set":
      return { ...run, budget: event.budget ?? null };
    case "run_finished": {
      const { status, runDigest, answer, artifacts, at: endedAt } = event;
      return {
        ...run,
        phase: "finished",
        status,
        endedAt,
        runDigest: runDigest ?? null,
        answer: answer ?? null,
        artifacts,
      };
    }
    case "undo_finished": {
      // All of it at once; one file, or one task of several, leaves the run as it is.
      const back = new Set(event.reverted);
      const whole = event.tasks.length > 1 && event.tasks.length === run.tasksRetired;
      const all = whole || run.artifacts.every((file) => back.has(file.path));
      return { ...run, undone: run.undone || (all && event.conflicts.length === 0) };
    }
    default:
      return run;
  }
}

/** Of several runs together. */
export function added(a: Spending, b: Spending): Spending {
  return {
    costMicroUsd: a.costMicroUsd + b.costMicroUsd,
    tokens: a.tokens + b.tokens,
    unpricedTokens: a.unpricedTokens + b.unpricedTokens,
    reservedMicroUsd: a.reservedMicroUsd + b.reservedMicroUsd,
    reservedTokens: a.reservedTokens + b.reservedTokens,
  };
}

export const NOTHING_SPENT: Spending = {
  costMicroUsd: 0,
  tokens: 0,
  unpricedTokens: 0,
  reservedMicroUsd: 0,
  reservedTokens: 0,
};

/** A call is over. What others have reserved is not followed here: it is a figure of the moment, read on demand. */
function booked(spending: Spending | undefined, spend: Spend): Spending {
  const before = spending ?? NOTHING_SPENT;
  const cost = spend.costMicroUsd;
  return {
    ...before,
    tokens: before.tokens + spend.tokens,
    costMicroUsd: before.costMicroUsd + (cost ?? 0),
    unpricedTokens: before.unpricedTokens + (cost == null ? spend.tokens : 0),
  };
}

function created(state: OverviewState, sequence: number, event: RunCreatedEvent, runId: string): RunSummary {
  return {
    runId,
    projectId: event.projectId ?? "",
    number: (state.runs[0]?.number ?? 0) + 1,
    goal: event.goal,
    status: "running",
    phase: "planning",
    createdAt: event.at,
    model: event.model,
    approve: event.approve,
    tasksTotal: 0,
    tasksRetired: 0,
    inputTokens: 0,
    outputTokens: 0,
    artifacts: [],
    firstSequence: sequence,
    undone: false,
    budget: event.budget ?? null,
    spending: NOTHING_SPENT,
    playbook: event.playbook?.name ?? null,
  };
}

function put<T>(list: T[], item: T, key: (item: T) => string): T[] {
  const others = list.filter((one) => key(one) !== key(item));
  return [...others, item].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function without(list: PendingApproval[], approvalId: string): PendingApproval[] {
  return list.filter((asked) => asked.question.approvalId !== approvalId);
}

function byRisk(a: PendingApproval, b: PendingApproval): number {
  return RISKS.indexOf(a.question.risk) - RISKS.indexOf(b.question.risk) || a.sequence - b.sequence;
}

export function runOf(state: OverviewState, runId: string): RunSummary | undefined {
  return state.runs.find((run) => run.runId === runId);
}

export function projectOf(state: OverviewState, projectId: string): Project | undefined {
  return state.projects.find((project) => project.projectId === projectId);
}

export function isOver(run: RunSummary): boolean {
  return run.phase === "finished";
}
