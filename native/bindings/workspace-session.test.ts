// Entry `workspace-session`: its switches, and the class over the built addon.

import { describe, expect, test } from "vitest";
import { describeSwitches, faultOf } from "./entry-switches.ts";
import * as browser from "./workspace-session/index.ts";
import type { WorkspaceSessionManager } from "./workspace-session/manager.ts";
import { error as loadError, native as loaded } from "./workspace-session/node.ts";

describeSwitches({
  feature: "workspace-session",
  className: "WorkspaceSessionManager",
  browser,
  browserFiles: ["index.ts", "manager.ts"],
  ids: { off: "AR-070", override: "AR-071", browser: "AR-072" },
});

interface Session {
  sessionId: string;
  status: string;
  controllerId?: string;
  createdAt: number;
  updatedAt: number;
}

interface Event {
  sequence: number;
  sessionId: string;
  type: string;
  timestamp: number;
  payload: Record<string, unknown>;
}

/** The class with values instead of texts. */
class Manager {
  readonly face: WorkspaceSessionManager;

  constructor() {
    if (loaded === null) throw loadError;
    this.face = new loaded.WorkspaceSessionManager();
  }

  create(more: object = {}, now?: number): Session {
    const input = { sessionId: "s", kind: "terminal", ownerAgentId: "agent", ...more };
    return JSON.parse(this.face.createSession(JSON.stringify(input), now));
  }

  pause(by?: string, now?: number): Session {
    return JSON.parse(this.face.pauseSession("s", by, now));
  }

  resume(by?: string, now?: number): Session {
    return JSON.parse(this.face.resumeSession("s", by, now));
  }

  close(now?: number): Session {
    return JSON.parse(this.face.closeSession("s", now));
  }

  send(actorId: string, data: unknown, now?: number): Record<string, unknown> {
    return JSON.parse(this.face.sendInput("s", JSON.stringify({ actorId, data }), now));
  }

  record(type: string, payload: unknown, now?: number): number {
    return JSON.parse(this.face.recordEvent("s", type, JSON.stringify(payload), now));
  }

  events(after?: number, limit?: number): Event[] {
    return JSON.parse(this.face.drainEvents(after, limit));
  }

  typed(): unknown[] {
    return this.events()
      .filter(({ type }) => type === "prompt")
      .map(({ payload }) => payload.data);
  }

  sessions(): Session[] {
    return JSON.parse(this.face.listSessions());
  }

  ask(requestId: string, more: object = {}): Record<string, unknown> {
    const request = { requestId, kind: "tool", payload: { command: "make" }, requestedAt: 100, ...more };
    return JSON.parse(this.face.requestApproval(JSON.stringify(request)));
  }

  answer(requestId: string, approved: boolean, more: object = {}, now?: number): Record<string, unknown> {
    return JSON.parse(this.face.resolveApproval(JSON.stringify({ requestId, approved, ...more }), now));
  }

  approval(requestId: string, now?: number): Record<string, unknown> {
    return JSON.parse(this.face.getApproval(requestId, now));
  }
}

/** An active session of `agent`, at the time 10. */
function active(): Manager {
  const manager = new Manager();
  manager.create({}, 10);
  manager.resume(undefined, 10);
  return manager;
}

async function codeOf(call: () => unknown): Promise<string> {
  return (await faultOf(call)).code;
}

describe("states", () => {
  test("AR-001 AR-002 created, active, paused and back, closed; nothing else, and a refused act changes nothing", async () => {
    const acts: ((manager: Manager) => Session)[] = [(m) => m.resume(), (m) => m.pause(), (m) => m.close()];
    const ways: [number[], string[]][] = [
      [[], ["active", "", ""]],
      [[0], ["", "paused", "closed"]],
      [
        [0, 1],
        ["active", "", "closed"],
      ],
      [
        [0, 2],
        ["", "", ""],
      ],
    ];
    for (const [way, reached] of ways) {
      for (const [place, act] of acts.entries()) {
        const manager = new Manager();
        expect(manager.create().status).toBe("created");
        for (const step of way) acts[step]?.(manager);
        const before = manager.face.getSnapshot();
        if (reached[place] !== "") expect(act(manager).status).toBe(reached[place]);
        else {
          expect(await codeOf(() => act(manager)), `${way} ${place}`).toBe("INVALID_STATE");
          expect(manager.face.getSnapshot()).toBe(before);
        }
      }
    }
  });

  test("AR-003 AR-004 ids are unique and made where none is given; lists are in the order of creation", async () => {
    const manager = new Manager();
    manager.create({ sessionId: "z", kind: "browser" });
    expect(manager.create({ sessionId: undefined, kind: "file" }).sessionId).toBe("session-2");
    manager.create({ sessionId: "a" });
    expect(manager.sessions().map(({ sessionId }) => sessionId)).toEqual(["z", "session-2", "a"]);
    expect(await codeOf(() => manager.create({ sessionId: "a" }))).toBe("ALREADY_EXISTS");
    for (const wrong of [{ sessionId: "" }, { sessionId: "a\u0000" }, { kind: "fax" }, { color: 1 }])
      expect(await codeOf(() => manager.create({ sessionId: "n", ...wrong }))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(() => manager.face.closeSession("none"))).toBe("NOT_FOUND");
  });
});

