// One run as its facts tell it.

import type {
  ApprovePolicy,
  Artifact,
  Decision,
  EffectiveDecision,
  ErrorCode,
  Event,
  FailureNote,
  Grant,
  Label,
  Plan,
  PlanTask,
  Question,
  RunPhase,
  RunStatus,
  SessionKind,
} from "@openwrap/contracts";

/** Shown by word and shape. `blocked` is worked out where it is shown: queued, and something it needs is not done. */
export type TaskState = "queued" | "running" | "waiting" | "completed" | "retired" | "failed" | "squashed" | "canceled";

export interface ToolCall {
  callId: string;
  tool: string;
  summary: string;
  startedAt: number;
  durationMs?: number;
  argumentsHash: string;
  resultHash?: string;
  preview: string;
  decision?: EffectiveDecision;
  needs: string[];
  labels: Label[];
  end?: "done" | "error" | "refused";
  code?: ErrorCode;
}

/** What a worker did in a task, the planner's and the answer's work alike. */
export interface Work {
  taskId: string;
  state: TaskState;
  attempt: number;
  /** Steps begun in this attempt. */
  step: number;
  workerId: string;
  role: string;
  startedAt?: number;
  endedAt?: number;
  /** Newest last; of all attempts. */
  calls: ToolCall[];
  /** What the worker said last, cut. */
  words: string;
  /** A model call under way: its step, for the live text. */
  asking?: string;
  approvalId?: string;
  failure?: { code: ErrorCode; message: string };
  result?: { hash: string; preview: string };
  paths: string[];
  inputTokens: number;
  outputTokens: number;
  undone: boolean;
  ordinal?: number;
  settledAt?: number;
}

export interface ProposedPlan {
  version: number;
  plan: Plan;
  bundle: string[];
  answer?: "accepted" | "rejected";
  reason?: string;
}

export interface Asked {
  question: Question;
  taskId: string;
  askedAt: number;
  sequence: number;
  decision?: Decision;
  withdrawn: boolean;
}

export interface RunFile {
  path: string;
  size?: number;
  taskId: string;
  settled: boolean;
  /** Put back by an undo: what the task made of it is gone. */
  undone: boolean;
}

/** What a person told the workers of a live run. */
export interface Message {
  messageId: string;
  text: string;
  /** None: all workers. */
  taskId?: string;
  interrupt: boolean;
  sentAt: number;
  /** Tasks whose worker has read it, the first to do so first. */
  seenBy: string[];
}

/** A live surface of a worker. */
export interface LiveSession {
  sessionId: string;
  kind: SessionKind;
  title: string;
  taskId: string;
  openedAt: number;
  closed?: { at: number; reason: string };
  /** A person drives it. */
  taken?: { at: number; deviceId: string; fence: number };
}

/** A page that a task serves on this machine. */
export interface Preview {
  url: string;
  path: string;
  taskId: string;
  at: number;
}

export interface LogEntry {
  sequence: number;
  at: number;
  kind: "you" | "plan" | "grant" | "settled" | "failed" | "dropped" | "note" | "end";
  taskId?: string;
  title: string;
  detail: string;
  /** A sentence a person reads, in serif. */
  says?: string;
  /** It was told to the workers. */
  messageId?: string;
  /** A page on this machine, opened in a tab of its own. */
  url?: string;
}

export interface RunEnd {
  status: RunStatus;
  at: number;
  digest?: string;
  answer?: string;
  answerHash?: string;
  artifacts: Artifact[];
  error?: FailureNote;
}

export interface RunState {
  runId: string;
  /** Facts of this run up to here are in. */
  sequence: number;
  projectId: string;
  goal: string;
  /** The finished run it goes on from. */
  follows?: string;
  runDate: string;
  model: string;
  approve: ApprovePolicy;
  slots: number;
  createdAt: number;
  phase: RunPhase;
  /** Phase before a pause. */
  phaseBefore: RunPhase;
  plans: ProposedPlan[];
  /** Task as the newest accepted plan has it, dropped ones as they were. */
  tasks: Record<string, PlanTask>;
  /** Ids in settling order, dropped ones left out. */
  order: string[];
  /** Settled ids in their order. */
  settled: string[];
  work: Record<string, Work>;
  approvals: Record<string, Asked>;
  grants: Grant[];
  files: Record<string, RunFile>;
  /** Oldest first. */
  messages: Message[];
  sessions: Record<string, LiveSession>;
  previews: Preview[];
  log: LogEntry[];
  /** Kind of capability → when it was last used. */
  used: Record<string, number>;
  labels: Label[];
  refusedHosts: string[];
  inputTokens: number;
  outputTokens: number;
  end?: RunEnd;
  undone: boolean;
  stopping?: string;
}

export const PLANNER = "planner";
export const ANSWER = "answer";

export function emptyRun(runId: string): RunState {
  return {
    runId,
    sequence: 0,
    projectId: "",
    goal: "",
    runDate: "",
    model: "",
    approve: "ask",
    slots: 0,
    createdAt: 0,
    phase: "planning",
    phaseBefore: "planning",
    plans: [],
    tasks: {},
    order: [],
    settled: [],
    work: {},
    approvals: {},
    grants: [],
    files: {},
    messages: [],
    sessions: {},
    previews: [],
    log: [],
    used: {},
    labels: [],
    refusedHosts: [],
    inputTokens: 0,
    outputTokens: 0,
    undone: false,
  };
}

export function emptyWork(taskId: string): Work {
  return {
    taskId,
    state: "queued",
    attempt: 0,
    step: 0,
    workerId: "",
    role: "",
    calls: [],
    words: "",
    paths: [],
    inputTokens: 0,
    outputTokens: 0,
    undone: false,
  };
}

export function log(
  state: RunState,
  sequence: number,
  event: Event,
  entry: Omit<LogEntry, "sequence" | "at">,
): RunState {
  return { ...state, log: [...state.log, { sequence, at: event.at, ...entry }] };
}
