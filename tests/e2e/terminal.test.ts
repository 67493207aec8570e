// Terminals of workers through the whole product: nothing lost, whoever joins and whenever; driven by one, handed back to the worker;
// and the event stream broken off at any moment.

import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fault, Session } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { factsAfter, runFacts } from "../kit/run-events.ts";
import {
  addScriptedModel,
  blobText,
  eventsOf,
  startRun,
  until,
  waitFinished,
  writeScenario,
} from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { randomFrom } from "../kit/tables.ts";
import { Drive, Screen } from "../kit/terminals.ts";

const FLOOD_BYTES = 50_000_000;
const JOINS = 100;
const DISCONNECTS = 200;
const STOPPED_WITHIN_MS = 250;

/** Prints 50 bytes a line, as a terminal has them, once a line is typed. */
const FLOOD = `stty -echo; echo ready; read go; yes ${"x".repeat(48)} | head -n ${FLOOD_BYTES / 50}; printf end; read stay`;

/** Colours, cursor movements, wrapped lines, wide characters, the other screen and back, for each line that is typed; after a `q` nothing. */
const PAINTER = `
const out = process.stdout;
let seed = 1;
const random = (most) => { seed = (seed * 16807) % 2147483647; return seed % most; };
const acts = [
  () => "\\x1b[" + (31 + random(7)) + "mcolour " + "y".repeat(random(200)) + "\\x1b[m",
  () => "\\x1b[48;2;" + random(256) + ";20;90;1mlook\\x1b[0m",
  () => "\\x1b[" + (1 + random(30)) + ";" + (1 + random(110)) + "H" + "placed",
  () => "\\x1b[3;4mslanted\\x1b[m wide \\u5317\\u4eac end\\n",
  () => "\\n".repeat(1 + random(4)) + "line " + random(1000) + "\\n",
  () => "\\x1b[2K\\rcleared",
  () => "\\x1b[?1049h\\x1b[2J\\x1b[Hother screen " + random(100),
  () => "\\x1b[?1049l",
  () => "\\x1b[?2004" + (random(2) ? "h" : "l") + "\\x1b[?1" + (random(2) ? "h" : "l"),
];
process.stdin.on("data", (typed) => {
  if (String(typed).includes("q")) return out.write("\\x1b[?1049l\\n" + "the" + " last\\n");
  let text = ""; for (let at = 0; at < 12; at += 1) text += acts[random(acts.length)]();
  out.write(text);
});
`;

let server: TestServer;
let model: ModelServer;
let project: string;

function shell(command: string[], more: object = {}) {
  return { tool: "shell.exec", arguments: { command, ...more } };
}

beforeAll(async () => {
  server = await startServer();
  const scenarios = join(server.folders.base, "scenarios");
  const held = { say: "Waiting.", calls: [shell(["sh", "-c", "until test -e go-on; do sleep 0.05; done"])] };
  const left = (command: string[]) => [
    { say: "A terminal.", calls: [shell(command, { background: true })] },
    held,
    { say: "Looking.", calls: [{ tool: "shell.view", arguments: { sessionId: "work.1.2" } }] },
    { say: "Done." },
  ];
  const task = (turns: ReturnType<typeof left>) => [
    { taskId: "work", needs: ["read:.", "run:sh", "run:node"], writes: ["go-on", "typed.txt"], turns },
  ];
  writeScenario(scenarios, "Flood", task(left(["sh", "-c", FLOOD])));
  writeScenario(scenarios, "Paint", task(left(["node", "-e", PAINTER])));
  writeScenario(scenarios, "Share", task(left(["sh"])));
  const of = (tool: string, more: object = {}) => ({ tool, arguments: { sessionId: "work.1.2", ...more } });
  const talk = [
    { say: "A shell.", calls: [shell(["sh"], { background: true })] },
    {
      say: "Typing.",
      calls: [of("shell.input", { text: "stty -echo; cat; echo over\n" }), of("shell.input", { text: "a line\n" })],
    },
    {
      say: "Ending cat.",
      calls: [
        of("shell.input", { text: "\u0003" }),
        of("shell.input", { text: `echo $((40+2)) ${"y".repeat(150)}\n` }),
      ],
    },
    {
      say: "Looking.",
      calls: [of("shell.view", { lines: 1 }), { tool: "shell.view", arguments: { sessionId: "work.1.9" } }],
    },
    { say: "Ending it.", calls: [of("shell.stop"), of("shell.view")] },
    {
      say: "Once more.",
      calls: [shell(["sh", "-c", "test -t 1 && printf '\\033[1mbold\\033[m'; exit 3"], { view: true })],
    },
    { say: "Done." },
  ];
  writeScenario(scenarios, "Talk", [{ taskId: "work", needs: ["read:.", "run:sh"], turns: talk }]);
  const read = { tool: "file.read", arguments: { path: "log.txt" } };
  const writer = "n=0; while :; do n=$((n+1)); echo $n >> log.txt; sleep 0.02; done";
  const beside = [
    { say: "A program that writes.", calls: [shell(["sh", "-c", writer], { background: true })] },
    { say: "Reading.", calls: [read, read, shell(["sleep", "0.2"]), read] },
    { say: "Done, while it still writes." },
  ];
  const writes = { taskId: "work", needs: ["read:.", "run:sh", "run:sleep"], writes: ["log.txt"], turns: beside };
  writeScenario(scenarios, "Beside", [writes]);
  model = await startModelServer({ scenarios });
  await addScriptedModel(server, model.url);
  project = join(server.folders.base, "project");
  mkdirSync(project);
  writeFileSync(join(project, "readme.txt"), "Nothing.\n");
});
afterAll(async () => {
  await model?.stop();
  await server?.dispose();
});