describe("control", () => {
  test("AR-010 AR-011 one drives: a second taker and foreign input are refused, naming who drives", async () => {
    const manager = active();
    expect(manager.send("agent", "1")).toEqual({ status: "delivered", sequence: 3 });
    expect(await codeOf(() => manager.send("ann", "x"))).toBe("LEASE_HELD");
    expect(manager.pause("ann")).toMatchObject({ status: "paused", controllerId: "ann" });
    const second = await faultOf(() => manager.pause("bob"));
    expect(second).toMatchObject({ code: "LEASE_HELD", message: expect.stringContaining("ann") });
    expect(await codeOf(() => manager.send("bob", "x"))).toBe("LEASE_HELD");
    expect(await codeOf(() => manager.resume("bob"))).toBe("LEASE_HELD");
    manager.send("ann", "2");
    expect(manager.typed()).toEqual(["1", "2"]);
  });

  test("AR-012 AR-013 the agent's input waits while a person drives, and goes in, in order, as they hand back", async () => {
    const manager = active();
    manager.pause("ann");
    expect(manager.send("agent", "2")).toEqual({ status: "waiting", place: 1 });
    expect(manager.send("agent", "3")).toEqual({ status: "waiting", place: 2 });
    manager.send("ann", "1");
    expect(manager.resume("ann").controllerId).toBeUndefined();
    expect(manager.typed()).toEqual(["1", "2", "3"]);
    const handed = manager.events().filter(({ type }) => type === "control_handoff");
    expect(handed.map(({ payload }) => payload)).toEqual([
      { from: "agent", to: "ann" },
      { from: "ann", to: "agent" },
    ]);
    manager.pause("ann");
    manager.send("agent", "lost");
    manager.close();
    expect(manager.typed()).not.toContain("lost");
    expect(await codeOf(() => manager.send("agent", "late"))).toBe("INVALID_STATE");
  });

  test("AR-014 at most 256 inputs wait", async () => {
    const manager = active();
    manager.pause("ann");
    for (let count = 0; count < 256; count += 1) manager.send("agent", count);
    expect(await codeOf(() => manager.send("agent", "more"))).toBe("LIMIT_EXCEEDED");
  });
});

describe("log", () => {
  test("AR-020 AR-021 sequences only grow over all sessions; reading takes nothing away", async () => {
    const manager = active();
    manager.create({ sessionId: "other" });
    manager.record("stdout", { text: "hello" });
    manager.record("log_line", { text: "done" });
    const events = manager.events();
    expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(events.map(({ type }) => type)).toEqual(["status", "status", "status", "stdout", "log_line"]);
    expect(manager.events(2, 2).map(({ sequence }) => sequence)).toEqual([3, 4]);
    expect(manager.events()).toEqual(events);
    expect(JSON.parse(manager.face.getSnapshot())).toEqual({ sessions: manager.sessions(), eventCursor: 5 });
  });

  test("AR-022 AR-023 payloads are small and without secrets; pictures are references", async () => {
    const manager = active();
    manager.record("stderr", { text: "x", deep: [{ API_KEY: "hunter2" }], PassWord: "hunter2" });
    manager.send("agent", { token: "hunter2" });
    expect(JSON.stringify(manager.events())).not.toContain("hunter2");
    expect(await codeOf(() => manager.record("stdout", "x".repeat(70_000)))).toBe("LIMIT_EXCEEDED");
    for (const type of ["screenshot", "dom_snapshot"]) {
      expect(await codeOf(() => manager.record(type, { png: "AAAA" }))).toBe("INVALID_ARGUMENTS");
      manager.record(type, { hash: "0a".repeat(32), width: 100 });
    }
    for (const type of ["prompt", "status", "control_handoff", "fax"])
      expect(await codeOf(() => manager.record(type, {}))).toBe("INVALID_ARGUMENTS");
  });

  test("AR-024 reset forgets everything", () => {
    const manager = active();
    manager.ask("a", { sessionId: "s" });
    manager.face.reset();
    expect(JSON.parse(manager.face.getSnapshot())).toEqual({ sessions: [], eventCursor: 0 });
    expect(JSON.parse(manager.face.listApprovals())).toEqual([]);
    manager.create();
    expect(manager.events()).toMatchObject([{ sequence: 1 }]);
  });

  test("AR-025 times never go back; without one it is the system's clock", async () => {
    const manager = new Manager();
    const before = Date.now();
    const { createdAt } = manager.create();
    expect(createdAt).toBeGreaterThanOrEqual(before);
    expect(await codeOf(() => manager.resume(undefined, createdAt - 1))).toBe("INVALID_ARGUMENTS");
    const ahead = createdAt + 1_000_000;
    expect(manager.resume(undefined, ahead).updatedAt).toBe(ahead);
    expect(manager.pause().updatedAt).toBe(ahead);
  });
});

