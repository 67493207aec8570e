import type { Event, Overview } from "@openwrap/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { apply as applyOverview, fromSnapshot, type OverviewState } from "../src/overview/overview-state.ts";
import { apply as applyRun } from "../src/run/run-fold.ts";
import { emptyRun, type Message, type RunState } from "../src/run/run-state.ts";
import {
  liveTasks,
  messageWords,
  openSessions,
  progressWords,
  reach,
  shownState,
  taskView,
} from "../src/run/run-view.ts";
import { layoutTape } from "../src/run/tape-layout.ts";
import { layoutGraph, SIZE } from "../src/workforce/graph-layout.ts";
import { facts, type Numbered } from "./random-facts.ts";

const NOTHING: Overview = {
  sequence: 0,
  headHash: "00".repeat(32),
  projects: [],
  runs: [],
  approvals: [],
  providers: [],
  sandbox: {
    level: "A",
    usable: true,
    landlockAbi: 6,
    seccomp: true,
    namespaces: true,
    uidMode: "two_uids",
    toolsUid: 1,
    toolsGid: 1,
    metadataConfined: true,
    effects: [],
    notes: [],
  },
  disabled: [],
};

const overview = (start: OverviewState, log: readonly Numbered[]): OverviewState =>
  log.reduce((state, [sequence, event]) => applyOverview(state, sequence, event), start);
const run = (start: RunState, log: readonly Numbered[]): RunState =>
  log.reduce((state, [sequence, event]) => applyRun(state, sequence, event), start);

/** As the core would send it: text, without what only the page keeps. */
function snapshot({ headSequence: _headSequence, ...state }: OverviewState): Overview {
  return JSON.parse(JSON.stringify(state)) as Overview;
}

describe("overview", () => {
  it("is the same for who joined late and who was there from the start", () => {
    fc.assert(
      fc.property(facts, fc.nat(), fc.nat(5), (log, at, overlap) => {
        const cut = log.length === 0 ? 0 : at % (log.length + 1);
        const start = overview(fromSnapshot(NOTHING), log);
        const joined = fromSnapshot(snapshot(overview(fromSnapshot(NOTHING), log.slice(0, cut))));
        // The stream may repeat what the snapshot has.
        const late = overview(joined, log.slice(Math.max(0, cut - overlap)));
        expect(snapshot(late)).toEqual(snapshot(start));
      }),
      { numRuns: 200 },
    );
  });

  it("lists what puts most at stake first", () => {
    fc.assert(
      fc.property(facts, (log) => {
        const { approvals } = overview(fromSnapshot(NOTHING), log);
        const order = ["cannot_be_undone", "leaves_machine", "runs_program", "changes_files", "reads_more"];
        const places = approvals.map((asked) => order.indexOf(asked.question.risk) * 1e6 + asked.sequence);
        expect(places).toEqual([...places].sort((a, b) => a - b));
        expect(new Set(approvals.map((asked) => asked.question.approvalId)).size).toBe(approvals.length);
      }),
      { numRuns: 100 },
    );
  });
});