async function open(goal: string): Promise<{ run: Awaited<ReturnType<typeof startRun>>; session: Session }> {
  const run = await startRun(server, project, goal);
  const session = await until("the terminal", async () => {
    const { sessions } = await server.client.session.list({ runId: run.runId });
    return sessions.find(
      ({ kind, title, status }) => kind === "terminal" && title !== "Commands" && status !== "closed",
    );
  });
  return { run, session };
}

async function take({ sessionId }: Session): Promise<string> {
  return (await server.client.session.take({ requestId: randomUUID(), sessionId })).token;
}

async function stop(runId: string): Promise<number> {
  return (await server.client.run.stop({ requestId: randomUUID(), runId })).quietAfterMs;
}

async function refusal(act: Promise<unknown>): Promise<Fault["code"] | undefined> {
  const error: unknown = await act.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof ApiFault ? error.code : undefined;
}

it("a flood of 50 MB loses nothing at who keeps up, and leaves who stalls a screen that is right", async () => {
  const { run, session } = await open("Flood");
  const token = await take(session);
  const keeping = await Drive.open(server, session, token);
  const screen = await keeping.joined();
  await until("the program", async () => ((await screen.shown()).startsWith("ready") ? true : undefined));
  const from = screen.offset;
  // Another one who reads nothing at all for as long as it lasts.
  const stalled = await Drive.open(server, session, token);
  await stalled.joined();
  stalled.pause();
  await keeping.type("\n");
  await until("the end of the flood", () => (screen.offset - from >= FLOOD_BYTES + 3 ? true : undefined));
  expect(screen.offset - from).toBe(FLOOD_BYTES + 3);
  expect(keeping.joins).toBe(1);
  stalled.resume();
  await until("the fresh screen", () => (stalled.joins > 1 ? true : undefined));
  const shown = await screen.shown();
  expect(shown).toContain("\nend");
  const late = await stalled.joined();
  await until("the same place", () => (late.offset === screen.offset ? true : undefined));
  expect(await late.shown()).toBe(shown);
  keeping.end();
  stalled.end();
  expect(await stop(run.runId)).toBeLessThanOrEqual(STOPPED_WITHIN_MS);
});

it(`who joins at one of ${JOINS} moments sees what one sees who was there from the start`, async () => {
  const { run, session } = await open("Paint");
  const drive = await Drive.open(server, session, await take(session));
  const first = await drive.joined();
  const late: Screen[] = [];
  for (let moment = 0; moment < JOINS; moment += 1) {
    const typed = drive.type("\n");
    if (moment % 3 !== 0) await typed;
    late.push(await Screen.of(server, session.sessionId));
    await typed;
  }
  await drive.type("q\n");
  await until("quiet", async () => {
    const { offset } = await Screen.of(server, session.sessionId);
    return (await first.shown()).includes("the last") && offset === first.offset ? true : undefined;
  });
  const shown = await first.shown();
  for (const [place, screen] of late.entries()) {
    for (const { offset, bytes } of drive.frames) screen.take(offset, bytes);
    expect.soft(await screen.shown(), `joined ${place}`).toBe(shown);
  }
  drive.end();
  await stop(run.runId);
});

