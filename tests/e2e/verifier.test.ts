// A finished run audited by a program that shares no code with the product.

import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExportBundle } from "@openwrap/contracts";
import Database from "libsql";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { addScriptedModel, startRun, waitFinished, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { verifyLedger } from "../verifier/ledger.ts";

let server: TestServer;
let model: ModelServer;
let exported: ExportBundle;
let audited: { events: number; blobs: number; headHash: string };

beforeAll(async () => {
  server = await startServer();
  const scenarios = join(server.folders.base, "scenarios");
  const content = "Measured.\n".repeat(10_000);
  const turns = [
    { say: "Writing.", calls: [{ tool: "file.write", arguments: { path: "kept.txt", content } }] },
    { say: "Listing.", calls: [{ tool: "shell.exec", arguments: { command: ["ls", "-l"] } }] },
    { say: "Done: \u201equoted\u201c, \u5317\u4eac, \ud83d\ude00." },
  ];
  writeScenario(scenarios, "Keep", [{ taskId: "keep", needs: ["read:.", "run:ls"], writes: ["kept.txt"], turns }]);
  model = await startModelServer({ scenarios });
  await addScriptedModel(server, model.url);
  const project = join(server.folders.base, "project");
  mkdirSync(project);
  writeFileSync(join(project, "given.txt"), "Given.\n");
  expect((await waitFinished(server, await startRun(server, project, "Keep"))).status).toBe("completed");
  const { ok, events, blobs, headHash } = await server.client.audit.verify();
  expect(ok).toBe(true);
  exported = await server.client.audit.export({});
  audited = { events, blobs, headHash };
  await server.stop();
});
afterAll(async () => {
  await model?.stop();
  await server?.dispose();
});

/** A copy of the data folder, changed. */
function changed(name: string, change: (database: Database.Database) => void): ReturnType<typeof verifyLedger> {
  const home = join(server.folders.base, name);
  cpSync(server.folders.home, home, { recursive: true });
  const database = new Database(join(home, "ledger.db"));
  change(database);
  database.close();
  return verifyLedger(home);
}

it("AU-005 finds what the product's own audit found, and the run's digest", () => {
  const report = verifyLedger(server.folders.home);
  expect(report.problems).toEqual([]);
  expect(report).toMatchObject({ ok: true, digests: 1 });
  // The end of the core came after its own audit.
  expect(report.events).toBeGreaterThanOrEqual(audited.events);
  expect(report.blobs).toBe(audited.blobs);
});

it("AU-005 names the first event that was changed, taken out or cut off", () => {
  const whole = verifyLedger(server.folders.home).events;
  const at = Math.floor(whole / 2);
  const byte = changed("byte", (database) => {
    database
      .prepare("UPDATE events SET bytes = CAST(replace(CAST(bytes AS TEXT), '{', '{ ') AS BLOB) WHERE sequence = ?")
      .run(at);
  });
  expect(byte).toMatchObject({ ok: false, firstBadSequence: at });
  const gap = changed("gap", (database) => database.prepare("DELETE FROM events WHERE sequence = ?").run(at));
  expect(gap).toMatchObject({ ok: false, firstBadSequence: at });
  const cut = changed("cut", (database) => database.prepare("DELETE FROM events WHERE sequence > ?").run(at));
  expect(cut.ok).toBe(false);
  expect(cut.problems[0]).toContain("the head file says");
  const blob = changed("blob", (database) => {
    database
      .prepare("UPDATE blobs SET bytes = CAST('other' AS BLOB) WHERE rowid = (SELECT min(rowid) FROM blobs)")
      .run();
  });
  expect(blob.problems[0]).toContain("its content has another hash");
});

it("AU-014 the product's own events are read as runs, calls, sessions and questions", async () => {
  const { taskRuns, toolEvents, modelEvents } = exported;
  expect(taskRuns).toMatchObject([{ goal: "Keep", status: "completed" }]);
  expect(toolEvents.map(({ toolId }) => toolId)).toEqual(["file.write", "shell.exec"]);
  for (const { inputHash, outputHash } of toolEvents)
    expect([inputHash, outputHash].join()).toMatch(/^[0-9a-f]{64},[0-9a-f]{64}$/);
  // The plan, three steps of the task, the answer.
  expect(modelEvents.map(({ modelId }) => modelId)).toEqual(Array(5).fill("rehearsal"));
  const ended = await server.cli(["audit", "export", "--run", taskRuns[0]?.runId ?? ""]);
  expect(JSON.parse(ended.stdout)).toEqual(exported);
  expect(ended.stdout).not.toContain("Measured.");
});
