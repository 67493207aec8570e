// Entry `agent-workforce`: its switches, and the class over the built addon.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as browser from "./agent-workforce/index.ts";
import { error as loadError, native as loaded, type WorkforceOrchestrator } from "./agent-workforce/node.ts";
import { describeSwitches, faultOf } from "./entry-switches.ts";

const root = join(import.meta.dirname, "../..");

describeSwitches({
  feature: "agent-workforce",
  className: "WorkforceOrchestrator",
  browser,
  browserFiles: ["index.ts", "orchestrator.ts"],
  ids: { off: "AP-070", override: "AP-071", browser: "AP-072" },
});

describe("class", () => {
  function orchestrator(config?: object): WorkforceOrchestrator {
    if (loaded === null) throw loadError;
    return new loaded.WorkforceOrchestrator(config === undefined ? undefined : JSON.stringify(config));
  }

  interface Scenario {
    config: object;
    plan: object;
    workers: object[];
    actions: (
      | { type: "schedule"; nowMs?: number }
      | { type: "result"; result: object; nowMs?: number }
      | { type: "cancel"; taskId: string; reason?: string }
    )[];
  }

  test("AP-073 the golden scenario gives what workforce-simulator prints", () => {
    const scenario = JSON.parse(readFileSync(join(root, "tests/tracks/ap/scenario.json"), "utf8")) as Scenario;
    const expected = readFileSync(join(root, "tests/tracks/ap/expected.jsonl"), "utf8").trimEnd().split("\n");
    const core = orchestrator(scenario.config);
    core.loadPlan(JSON.stringify(scenario.plan));
    core.registerWorkers(JSON.stringify(scenario.workers));
    const batches: string[] = [];
    for (const action of scenario.actions) {
      if (action.type === "schedule") batches.push(core.schedule(action.nowMs));
      else if (action.type === "result") core.submitResult(JSON.stringify(action.result), action.nowMs);
      else core.cancelTask(action.taskId, action.reason);
    }
    expect(batches).toEqual(expected.slice(0, -1));
    expect({
      snapshot: JSON.parse(core.getSnapshot()),
      events: JSON.parse(core.drainEvents()),
      channel: JSON.parse(core.listChannelMessages()),
    }).toEqual(JSON.parse(expected.at(-1) ?? ""));
    expect(JSON.parse(core.listTasks())).toEqual(JSON.parse(core.getSnapshot()).tasks);
    expect(JSON.parse(core.listWorkers())).toEqual(JSON.parse(core.getSnapshot()).workers);
    expect(JSON.parse(core.drainEvents(3, 2)).map((event: { sequence: number }) => event.sequence)).toEqual([4, 5]);
    core.resolveEscalation("workbook", "retry", 500);
    core.reopenTasks(["profile"], 600);
    expect(JSON.parse(core.schedule(600)).length).toBeGreaterThan(0);
    core.reset();
    expect(JSON.parse(core.getSnapshot())).toEqual({
      runId: "golden",
      tasks: [],
      workers: [],
      eventCursor: 0,
      channelCursor: 0,
    });
  });

  test("AP-074 faults are thrown as JSON text", async () => {
    const core = orchestrator();
    expect((await faultOf(() => core.loadPlan("{"))).code).toBe("INVALID_ARGUMENTS");
    const twice = { planId: "p", tasks: [1, 2].map(() => ({ taskId: "same", title: "" })) };
    const refused = await faultOf(() => core.loadPlan(JSON.stringify(twice)));
    expect(refused.code).toBe("INVALID_PLAN");
    expect(refused.message).toContain("same");
    expect(refused.hint).not.toBe("");
    expect((await faultOf(() => core.schedule(1.5))).code).toBe("INVALID_ARGUMENTS");
    expect((await faultOf(() => core.schedule(Number.NaN))).code).toBe("INVALID_ARGUMENTS");
    expect((await faultOf(() => core.drainEvents(-1))).code).toBe("INVALID_ARGUMENTS");
    expect((await faultOf(() => core.cancelTask("nowhere"))).code).toBe("NOT_FOUND");
    const decision = "perhaps" as "retry";
    expect((await faultOf(() => core.resolveEscalation("same", decision))).code).toBe("INVALID_ARGUMENTS");
    expect((await faultOf(() => orchestrator({ runId: 5 }))).code).toBe("INVALID_ARGUMENTS");
  });
});