describe("approvals", () => {
  test("AR-030 AR-031 an approval is pending until decided, once; the decision may say why and edit the arguments", async () => {
    const manager = new Manager();
    expect(manager.ask("a")).toEqual({ requestId: "a", status: "pending", approved: false });
    expect(manager.approval("a", 1_000_000)).toMatchObject({ status: "pending" });
    const decided = { requestId: "a", status: "approved", approved: true, arguments: { command: "make test" } };
    expect(manager.answer("a", true, { arguments: { command: "make test" } })).toEqual(decided);
    expect(await codeOf(() => manager.answer("a", false))).toBe("INVALID_STATE");
    manager.ask("b", { kind: "plan", requestedAt: Date.now() + 1_000 });
    const refused = manager.answer("b", false, { reason: "too wide" }, Date.now() + 2_000);
    expect(refused).toEqual({ requestId: "b", status: "rejected", approved: false, reason: "too wide" });
    expect(JSON.parse(manager.face.listApprovals())).toEqual([decided, refused]);
    expect(await codeOf(() => manager.answer("none", true, {}, Date.now() + 3_000))).toBe("NOT_FOUND");
    expect(await codeOf(() => manager.ask("a", { requestedAt: Date.now() + 3_000 }))).toBe("ALREADY_EXISTS");
  });

  test("AR-032 out of time it is expired, and cannot be decided any more", async () => {
    const manager = new Manager();
    manager.ask("a", { timeoutMs: 50 });
    expect(manager.approval("a", 149)).toMatchObject({ status: "pending" });
    expect(manager.approval("a", 150)).toEqual({ requestId: "a", status: "expired", approved: false });
    expect(await codeOf(() => manager.answer("a", true, {}, 151))).toBe("APPROVAL_EXPIRED");
  });

  test("AR-033 while an agent's question about a session is pending its input waits; a person is not held up", () => {
    const manager = active();
    manager.ask("a", { sessionId: "s", timeoutMs: 50 });
    expect(manager.send("agent", "2", 110)).toMatchObject({ status: "waiting" });
    manager.pause("ann", 120);
    expect(manager.send("ann", "1", 120)).toMatchObject({ status: "delivered" });
    manager.resume("ann", 130);
    expect(manager.typed()).toEqual(["1"]);
    manager.approval("a", 150);
    expect(manager.typed()).toEqual(["1", "2"]);
    manager.ask("b", { sessionId: "s", requestedAt: 160 });
    manager.send("agent", "3", 170);
    manager.answer("b", false, {}, 180);
    expect(manager.typed()).toEqual(["1", "2", "3"]);
    const told = manager.events().filter(({ type }) => type === "log_line");
    expect(told.map(({ payload }) => payload.approval)).toEqual(["pending", "expired", "pending", "rejected"]);
  });
});

test("AR-073 faults are JSON text; numbers that are not whole are refused", async () => {
  const { face } = active();
  const fault = await faultOf(() => face.closeSession("none"));
  expect(fault).toMatchObject({ code: "NOT_FOUND", hint: expect.stringMatching(/./) });
  expect(await codeOf(() => face.createSession("{"))).toBe("INVALID_ARGUMENTS");
  for (const wrong of [1.5, Number.NaN, -1])
    expect(await codeOf(() => face.drainEvents(wrong))).toBe("INVALID_ARGUMENTS");
  expect(await codeOf(() => face.closeSession("s", 1.5))).toBe("INVALID_ARGUMENTS");
});
