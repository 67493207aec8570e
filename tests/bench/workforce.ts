// 64 workers of five steps each on the sample project, through the built server with views and ledger, beside a plain program that
// makes the same model calls. Both in turns against one model server of 200 ms an answer.

import { join } from "node:path";
import type { Figure } from "../../toolkits/build/bench.ts";
import { type Child, cleanEnvironment, endChild, startChild } from "../kit/child.ts";
import { ROOT } from "../kit/folders.ts";
import { treeTotals } from "../kit/processes.ts";
import { runFacts } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";
import { median } from "./startup.ts";

export const names = ["agent_step_cpu_ms", "workforce_64x5_over_floor"];

const WORKERS = 64;
/** Of each worker: a model call each, and but for the last one a tool call. */
const STEPS = 5;
const PAIRS = 7;
const LOOK_MS = 20;
const RUN_MS_MAX = 60_000;

function program(file: string, args: string[]): Child {
  const path = join(ROOT, "tests/bench", file);
  return startChild(process.execPath, ["--import", "tsx", path, ...args], cleanEnvironment(), ROOT);
}

interface Turn {
  /** From the request for the run to its last event. */
  wallMs: number;
  /** Of the server and everything it started. */
  cpuMs: number;
}

interface Place {
  server: TestServer;
  model: Child;
  projectId: string;
}

/** One run; nobody watches it meanwhile. */
async function work({ server, model, projectId }: Place, steps: number): Promise<Turn> {
  const before = treeTotals(server.child.pid).cpuMs;
  const answers = (): number => model.said().stdout.split("\nanswer").length;
  const earlier = answers();
  const started = Date.now();
  const run = await server.client.run.create({
    requestId: crypto.randomUUID(),
    projectId,
    goal: `Read the table in ${steps} steps.`,
    model: "paced/paced",
    approve: "bundle",
    allow: [],
    slots: WORKERS,
  });
  // The model server says when it gave the last answer: asking the core for it would cost what is measured.
  const look = async (): Promise<void> => {
    if (Date.now() - started > RUN_MS_MAX)
      throw new Error(`the run does not end: ${JSON.stringify((await runFacts(server, run.runId)).at(-1))}`);
    await new Promise((wait) => setTimeout(wait, LOOK_MS));
  };
  while (answers() === earlier) await look();
  for (;;) {
    const { status } = await server.client.run.get({ runId: run.runId });
    if (status === "completed") {
      const cpuMs = treeTotals(server.child.pid).cpuMs - before;
      const ended = (await runFacts(server, run.runId)).findLast(({ event }) => event.type === "run_finished");
      return { wallMs: (ended?.event.at ?? Number.NaN) - started, cpuMs };
    }
    await look();
  }
}

async function round(floor: Child): Promise<number> {
  const earlier = floor.said().stdout.length;
  floor.process.stdin.write("\n");
  for (;;) {
    const [, ms] = /^round (\S+)\n/m.exec(floor.said().stdout.slice(earlier)) ?? [];
    if (ms !== undefined) return Number(ms);
    if (floor.process.exitCode !== null) throw new Error(`the floor client ended: ${floor.said().stderr}`);
    await new Promise((wait) => setTimeout(wait, LOOK_MS));
  }
}

/**
 * Both in turns, and runs of one step a worker, without any tool call, between them. What a further step costs (a model call, its
 * stream, `file.read`, four events) is the difference; plan, views and retirement are in both.
 */
async function measure(place: Place, floor: Child): Promise<Figure[]> {
  const rounds: { long: Turn; short: Turn; floorMs: number }[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const long = await work(place, STEPS);
    const floorMs = await round(floor);
    rounds.push({ long, floorMs, short: await work(place, 1) });
  }
  const more = WORKERS * (STEPS - 1);
  const perStep = median(rounds.map(({ long }) => long.cpuMs)) - median(rounds.map(({ short }) => short.cpuMs));
  const ratio = median(rounds.map(({ long, floorMs }) => long.wallMs / floorMs));
  return [
    { name: "agent_step_cpu_ms", value: perStep / more, unit: "ms" },
    { name: "workforce_64x5_over_floor", value: ratio, unit: "1", floor: 1 },
  ];
}

export async function run(): Promise<Figure[]> {
  const server = await startServer();
  const { path, table } = projectWith(server.folders.base, "sample");
  const model = program("paced-model.ts", [String(WORKERS), table.name]);
  const children = [model];
  try {
    const [, baseUrl = ""] = await model.line(/^ready on (\S+)$/);
    const provider = { providerId: "paced", kind: "local" as const, modelIds: ["paced"], defaultModelId: "paced" };
    await server.client.provider.add({ ...provider, baseUrl });
    const { projectId } = await server.client.project.open({ path });
    const place = { server, model, projectId };
    // The first of each warms up; the floor client sends the requests that this run sent.
    await work(place, STEPS);
    const floor = program("floor-client.ts", [baseUrl]);
    children.push(floor);
    const [, calls] = await floor.line(/^ready with (\d+) calls$/);
    if (Number(calls) !== WORKERS * STEPS + 2) throw new Error(`the run made ${calls} different model calls`);
    await round(floor);
    await work(place, 1);
    return await measure(place, floor);
  } finally {
    await Promise.all(children.map((child) => endChild(child)));
    await server.dispose();
  }
}
