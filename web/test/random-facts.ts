// Random logs of facts, valid in shape, in any order.

import type { Artifact, Event, FileEntry, Label, Plan, Question, Risk, Scope } from "@openwrap/contracts";
import fc from "fast-check";

export type Numbered = readonly [sequence: number, event: Event];

const HASH = "ab".repeat(32);
const RUNS = ["run_1", "run_2"];
const TASKS = ["profile", "months", "report"];
const ASKS = ["ask_1", "ask_2", "ask_3"];

export const plan = fc.constantFrom<Plan>(
  { summary: "Two steps", tasks: TASKS.slice(0, 2).map((taskId) => ({ taskId, title: taskId, role: "developer" })) },
  {
    summary: "Three steps",
    tasks: TASKS.map((taskId, place) => ({
      taskId,
      title: taskId,
      role: place === 2 ? "document" : "developer",
      dependsOn: place === 0 ? [] : [TASKS[place - 1] ?? ""],
    })),
  },
);

const question: fc.Arbitrary<Question> = fc
  .record({
    approvalId: fc.constantFrom(...ASKS),
    risk: fc.constantFrom<Risk>("reads_more", "changes_files", "runs_program", "leaves_machine", "cannot_be_undone"),
  })
  .map(({ approvalId, risk }) => ({
    approvalId,
    kind: "tool",
    risk,
    sentence: "Let developer read `x`?",
    exact: "x",
    why: "",
    ifNo: "",
    adds: ["read:x"],
    labels: [],
    scopes: ["once", "task", "run"],
  }));

const usage = fc.record({ inputTokens: fc.nat(5_000), outputTokens: fc.nat(500) });
const files = fc.constantFrom<FileEntry[]>([], [{ path: "report.md", size: 10 }]);

type Body = Event extends infer E ? (E extends Event ? Omit<E, "at" | "actor"> : never) : never;