describe("run", () => {
  it("is the same in pages, with the stream laid over them, as from the start", () => {
    fc.assert(
      fc.property(facts, fc.nat(), fc.nat(), (log, first, second) => {
        const whole = run(emptyRun("run_1"), log);
        const [from, to] = [first % (log.length + 1), second % (log.length + 1)].sort((a, b) => a - b) as [
          number,
          number,
        ];
        const paged = run(run(run(emptyRun("run_1"), log.slice(0, from)), log.slice(0, to)), log.slice(from));
        expect(paged).toEqual(whole);
      }),
      { numRuns: 200 },
    );
  });

  it("never changes a state in place, and shows any state", () => {
    fc.assert(
      fc.property(facts, (log) => {
        let state = emptyRun("run_1");
        for (const [sequence, event] of log) {
          const before = JSON.stringify(state);
          const kept = state;
          state = applyRun(state, sequence, event);
          expect(JSON.stringify(kept)).toBe(before);
          const { lanes, ahead, behind } = layoutTape(state);
          expect(ahead.length + behind.length).toBe(state.order.length);
          for (const node of [...ahead, ...behind]) {
            expect(lanes[node.lane]).toBeDefined();
            expect(node.span).toBeGreaterThan(0);
          }
          for (const id of state.order) expect(taskView(state, id).word).not.toBe("");
          expect(progressWords(state)).toMatch(/settled/);
          const graph = layoutGraph(state);
          expect(graph.nodes.filter((node) => node.kind === "task").length).toBe(state.order.length);
          expect(graph.lanes.flatMap((lane) => lane.tasks).sort()).toEqual([...state.order].sort());
          liveTasks(state);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("does not let nodes of one lane overlap", () => {
    fc.assert(
      fc.property(facts, (log) => {
        const { ahead } = layoutTape(run(emptyRun("run_1"), log));
        for (const a of ahead) {
          for (const b of ahead) {
            if (a !== b && a.lane === b.lane)
              expect(a.start + a.span <= b.start || b.start + b.span <= a.start).toBe(true);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("lets no two nodes of the picture overlap, and every need points forward", () => {
    fc.assert(
      fc.property(facts, (log) => {
        const { nodes, edges, width, height } = layoutGraph(run(emptyRun("run_1"), log));
        for (const [place, a] of nodes.entries()) {
          expect(a.x + a.width).toBeLessThanOrEqual(width);
          expect(a.y + SIZE.height).toBeLessThanOrEqual(height);
          for (const b of nodes.slice(place + 1)) {
            const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || Math.abs(a.y - b.y) >= SIZE.height;
            expect(apart, `${a.id} ${b.id}`).toBe(true);
          }
        }
        const at = new Map(nodes.filter((node) => node.kind === "task").map((node) => [node.id, node.x]));
        for (const edge of edges) {
          if (edge.kind === "needs") expect(at.get(edge.from) ?? 0).toBeLessThan(at.get(edge.to) ?? 0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("tells the course of a task", () => {
    let sequence = 0;
    let state = emptyRun("r");
    const tell = (event: object): void => {
      sequence += 1;
      state = applyRun(state, sequence, {
        at: sequence,
        actor: { kind: "core", id: "t" },
        runId: "r",
        ...event,
      } as Event);
    };
    const tasks = [
      { taskId: "a", title: "A", role: "developer" },
      { taskId: "b", title: "B", role: "developer", dependsOn: ["a"] },
    ];
    tell({ type: "plan_proposed", version: 1, planHash: "", plan: { summary: "", tasks }, bundle: [] });
    tell({ type: "plan_accepted", version: 1, planHash: "", acceptedAfter: 0, baseHash: "" });
    expect([shownState(state, "a"), shownState(state, "b")]).toEqual(["queued", "blocked"]);
    expect(taskView(state, "b").word).toBe("Blocked, needs 1");
    const start = {
      type: "task_started",
      start: 1,
      workerId: "w",
      role: "developer",
      base: { kind: "plan", version: 1 },
      closure: [],
      head: false,
    };
    tell({ ...start, taskId: "a", attempt: 1 });
    tell({ type: "task_waiting", taskId: "a", start: 1, approvalId: "q" });
    expect(taskView(state, "a").word).toBe("Waiting for you");
    tell({ type: "task_ready", taskId: "a", start: 1 });
    expect(shownState(state, "a")).toBe("running");
    tell({
      type: "task_completed",
      taskId: "a",
      start: 1,
      resultHash: "",
      changeSetHash: "",
      paths: ["x.md"],
      preview: "found",
    });
    expect([shownState(state, "a"), shownState(state, "b")]).toEqual(["completed", "queued"]);
    expect(state.files["x.md"]?.settled).toBe(false);
    tell({ type: "task_retired", taskId: "a", ordinal: 0, treeHash: "", files: [{ path: "x.md", size: 3 }] });
    expect(taskView(state, "a").word).toBe("Settled");
    expect(state.files["x.md"]).toEqual({ path: "x.md", size: 3, taskId: "a", settled: true, undone: false });
    tell({ type: "run_finished", status: "canceled", artifacts: [] });
    expect(shownState(state, "b")).toBe("canceled");
    expect(state.log.map((entry) => entry.title)).toEqual(["Plan accepted.", "A", "Stopped."]);
  });

  it("keeps messages, live surfaces and pages served", () => {
    let sequence = 0;
    let state = emptyRun("r");
    const tell = (event: object, actor = "core"): void => {
      sequence += 1;
      const envelope = { at: sequence, actor: { kind: "core", id: actor }, runId: "r", taskId: "a" };
      state = applyRun(state, sequence, { ...envelope, ...event } as Event);
    };
    tell({ type: "message_sent", messageId: "m", text: "Use the yearly column", interrupt: false, taskId: null });
    expect(messageWords(state, state.messages[0] as Message)).toBe("You, to every worker. Read with the next step");
    tell({ type: "message_seen", messageId: "m" });
    tell({ type: "message_seen", messageId: "m" });
    expect(state.messages[0]?.seenBy).toEqual(["a"]);
    tell({ type: "session_opened", sessionId: "s", kind: "terminal", title: "node" });
    tell({ type: "control_taken", sessionId: "s", fence: 3 }, "device_1");
    expect(openSessions(state).map((one) => one.taken?.deviceId)).toEqual(["device_1"]);
    tell({ type: "control_handed_back", sessionId: "s", fence: 3, note: "Done by hand", changed: "" });
    expect(state.sessions.s?.taken).toBeUndefined();
    tell({ type: "preview_opened", url: "http://127.0.0.1:4100/", path: "site/index.html" });
    tell({ type: "preview_opened", url: "http://127.0.0.1:4100/", path: "site/index.html" });
    expect(state.previews.length).toBe(1);
    tell({ type: "run_finished", status: "completed", artifacts: [] });
    expect(openSessions(state)).toEqual([]);
    expect(state.sessions.s?.closed?.reason).toBe("the run is over");
    expect(state.log.flatMap((entry) => entry.says ?? [])).toEqual(["Use the yearly column", "Done by hand"]);
  });

  it("calls a task undone when all its files were put back, not one of several", () => {
    let sequence = 0;
    let state = emptyRun("r");
    const tell = (event: object): void => {
      sequence += 1;
      const envelope = { at: sequence, actor: { kind: "core", id: "t" }, runId: "r", taskId: "a" };
      state = applyRun(state, sequence, { ...envelope, ...event } as Event);
    };
    const paths = ["x.md", "y.md"];
    tell({ type: "task_completed", start: 1, resultHash: "", changeSetHash: "", paths, preview: "" });
    tell({ type: "task_retired", ordinal: 0, treeHash: "", files: paths.map((path) => ({ path, size: 1 })) });
    const undo = { type: "undo_finished", tasks: ["a"], conflicts: [], treeHash: "" };
    tell({ ...undo, reverted: ["x.md"] });
    expect([state.files["x.md"]?.undone, state.files["y.md"]?.undone]).toEqual([true, false]);
    expect([state.work.a?.undone, state.undone]).toEqual([false, false]);
    tell({ ...undo, reverted: ["y.md"] });
    expect([state.work.a?.undone, state.undone]).toEqual([true, true]);
  });

  it("groups what may be reached", () => {
    const parts = reach(["write:b", "read:.", "write:a", "net:example.org:443", "browser:https://x"]);
    expect(parts.map((part) => [part.label, part.values.join(" ")])).toEqual([
      ["Read", "."],
      ["Write", "a b"],
      ["Run", ""],
      ["Connect", "example.org:443"],
      ["Secrets", ""],
      ["Browse", "https://x"],
    ]);
  });
});
