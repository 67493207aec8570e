// Entry `agent-workforce`: switches in a process of their own, since they are read once; the class over the built addon.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as browser from "./agent-workforce/index.ts";
import { error as loadError, native as loaded, type WorkforceOrchestrator } from "./agent-workforce/node.ts";

const here = import.meta.dirname;
const root = join(here, "../..");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "openwrap-entry-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Seen {
  native: boolean;
  name?: string;
  code?: string;
  message?: string;
}

/** What the Node entry answers in a process with these variables. */
function entryWith(variables: Record<string, string>): Seen {
  const program = `
    import { native, error } from ${JSON.stringify(join(here, "agent-workforce/node.ts"))};
    console.log(JSON.stringify({ native: native !== null, name: error?.name, code: error?.code, message: error?.message }));
  `;
  const file = join(folder, `entry-${Math.abs(hash(JSON.stringify(variables)))}.mts`);
  writeFileSync(file, program);
  const text = execFileSync(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
    env: { PATH: process.env.PATH, ...variables },
    encoding: "utf8",
  });
  return JSON.parse(text) as Seen;
}

function hash(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) | 0;
  return sum;
}

function addon(name: string, body: string): string {
  const file = join(folder, name);
  writeFileSync(file, body);
  return file;
}

describe("switches", () => {
  test("AP-070 the off switch answers null and an error that names it", () => {
    const seen = entryWith({ KU0_AGENT_WORKFORCE_DISABLE_NATIVE: "1" });
    expect(seen).toMatchObject({ native: false, name: "NativeUnavailable", code: "NATIVE_UNAVAILABLE" });
    expect(seen.message).toContain("KU0_AGENT_WORKFORCE_DISABLE_NATIVE=1");
  });

  test("AP-071 an override that does not load is an error with path and reason", () => {
    const missing = join(folder, "missing.node");
    const broken = addon("broken.node", "not a library");
    for (const path of [missing, broken]) {
      const seen = entryWith({ KU0_AGENT_WORKFORCE_NATIVE_PATH: path });
      expect(seen.native).toBe(false);
      expect(seen.message).toContain(`${path} (from KU0_AGENT_WORKFORCE_NATIVE_PATH)`);
      expect(seen.message?.split("NATIVE_PATH): ")[1]).not.toBe("");
    }
  });

  test("AP-071 an override that lacks the class or has other contracts says so", () => {
    const empty = addon("empty.cjs", "exports.contractsHash = () => 'x';");
    expect(entryWith({ KU0_AGENT_WORKFORCE_NATIVE_PATH: empty }).message).toContain("it has no WorkforceOrchestrator");
    const other = addon(
      "other.cjs",
      "exports.contractsHash = () => 'other'; exports.WorkforceOrchestrator = class {};",
    );
    const seen = entryWith({ KU0_AGENT_WORKFORCE_NATIVE_PATH: other });
    expect(seen.native).toBe(false);
    expect(seen.message).toMatch(/built from other contracts \(other, expected [0-9a-f]{64}\)/);
  });

  test("AP-072 outside Node the entry is null, says why, and touches no Node global", () => {
    expect(browser.native).toBeNull();
    expect(browser.error?.message).toContain("runs in Node only");
    for (const file of ["agent-workforce/index.ts", "agent-workforce/orchestrator.ts", "feature.ts"]) {
      expect(readFileSync(join(here, file), "utf8")).not.toMatch(/\bprocess\b|\brequire\b|from "node:/);
    }
  });
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

  test("AP-074 faults are thrown as JSON text", () => {
    const core = orchestrator();
    const fault = (call: () => unknown): { code: string; message: string; hint: string } => {
      try {
        call();
      } catch (error) {
        return JSON.parse((error as Error).message);
      }
      throw new Error("nothing was thrown");
    };
    expect(fault(() => core.loadPlan("{")).code).toBe("INVALID_ARGUMENTS");
    const twice = { planId: "p", tasks: [1, 2].map(() => ({ taskId: "same", title: "" })) };
    const refused = fault(() => core.loadPlan(JSON.stringify(twice)));
    expect(refused.code).toBe("INVALID_PLAN");
    expect(refused.message).toContain("same");
    expect(refused.hint).not.toBe("");
    expect(fault(() => core.schedule(1.5)).code).toBe("INVALID_ARGUMENTS");
    expect(fault(() => core.schedule(Number.NaN)).code).toBe("INVALID_ARGUMENTS");
    expect(fault(() => core.drainEvents(-1)).code).toBe("INVALID_ARGUMENTS");
    expect(fault(() => core.cancelTask("nowhere")).code).toBe("NOT_FOUND");
    const decision = "perhaps" as "retry";
    expect(fault(() => core.resolveEscalation("same", decision)).code).toBe("INVALID_ARGUMENTS");
    expect(fault(() => orchestrator({ runId: 5 })).code).toBe("INVALID_ARGUMENTS");
  });
});
