// Entry `persistence`: its switches, and the class over the built addon in folders of its own.

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeSwitches, faultOf } from "./entry-switches.ts";
import * as browser from "./persistence/index.ts";
import { error as loadError, native as loaded } from "./persistence/node.ts";
import type { PersistenceStore } from "./persistence/store.ts";

describeSwitches({
  feature: "persistence",
  className: "PersistenceStore",
  browser,
  browserFiles: ["index.ts", "store.ts"],
  ids: { off: "AU-070", override: "AU-071", browser: "AU-072" },
});

let folder: string;
let store: PersistenceStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "openwrap-persistence-"));
  store = storeOf({ dbPath: join(folder, "data/ledger.db") });
  await store.open();
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

function storeOf(config: object): PersistenceStore {
  if (loaded === null) throw loadError;
  return new loaded.PersistenceStore(JSON.stringify(config));
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");
const codeOf = async (act: () => Promise<unknown>): Promise<string> => (await faultOf(act)).code;

function runOf(runId: string, startedAt: number, more: object = {}): string {
  return JSON.stringify({ runId, goal: `Goal of ${runId}`, status: "running", startedAt, ...more });
}

function toolOf(eventId: string, runId: string, more: object = {}): object {
  const hashes = { inputHash: hashOf("in"), outputHash: hashOf("out") };
  return { eventId, runId, toolId: "file.read", ...hashes, durationMs: 3, createdAt: 20, ...more };
}

function modelOf(eventId: string, runId: string, more: object = {}): object {
  const tokens = { inputTokens: 10, outputTokens: 5, totalTokens: 15 };
  return { eventId, runId, providerId: "mine", modelId: "small", ...tokens, costUsd: 0.25, createdAt: 30, ...more };
}

const SESSION = { eventId: "w1", sessionId: "s1", kind: "session_started", payloadHash: hashOf("p"), createdAt: 40 };

async function listed(filter?: object): Promise<string[]> {
  const runs = JSON.parse(await store.listTaskRuns(filter && JSON.stringify(filter))) as { runId: string }[];
  return runs.map(({ runId }) => runId);
}

/** A text anywhere below a folder, in any file. */
function found(text: string, below: string): string[] {
  return readdirSync(below, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file).includes(text));
}

test("AU-001 AU-002 opening makes folder and tables, again changes nothing, and what was kept is there afterwards", async () => {
  await store.saveTaskRun(runOf("r1", 10));
  await store.open();
  await store.close();
  await store.open();
  expect(await listed()).toEqual(["r1"]);
  expect(statSync(join(folder, "data")).mode & 0o777).toBe(0o700);
  const second = storeOf({ dbPath: join(folder, "data/ledger.db") });
  expect(await codeOf(() => second.open())).toBe("ALREADY_RUNNING");
});

test("AU-003 before open, and after close, everything else is refused", async () => {
  await store.close();
  expect(await codeOf(() => store.saveTaskRun(runOf("r1", 10)))).toBe("INVALID_STATE");
  expect(await codeOf(() => store.listTaskRuns())).toBe("INVALID_STATE");
  expect(await codeOf(() => store.exportBundle())).toBe("INVALID_STATE");
});

test("AU-004 a changed byte of what was kept is found when it is opened", async () => {
  await store.saveTaskRun(runOf("r1", 10));
  await store.close();
  const file = join(folder, "data/ledger.db");
  const bytes = readFileSync(file);
  const at = bytes.indexOf("Goal of r1");
  expect(at).toBeGreaterThan(0);
  bytes[at] = 0x67;
  writeFileSync(file, bytes);
  expect(await codeOf(() => store.open())).toBe("LEDGER_BROKEN");
});

test("AU-010 AU-011 runs come by start and id, by status, time and id, and change their status once", async () => {
  for (const [id, at] of [
    ["b", 20],
    ["a", 20],
    ["c", 10],
  ] as const)
    await store.saveTaskRun(runOf(id, at));
  expect(await listed()).toEqual(["c", "a", "b"]);
  expect(await listed({ from: 20 })).toEqual(["a", "b"]);
  expect(await listed({ until: 20 })).toEqual(["c"]);
  await store.updateTaskRunStatus("a", "completed", 50);
  expect(await listed({ status: "completed" })).toEqual(["a"]);
  expect(await listed({ runId: "b" })).toEqual(["b"]);
  expect(JSON.parse(await store.listTaskRuns('{"runId":"a"}'))[0]).toMatchObject({ status: "completed", endedAt: 50 });
  expect(await codeOf(() => store.updateTaskRunStatus("a", "failed"))).toBe("INVALID_STATE");
  expect(await codeOf(() => store.updateTaskRunStatus("z", "failed"))).toBe("NOT_FOUND");
  expect(await codeOf(() => store.updateTaskRunStatus("b", "perhaps"))).toBe("INVALID_ARGUMENTS");
  await store.saveTaskRun(runOf("b", 5, { metadata: { of: ["a", 1] } }));
  expect(await listed()).toEqual(["b", "c", "a"]);
});