it("one drives, and the worker goes on with what changed", async () => {
  const { run, session } = await open("Share");
  const { sessionId } = session;
  await until("the step that waits", async () => {
    const begun = (await eventsOf(server, run)).filter(({ type }) => type === "tool_requested");
    return begun.length === 2 ? true : undefined;
  });
  const token = await take(session);
  expect(await refusal(take(session))).toBe("LEASE_HELD");
  const typed = (text: string, with_: string, sequence: number): Promise<unknown> =>
    server.client.session.input({ sessionId, token: with_, sequence, inputs: [{ kind: "text", text }] });
  expect(await refusal(typed("echo guessed\n", "lease_0000000000000000", 1))).toBe("LEASE_LOST");
  await typed("echo by hand > typed.txt; echo it is written\n", token, 1);
  // Said again, since the answer was lost: it is not done twice.
  await typed("echo by hand > typed.txt; echo it is written\n", token, 1);
  const screen = await until("what was typed", async () => {
    const shown = await (await Screen.of(server, sessionId)).shown();
    return shown.includes("\nit is written") ? shown : undefined;
  });
  expect(screen.split("\nit is written").length).toBe(2);
  await typed("touch go-on\n", token, 2);
  // The step under way ends; the next one waits for the person.
  const steps = async (): Promise<number> =>
    (await eventsOf(server, run)).filter(({ type }) => type === "tool_finished").length;
  await until("the step under way", async () => ((await steps()) === 2 ? true : undefined));
  await new Promise((wait) => setTimeout(wait, 300));
  expect(await steps()).toBe(2);
  await server.client.session.handBack({ requestId: randomUUID(), sessionId, token, note: "I wrote typed.txt." });
  expect(await refusal(typed("echo late\n", token, 3))).toBe("LEASE_LOST");
  expect((await waitFinished(server, run)).status).toBe("completed");
  const events = await eventsOf(server, run);
  const told = events.find((event) => event.type === "message_sent");
  expect(told?.text).toContain("I wrote typed.txt.");
  expect(told?.text).toContain("it is written");
  expect(events.find((event) => event.type === "message_seen")).toBeDefined();
  expect(readFileSync(join(project, "typed.txt"), "utf8")).toBe("by hand\n");
  const { sessions } = await server.client.session.list({ runId: run.runId });
  expect(sessions.filter(({ status }) => status !== "closed")).toEqual([]);
  const replayed = await server.client.run.replay({ runId: run.runId });
  expect(replayed).toMatchObject({ diverged: [] });
});

it("a worker types, looks, and ends what it left running", async () => {
  const run = await startRun(server, project, "Talk");
  expect((await waitFinished(server, run)).status).toBe("completed");
  const finished = (await eventsOf(server, run)).filter((event) => event.type === "tool_finished");
  const results = await Promise.all(
    finished.map(async ({ resultHash }) => JSON.parse(await blobText(server, resultHash))),
  );
  expect(results[0]).toMatchObject({ sessionId: "work.1.2", running: true });
  expect(results[2].screen).toMatch(/a line$/);
  // Broken at the edge of the screen, whole for who reads it.
  expect(results[5]).toMatchObject({ lines: expect.stringMatching(/^\S* ?$/), running: true });
  expect(results[4].screen).toContain(`42 ${"y".repeat(150)}`);
  expect(results[6]).toMatchObject({ error: { code: "NOT_FOUND" } });
  expect(results[7]).toMatchObject({ running: false, signal: 9 });
  expect(results[8]).toMatchObject({ running: false, signal: 9 });
  expect(results[9]).toMatchObject({ exitCode: 3, screen: "bold" });
  expect(await server.client.run.replay({ runId: run.runId })).toMatchObject({ equal: true, diverged: [] });
});

it("what a program wrote beside the steps of its worker is the same in a replay", async () => {
  const run = await startRun(server, project, "Beside");
  expect((await waitFinished(server, run)).status).toBe("completed");
  const lines = readFileSync(join(project, "log.txt"), "utf8").trimEnd().split("\n");
  expect(lines).toEqual(lines.map((_, place) => String(place + 1)));
  expect(lines.length).toBeGreaterThan(5);
  const replayed = await server.client.run.replay({ runId: run.runId });
  expect(replayed).toMatchObject({ equal: true, filesEqual: true, diverged: [] });
});

it(`a stream broken off ${DISCONNECTS} times has no gap and no repeat`, async () => {
  const random = randomFrom(7);
  const { run } = await open("Paint");
  const seen: number[] = [];
  for (let turn = 0; turn < DISCONNECTS; turn += 1) {
    const abort = new AbortController();
    // More facts come while it is read.
    if (turn % 20 === 0)
      void server.client.run.steer({ requestId: randomUUID(), runId: run.runId, text: `Look ${turn}.` });
    let left = 1 + Math.floor(random() * 3);
    const timer = setTimeout(() => abort.abort(), 15);
    try {
      for await (const { sequence } of factsAfter(server, seen.at(-1) ?? 0, abort.signal)) {
        seen.push(sequence);
        left -= 1;
        if (left === 0) break;
      }
    } catch {
      // Broken off.
    }
    clearTimeout(timer);
    abort.abort();
  }
  await stop(run.runId);
  const last = (await server.client.overview.get()).sequence;
  for await (const { sequence } of factsAfter(server, seen.at(-1) ?? 0)) {
    seen.push(sequence);
    if (sequence >= last) break;
  }
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, place) => place + 1));
  const known = new Set(seen);
  for (const { sequence } of await runFacts(server, run.runId)) expect(known.has(sequence)).toBe(true);
});
