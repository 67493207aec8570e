// Nothing is lost and nothing is done twice: the server killed at moments spread over a run, the page reloaded at as many.

import { type FSWatcher, watch } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { isAlive, processesIn, processTree, stateOf } from "../kit/processes.ts";
import { type Fact, factsOf, hashesOf } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { attend, createRun, newPlace, type Place } from "./attended-run.ts";

const MOMENTS = 20;
const GONE_WITHIN_MS = 1_000;
const LOOK_MS = 10;

interface Result {
  runDate: string;
  digest: string | null | undefined;
  files: Record<string, string>;
  /** How often each delivered path was put in its place, as the kernel tells. */
  placed: Record<string, number>;
  modelCalls: number;
  facts: Fact[];
  first: number;
  last: number;
}

let model: ModelServer;
let reference: Result;

beforeAll(async () => {
  model = await startModelServer({ latencyMs: [20, 60] });
  reference = await undisturbed();
});
afterAll(() => model?.stop());

/** Counts what appears under its own name in a folder: a file is written elsewhere and moved into its place. */
class Observer {
  readonly placed: Record<string, number> = {};
  private readonly watcher: FSWatcher;

  constructor(folder: string) {
    this.watcher = watch(folder, (kind, name) => {
      if (kind === "rename" && name !== null && /^[a-z]/.test(name)) this.placed[name] = (this.placed[name] ?? 0) + 1;
    });
  }

  async close(): Promise<Record<string, number>> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    this.watcher.close();
    return this.placed;
  }
}

async function resultOf(place: Place, facts: Fact[], observer: Observer, callsBefore: number): Promise<Result> {
  const [created] = factsOf(facts, "run_created");
  const [finished] = factsOf(facts, "run_finished");
  expect(finished?.status).toBe("completed");
  return {
    runDate: created?.runDate ?? "",
    digest: finished?.runDigest,
    files: hashesOf(place.project),
    placed: await observer.close(),
    modelCalls: model.requests().length - callsBefore,
    facts,
    first: facts.find(({ event }) => event.type === "run_created")?.sequence ?? 0,
    last: facts.at(-1)?.sequence ?? 0,
  };
}

async function undisturbed(): Promise<Result> {
  const place = newPlace();
  const observer = new Observer(place.project);
  const callsBefore = model.requests().length;
  const { server, run } = await createRun(place, model);
  try {
    const facts = await attend(server, run.runId);
    return await resultOf(place, facts, observer, callsBefore);
  } finally {
    await server.dispose();
    place.folders.remove();
  }
}

/** SIGKILL, and everything below it gone within the bound. */
async function crash(server: TestServer, { folders }: Place): Promise<void> {
  const tree = processTree(server.child.pid);
  const killed = server.kill();
  const until = performance.now() + GONE_WITHIN_MS;
  const left = (): string[] => [
    ...tree.filter(({ pid }) => isAlive(pid)).map(({ pid, name }) => `${name} ${pid} ${stateOf(pid)}`),
    ...processesIn(folders.base).map((pid) => `in the folder: ${pid} ${stateOf(pid)}`),
  ];
  while (performance.now() < until && left().length > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  expect(left()).toEqual([]);
  await killed;
}

/** Attempts that had begun and not ended when the core started for the last time; planner and answer count. */
function runningAtCrash(facts: readonly Fact[]): number {
  const restarted = facts.findLast(({ event }) => event.type === "core_started")?.sequence ?? 0;
  const running = new Set<string>();
  for (const { event, sequence } of facts) {
    if (sequence > restarted) break;
    const task = event.taskId ?? "";
    if (event.type === "task_started" || event.type === "model_requested") running.add(task);
    if (/^task_(completed|failed|canceled)$|^plan_(proposed|refused)$|^run_finished$/.test(event.type))
      running.delete(task);
  }
  return running.size;
}

/** Ends of each call of a tool, whatever number of times it began. */
function endsByCall(facts: readonly Fact[]): Record<string, number> {
  const ends: Record<string, number> = {};
  for (const { callId } of [...factsOf(facts, "tool_finished"), ...factsOf(facts, "tool_refused")])
    ends[callId] = (ends[callId] ?? 0) + 1;
  return ends;
}

it("has every figure of an undisturbed run", () => {
  expect(reference.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(Object.keys(reference.files)).toContain("analysis.xlsx");
  expect(Object.values(reference.placed)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(new Set(Object.values(endsByCall(reference.facts)))).toEqual(new Set([1]));
  expect(reference.last - reference.first).toBeGreaterThan(MOMENTS);
});

const moments = Array.from({ length: MOMENTS }, (_, at) => at + 1);

it.each(moments)(`killed at moment %i of ${MOMENTS}, ends as if nothing had been`, async (moment) => {
  const place = newPlace();
  const observer = new Observer(place.project);
  const callsBefore = model.requests().length;
  const { server, run } = await createRun(place, model);
  let again: TestServer | undefined;
  try {
    const { first, last } = reference;
    const before = await attend(server, run.runId, first + Math.round(((moment - 0.5) / MOMENTS) * (last - first)));
    await crash(server, place);
    again = await startServer({ folders: place.folders });
    const facts = await attend(again, run.runId);
    // What was seen before is what there is.
    expect(facts.slice(0, before.length)).toEqual(before);
    const result = await resultOf(place, facts, observer, callsBefore);
    if (result.runDate !== reference.runDate) reference = await undisturbed();
    expect(result.digest).toBe(reference.digest);
    expect(result.files).toEqual(reference.files);
    expect(result.placed).toEqual(reference.placed);
    expect(endsByCall(facts)).toEqual(endsByCall(reference.facts));
    expect(result.modelCalls).toBeLessThanOrEqual(reference.modelCalls + runningAtCrash(facts));
    expect(await again.client.audit.verify()).toMatchObject({ ok: true });
  } finally {
    await server.dispose();
    await again?.dispose();
    place.folders.remove();
  }
});
