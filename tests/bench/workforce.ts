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

/** One run; nobody watches it meanwhile. */
async function work(server: TestServer, model: Child, projectId: string): Promise<Turn> {
  const before = treeTotals(server.child.pid).cpuMs;
  const answers = (): number => model.said().stdout.split("\nanswer").length;
  const earlier = answers();
  const started = Date.now();
  const run = await server.client.run.create({
    requestId: crypto.randomUUID(),
    projectId,
    goal: "Read the table.",
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
    const { event } = (await runFacts(server, run.runId)).at(-1) ?? {};
    if (event?.type === "run_finished") {
      const cpuMs = treeTotals(server.child.pid).cpuMs - before;
      if (event.status !== "completed") throw new Error(`the run ended: ${JSON.stringify(event)}`);
      return { wallMs: event.at - started, cpuMs };
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

export async function run(): Promise<Figure[]> {
  const server = await startServer();
  const { path, table } = projectWith(server.folders.base, "sample");
  const model = program("paced-model.ts", [String(STEPS), String(WORKERS), table.name]);
  const children = [model];
  try {
    const [, baseUrl = ""] = await model.line(/^ready on (\S+)$/);
    const provider = { providerId: "paced", kind: "local" as const, modelIds: ["paced"], defaultModelId: "paced" };
    await server.client.provider.add({ ...provider, baseUrl });
    const { projectId } = await server.client.project.open({ path });
    // The first of each warms up; the floor client sends the requests that this run sent.
    await work(server, model, projectId);
    const floor = program("floor-client.ts", [baseUrl]);
    children.push(floor);
    const [, calls] = await floor.line(/^ready with (\d+) calls$/);
    if (Number(calls) !== WORKERS * STEPS + 2) throw new Error(`the run made ${calls} different model calls`);
    await round(floor);
    const pairs: { turn: Turn; floorMs: number }[] = [];
    for (let pair = 0; pair < PAIRS; pair += 1)
      pairs.push({ turn: await work(server, model, projectId), floorMs: await round(floor) });
    if (process.env.DEBUG_PAIRS) console.error(JSON.stringify(pairs));
    return [
      { name: "agent_step_cpu_ms", value: median(pairs.map(({ turn }) => turn.cpuMs / (WORKERS * STEPS))), unit: "ms" },
      {
        name: "workforce_64x5_over_floor",
        value: median(pairs.map(({ turn, floorMs }) => turn.wallMs / floorMs)),
        unit: "1",
        floor: 1,
      },
    ];
  } finally {
    await Promise.all(children.map((child) => endChild(child)));
    await server.dispose();
  }
}
