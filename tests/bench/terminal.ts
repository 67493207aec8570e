// A key typed into a worker's terminal: from the page to the program's terminal and back to the page, in real Chromium, beside a page
// with one WebSocket and a loop in C over one pseudo terminal; and what such a key costs the server.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Session } from "@openwrap/contracts";
import type { Browser, Page } from "playwright";
import WebSocket from "ws";
import type { Figure } from "../../toolkits/build/bench.ts";
import { type Child, cleanEnvironment, endChild, startChild } from "../kit/child.ts";
import { startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { treeTotals } from "../kit/processes.ts";
import { addScriptedModel, startRun, until, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { median } from "./startup.ts";

export const names = ["terminal_key_over_floor", "terminal_key_cpu_ms"];

const GOAL = "Keep a terminal open";
const WARM_UP = 30;
const KEYS = 200;
/** Typed one after the other: at first as fast as each comes back, so that what runs has been compiled; then with rests between. */
const CPU_WARM_UP = 3_000;
const CPU_KEYS = 1_000;
const CPU_REST_MS = 10;
const ARRIVAL_MS_MAX = 5_000;

declare global {
  /** When keys went down, and when what they showed arrived: by the page's clock, in order. */
  var presses: number[];
  var arrivals: number[];
}

/**
 * Runs in the app's page before anything of its own: when a frame of the terminal has arrived. As text: tsx would have a function call
 * what the page does not have.
 */
const OBSERVE = `
  globalThis.presses = [];
  globalThis.arrivals = [];
  addEventListener("keydown", () => globalThis.presses.push(performance.now()), true);
  globalThis.WebSocket = class extends WebSocket {
    constructor(...parts) {
      super(...parts);
      this.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") globalThis.arrivals.push(performance.now());
      });
    }
  };
`;

/** One key on a page; milliseconds until it was shown. */
async function key(page: Page): Promise<number> {
  const before = await page.evaluate(() => globalThis.arrivals.length);
  await page.keyboard.press("a");
  await page.waitForFunction((seen) => globalThis.arrivals.length > seen, before, { timeout: ARRIVAL_MS_MAX });
  return await page.evaluate(
    (seen) => (globalThis.arrivals[seen] ?? Number.NaN) - (globalThis.presses.at(-1) ?? 0),
    before,
  );
}

/** The worker opens a terminal with `cat` and waits. */
function scenario(folder: string): void {
  const call = (command: string[], more = {}) => ({ tool: "shell.exec", arguments: { command, ...more } });
  const turns = [
    { say: "A terminal.", calls: [call(["cat"], { background: true })] },
    { say: "Waiting.", calls: [call(["sleep", "100"])] },
    { say: "Done." },
  ];
  writeScenario(folder, GOAL, [{ taskId: "keep", needs: ["read:.", "run:cat", "run:sleep"], turns }]);
}

async function openTerminal(server: TestServer): Promise<Session> {
  const project = join(server.folders.base, "project");
  mkdirSync(project);
  writeFileSync(join(project, "readme.txt"), "Nothing.\n");
  const { runId } = await startRun(server, project, GOAL);
  return await until("the terminal", async () => {
    const { sessions } = await server.client.session.list({ runId });
    return sessions.find(({ kind, status, title }) => kind === "terminal" && status !== "closed" && title === "cat");
  });
}

function startFloor(folder: string): Child {
  const program = join(folder, "terminal-floor");
  const source = join(import.meta.dirname, "terminal-floor.c");
  const built = spawnSync("cc", ["-O2", "-o", program, source, "-lutil"], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`the floor does not compile: ${built.stderr}${built.error ?? ""}`);
  return startChild(program, [], cleanEnvironment());
}

/** Keys on both pages in turns. */
async function overFloor(browser: Browser, server: TestServer, session: Session, port: string): Promise<Figure> {
  const app = await AppPage.open(browser, server.link);
  await app.page.addInitScript({ content: OBSERVE });
  await app.goTo(`/runs/${encodeURIComponent(session.runId)}/workspace/${encodeURIComponent(session.sessionId)}`);
  await app.page.getByRole("button", { name: "Take control" }).click();
  await app.page.getByRole("button", { name: "Hand back" }).first().waitFor();
  await app.page.locator(".terminal-host textarea").focus();
  const context = await browser.newContext();
  const floor = await context.newPage();
  await floor.goto(`http://127.0.0.1:${port}/`);
  await floor.waitForFunction(() => document.title === "ready");
  const ours: number[] = [];
  const least: number[] = [];
  for (let turn = 0; turn < WARM_UP + KEYS; turn += 1) {
    const both = [await key(app.page), await key(floor)] as const;
    if (turn < WARM_UP) continue;
    ours.push(both[0]);
    least.push(both[1]);
  }
  await app.page.getByRole("button", { name: "Hand back" }).first().click();
  await app.page.getByRole("button", { name: "Take control" }).waitFor();
  await context.close();
  await app.close();
  return { name: "terminal_key_over_floor", value: median(ours) / median(least), unit: "1", floor: 1 };
}

/** Follows the event stream as a page does. */
function follow(server: TestServer): AbortController {
  const end = new AbortController();
  const headers = { authorization: `Bearer ${server.token}` };
  const read = async (): Promise<void> => {
    const response = await fetch(`${server.url}/api/stream?after=0`, { headers, signal: end.signal });
    for await (const part of response.body ?? []) void part;
  };
  read().catch(() => undefined);
  return end;
}

/** The socket of who drives, as the page has it. */
async function openSocket(server: TestServer, sessionId: string): Promise<WebSocket> {
  const url = `${server.url.replace(/^http/, "ws")}/api/sessions/drive?sessionId=${sessionId}`;
  const socket = new WebSocket(url, ["openwrap.drive"], { headers: { authorization: `Bearer ${server.token}` } });
  await once(socket, "open");
  return socket;
}

async function cpuPerKey(server: TestServer, { sessionId }: Session): Promise<Figure> {
  const { session } = server.client;
  const { token } = await session.take({ requestId: crypto.randomUUID(), sessionId });
  const end = follow(server);
  const socket = await openSocket(server, sessionId);
  let arrived = (): void => {};
  socket.on("message", (_, isBinary) => {
    if (isBinary) arrived();
  });
  const type = async (sequence: number, restMs: number): Promise<void> => {
    const shown = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    socket.send(JSON.stringify({ sessionId, token, sequence, inputs: [{ kind: "text", text: "a" }] }));
    await shown;
    if (restMs > 0) await new Promise((wait) => setTimeout(wait, restMs));
  };
  for (let sequence = 1; sequence <= CPU_WARM_UP; sequence += 1) await type(sequence, 0);
  const before = treeTotals(server.child.pid).cpuMs;
  const from = performance.now();
  for (let place = 1; place <= CPU_KEYS; place += 1) await type(CPU_WARM_UP + place, CPU_REST_MS);
  const took = performance.now() - from;
  const busy = treeTotals(server.child.pid).cpuMs - before;
  // What the server does for the streams alone, over the same time.
  await new Promise((wait) => setTimeout(wait, took));
  const idle = treeTotals(server.child.pid).cpuMs - before - busy;
  socket.terminate();
  end.abort();
  await session.handBack({ requestId: crypto.randomUUID(), sessionId, token });
  return { name: "terminal_key_cpu_ms", value: (busy - idle) / CPU_KEYS, unit: "ms" };
}

export async function run(wanted: string[]): Promise<Figure[]> {
  const server = await startServer();
  const scenarios = join(server.folders.base, "scenarios");
  scenario(scenarios);
  const [model, browser] = await Promise.all([startModelServer({ scenarios }), startBrowser()]);
  const floor = startFloor(server.folders.base);
  try {
    const [, port = ""] = await floor.line(/^ready on (\d+)$/);
    await addScriptedModel(server, model.url);
    const session = await openTerminal(server);
    const figures: Figure[] = [];
    if (wanted.includes("terminal_key_cpu_ms")) figures.push(await cpuPerKey(server, session));
    if (wanted.includes("terminal_key_over_floor")) figures.push(await overFloor(browser, server, session, port));
    return figures;
  } finally {
    await Promise.all([endChild(floor), browser.close(), model.stop()]);
    await server.dispose();
  }
}