const body: fc.Arbitrary<Body> = fc.oneof(
  fc.record({
    type: fc.constant("project_opened" as const),
    projectId: fc.constantFrom("p_1", "p_2"),
    name: fc.string(),
    path: fc.string(),
  }),
  fc.constant({
    type: "run_created",
    goal: "Do it",
    runDate: "2026-01-01",
    model: "rehearsal",
    slots: 4,
    approve: "ask",
    projectHash: HASH,
    workflowHash: HASH,
  } as const),
  fc.record({
    type: fc.constant("plan_proposed" as const),
    version: fc.integer({ min: 1, max: 3 }),
    planHash: fc.constant(HASH),
    plan,
    bundle: fc.constant<string[]>(["read:.", "run:node"]),
  }),
  fc.record({
    type: fc.constant("plan_accepted" as const),
    version: fc.integer({ min: 1, max: 3 }),
    planHash: fc.constant(HASH),
    acceptedAfter: fc.nat(2),
    baseHash: fc.constant(HASH),
  }),
  fc.record({
    type: fc.constant("plan_rejected" as const),
    version: fc.integer({ min: 1, max: 3 }),
    reason: fc.string(),
  }),
  fc.record({ type: fc.constant("approval_requested" as const), question }),
  fc.record({
    type: fc.constant("approval_resolved" as const),
    approvalId: fc.constantFrom(...ASKS),
    decision: fc.record({ allow: fc.boolean(), scope: fc.constantFrom<Scope>("once", "task", "run") }),
  }),
  fc.record({ type: fc.constant("approval_withdrawn" as const), approvalId: fc.constantFrom(...ASKS) }),
  fc.constantFrom(
    { type: "run_paused" } as const,
    { type: "run_resumed" } as const,
    { type: "task_squashed" } as const,
  ),
  fc.record({ type: fc.constant("replan_requested" as const), reason: fc.string() }),
  fc.record({
    type: fc.constant("task_started" as const),
    start: fc.integer({ min: 1, max: 3 }),
    workerId: fc.constantFrom("w1", "w2"),
    role: fc.constant("developer"),
    base: fc.constant({ kind: "plan" as const, version: 1 }),
    closure: fc.constant<string[]>([]),
    head: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("task_waiting" as const),
    start: fc.constant(1),
    approvalId: fc.constantFrom(...ASKS),
  }),
  fc.record({
    type: fc.constant("task_completed" as const),
    start: fc.constant(1),
    resultHash: fc.constant(HASH),
    changeSetHash: fc.constant(HASH),
    paths: fc.constantFrom<string[]>([], ["report.md"]),
    preview: fc.string(),
  }),
  fc.record({
    type: fc.constant("task_failed" as const),
    start: fc.constant(1),
    code: fc.constant("CHECK_FAILED" as const),
    message: fc.string(),
  }),
  fc.record({ type: fc.constant("task_retired" as const), ordinal: fc.nat(3), treeHash: fc.constant(HASH), files }),
  fc.record({ type: fc.constant("task_reopened" as const), paths: fc.constantFrom<string[]>([], ["report.md"]) }),
  fc.record({ type: fc.constant("model_requested" as const), route: fc.constant("r"), requestHash: fc.constant(HASH) }),
  fc.record({
    type: fc.constant("model_finished" as const),
    route: fc.constant("r"),
    requestHash: fc.constant(HASH),
    usage,
    latencyMs: fc.nat(),
    tries: fc.constant(1),
    toolCalls: fc.nat(3),
    preview: fc.string(),
  }),
  fc.record({
    type: fc.constant("tool_requested" as const),
    tool: fc.constant("file.read"),
    callId: fc.constantFrom("a", "b"),
    requestHash: fc.constant(HASH),
    argumentsHash: fc.constant(HASH),
    summary: fc.string(),
    needs: fc.constant<string[]>(["read:."]),
    grantIds: fc.constant<string[]>([]),
    decision: fc.constant({ allow: true, asked: false }),
  }),
  fc.record({
    type: fc.constant("tool_finished" as const),
    tool: fc.constant("file.read"),
    callId: fc.constantFrom("a", "b"),
    resultHash: fc.constant(HASH),
    isError: fc.boolean(),
    durationMs: fc.nat(),
    labels: fc.constantFrom<Label[]>([], ["web"]),
    artifacts: fc.constant<Artifact[]>([]),
    preview: fc.string(),
  }),
  fc.record({
    type: fc.constant("run_finished" as const),
    status: fc.constantFrom("completed" as const, "failed" as const, "canceled" as const),
    artifacts: fc.constant<Artifact[]>([]),
  }),
  fc.record({
    type: fc.constant("session_opened" as const),
    sessionId: fc.constantFrom("s1", "s2"),
    kind: fc.constantFrom("terminal" as const, "browser" as const),
    title: fc.string(),
  }),
  fc.record({
    type: fc.constant("session_closed" as const),
    sessionId: fc.constantFrom("s1", "s2"),
    reason: fc.string(),
  }),
  fc.record({
    type: fc.constant("control_taken" as const),
    sessionId: fc.constantFrom("s1", "s2"),
    fence: fc.nat(9),
  }),
  fc.record({
    type: fc.constant("control_handed_back" as const),
    sessionId: fc.constantFrom("s1", "s2"),
    fence: fc.nat(9),
    changed: fc.string(),
    note: fc.option(fc.string(), { nil: null }),
  }),
  fc.record({
    type: fc.constant("message_sent" as const),
    messageId: fc.constantFrom("m1", "m2"),
    text: fc.string(),
    interrupt: fc.boolean(),
  }),
  fc.record({ type: fc.constant("message_seen" as const), messageId: fc.constantFrom("m1", "m2") }),
  fc.record({
    type: fc.constant("preview_opened" as const),
    url: fc.constantFrom("http://127.0.0.1:4100/", "http://127.0.0.1:4101/"),
    path: fc.constant("site"),
  }),
  fc.record({
    type: fc.constant("undo_finished" as const),
    tasks: fc.constant<string[]>(TASKS),
    reverted: fc.constant<string[]>(["report.md"]),
    conflicts: fc.constantFrom<string[]>([], ["x"]),
    treeHash: fc.constant(HASH),
  }),
);

/** A log with growing sequences that begins with both runs. */
export const facts: fc.Arbitrary<Numbered[]> = fc
  .array(
    fc.tuple(
      body,
      fc.constantFrom(...RUNS),
      fc.constantFrom(...TASKS, "planner", "answer"),
      fc.integer({ min: 1, max: 3 }),
    ),
    {
      maxLength: 60,
    },
  )
  .map((rows) => {
    let sequence = 0;
    const begin: Body = {
      type: "run_created",
      goal: "Do it",
      runDate: "2026-01-01",
      model: "rehearsal",
      slots: 4,
      approve: "ask",
      projectHash: HASH,
      workflowHash: HASH,
    };
    const all = [
      ...RUNS.map((runId) => [begin, runId, "planner", 1] as const),
      ...rows.filter(([one]) => one.type !== "run_created"),
    ];
    return all.map(([one, runId, taskId, gap]) => {
      sequence += gap;
      const event = {
        runId,
        taskId,
        attempt: 1,
        step: 1,
        ...one,
        at: sequence * 1_000,
        actor: { kind: "core", id: "test" },
      } as Event;
      return [sequence, event] as const;
    });
  });