test("AU-012 AU-013 an event is kept once; another one under its id, bad ids, hashes, times and sums are refused", async () => {
  const save = (event: object) => store.saveToolEvent(JSON.stringify(event));
  await save(toolOf("t1", "r1"));
  await save(toolOf("t1", "r1"));
  expect(await codeOf(() => save(toolOf("t1", "r2")))).toBe("INVALID_ARGUMENTS");
  for (const wrong of [
    { eventId: "" },
    { inputHash: "AB" },
    { outputHash: hashOf("x").toUpperCase() },
    { createdAt: -1 },
  ])
    expect(await codeOf(() => save(toolOf("t2", "r1", wrong)))).toBe("INVALID_ARGUMENTS");
  const model = (more: object) => store.saveModelEvent(JSON.stringify(modelOf("m1", "r1", more)));
  expect(await codeOf(() => model({ totalTokens: 14 }))).toBe("INVALID_ARGUMENTS");
  expect(await codeOf(() => model({ costUsd: -1 }))).toBe("INVALID_ARGUMENTS");
  await model({});
  const bundle = JSON.parse(await store.exportBundle()) as { toolEvents: object[]; modelEvents: object[] };
  expect([bundle.toolEvents.length, bundle.modelEvents.length]).toEqual([1, 1]);
});

test("AU-020 AU-021 a secret is sealed, replaced, and in no file in plain; the key lies in a file of its own", async () => {
  const plain = "a secret that nobody may read";
  const first = JSON.parse(await store.storeSecret("api", "older"));
  const record = JSON.parse(await store.storeSecret("api", plain));
  expect(record).toMatchObject({ key: "api", createdAt: first.createdAt });
  expect(record.updatedAt).toBeGreaterThanOrEqual(record.createdAt);
  expect(record.encryptedPayload).not.toBe(first.encryptedPayload);
  expect(await store.loadSecret("api")).toBe(plain);
  expect(await codeOf(() => store.loadSecret("other"))).toBe("NOT_FOUND");
  for (const spelled of [plain, Buffer.from(plain).toString("base64").slice(0, 24), Buffer.from(plain).toString("hex")])
    expect(found(spelled, folder)).toEqual([]);
  mkdirSync(join(folder, "keys"));
  const elsewhere = { dbPath: join(folder, "other/ledger.db"), encryptionKeyRef: `file:${join(folder, "keys/vault")}` };
  const other = storeOf(elsewhere);
  await other.open();
  await other.storeSecret("api", plain);
  await other.close();
  expect(existsSync(join(folder, "other/vault.key"))).toBe(false);
  expect(statSync(join(folder, "keys/vault")).mode & 0o777).toBe(0o600);
  rmSync(join(folder, "keys/vault"));
  expect(await codeOf(() => other.open())).toBe("VAULT_LOCKED");
});

test("AU-022 the key may not lie beside what it seals, and paths are whole", () => {
  const dbPath = join(folder, "data/ledger.db");
  for (const wrong of [
    { dbPath: "ledger.db" },
    { dbPath: join(folder, "data.db") },
    { dbPath, encryptionKeyRef: `file:${join(folder, "data/key")}` },
    { dbPath, encryptionKeyRef: "secret" },
    { dbPath, encryptionKeyRef: "file:key" },
  ])
    expect(() => storeOf(wrong)).toThrow("INVALID_ARGUMENTS");
});

test("AU-030 AU-031 an export holds hashes and never secrets, and is the same each time", async () => {
  await store.saveTaskRun(runOf("r1", 10));
  await store.saveTaskRun(runOf("r2", 11, { status: "completed", endedAt: 12 }));
  await store.saveToolEvent(JSON.stringify(toolOf("t1", "r1")));
  await store.saveToolEvent(JSON.stringify(toolOf("t2", "r2")));
  await store.saveModelEvent(JSON.stringify(modelOf("m1", "r1")));
  await store.saveWorkspaceEvent(JSON.stringify(SESSION));
  await store.storeSecret("api", "never in an export");
  const whole = await store.exportBundle();
  expect(whole).not.toContain("never in an export");
  expect(JSON.parse(whole)).toEqual({
    taskRuns: [JSON.parse(runOf("r1", 10)), JSON.parse(runOf("r2", 11, { status: "completed", endedAt: 12 }))],
    toolEvents: [toolOf("t1", "r1"), toolOf("t2", "r2")],
    modelEvents: [modelOf("m1", "r1")],
    workspaceEvents: [SESSION],
  });
  expect(await store.exportBundle()).toBe(whole);
  const one = JSON.parse(await store.exportBundle('{"runId":"r2"}'));
  expect(one).toMatchObject({ toolEvents: [{ eventId: "t2" }], modelEvents: [], workspaceEvents: [] });
  expect(JSON.parse(await store.exportBundle('{"status":"completed"}')).toolEvents).toHaveLength(1);
});

test("AU-032 reset lists nothing any more and takes the secrets; the chain goes on", async () => {
  await store.saveTaskRun(runOf("r1", 10));
  await store.storeSecret("api", "gone");
  await store.reset();
  expect(await listed()).toEqual([]);
  expect(await codeOf(() => store.loadSecret("api"))).toBe("NOT_FOUND");
  await store.saveTaskRun(runOf("r2", 10));
  await store.close();
  await store.open();
  expect(await listed()).toEqual(["r2"]);
});

test("AU-073 a fault is thrown as JSON text with code, message and hint", async () => {
  await store.close();
  expect(await faultOf(() => store.listTaskRuns())).toMatchObject({
    code: "INVALID_STATE",
    message: "the store is not open",
    hint: "Call open first.",
  });
});
