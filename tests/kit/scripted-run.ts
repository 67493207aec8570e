// A run in which the model does what a test says, from the plan to the last tool call.

import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event, EventOf, RunSummary } from "@openwrap/contracts";
import { runFacts } from "./run-events.ts";
import type { TestServer } from "./server.ts";

export interface ToolCall {
  tool: string;
  arguments: Record<string, unknown>;
}

/** What a worker says and calls in one answer; one without calls ends its task. */
export interface ScriptedTurn {
  say: string;
  calls?: ToolCall[];
}

export interface ScriptedTask {
  taskId: string;
  /** The developer unless another is named. */
  role?: string;
  dependsOn?: string[];
  needs: string[];
  writes?: string[];
  turns: ScriptedTurn[];
}

/** Writes a scenario for goals that begin with a text (`toolkits/rehearsal/README.md`). */
export function writeScenario(folder: string, goal: string, tasks: ScriptedTask[]): void {
  mkdirSync(folder, { recursive: true });
  const plan = {
    summary: goal,
    tasks: tasks.map(({ taskId, role = "developer", dependsOn = [], needs, writes = [] }) => ({
      taskId,
      title: `Task ${taskId}`,
      role,
      dependsOn,
      needs,
      writes,
    })),
  };
  const turns = Object.fromEntries(tasks.map((task) => [task.taskId, task.turns]));
  const scenario = { name: goal, goal: `^${goal}`, plan, tasks: turns, answer: "Done." };
  writeFileSync(join(folder, `${goal.replaceAll(" ", "-")}.json`), JSON.stringify(scenario));
}

export const SCRIPTED = "scripted/rehearsal";

/** Makes the scripted model server known under the name that `startRun` uses; it needs no key. */
export async function addScriptedModel(server: TestServer, baseUrl: string): Promise<void> {
  await server.client.provider.add({
    providerId: "scripted",
    kind: "local",
    baseUrl,
    modelIds: ["rehearsal"],
    defaultModelId: "rehearsal",
  });
}

/** A run whose plan is approved with its bundle, and that is refused all else. */
export async function startRun(
  server: TestServer,
  project: string,
  goal: string,
  model: string = SCRIPTED,
): Promise<RunSummary> {
  const { projectId } = await server.client.project.open({ path: project });
  return await server.client.run.create({
    requestId: randomUUID(),
    projectId,
    goal,
    model,
    approve: "bundle",
    allow: [],
  });
}

/** Every event of a run so far. */
export async function eventsOf(server: TestServer, { runId }: RunSummary): Promise<Event[]> {
  return (await runFacts(server, runId)).map(({ event }) => event);
}

const LOOK_MS = 25;

/** Waits for a state of things that a function finds. */
export async function until<T>(
  what: string,
  find: () => T | undefined | Promise<T | undefined>,
  withinMs = 60_000,
): Promise<T> {
  for (const from = performance.now(); ; ) {
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() - from > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((wait) => setTimeout(wait, LOOK_MS));
  }
}

export async function waitFinished(server: TestServer, run: RunSummary): Promise<EventOf<"run_finished">> {
  return await until(`the end of run ${run.runId}`, async () =>
    (await eventsOf(server, run)).find((event) => event.type === "run_finished"),
  );
}

/** The whole text of a blob. */
export async function blobText(server: TestServer, hash: string): Promise<string> {
  let text = "";
  for (let offset: number | null | undefined = 0; offset !== null && offset !== undefined; ) {
    const part: { text: string; nextOffset?: number | null } = await server.client.blob.get({ hash, offset });
    text += part.text;
    offset = part.nextOffset;
  }
  return text;
}
