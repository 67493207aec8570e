// From the moment an event is made, before it is on disk, to the moment the page that watches the run shows its state: the sample
// job with the rehearsal model, in real Chromium.

import type { Figure } from "../../toolkits/build/bench.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { runFacts } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";
import { median } from "./startup.ts";

export const names = ["event_to_dom_p95_ms"];

const GOAL = "Analyse this data and give me a workbook and a report.";
const RUNS = 5;
const RUN_MS_MAX = 120_000;
/** Fewer events than this would say little. */
const EVENTS_MIN = 60;

/** What the page showed, and when, in milliseconds since the epoch. */
interface Shown {
  sequence: number;
  at: number;
}

declare global {
  var shown: Shown[];
}

/** Notes in the page when it has taken in which event. */
function observe(): void {
  globalThis.shown = [];
  const app = document.querySelector<HTMLElement>("#app");
  if (!app) throw new Error("the page has no app");
  // No name for the callback: tsx would have it call a function that the page does not have.
  new MutationObserver(() => {
    const at = performance.timeOrigin + performance.now();
    globalThis.shown.push({ sequence: Number(app.dataset.eventSequence), at });
  }).observe(app, { attributes: true, attributeFilter: ["data-event-sequence"] });
}

async function watched(server: TestServer, app: AppPage, projectId: string): Promise<number[]> {
  await app.page.evaluate(observe);
  const { runId } = await server.client.run.create({
    requestId: crypto.randomUUID(),
    projectId,
    goal: GOAL,
    model: "rehearsal",
    approve: "bundle",
    allow: [],
  });
  // A link of the page itself: a new document would lose what was noted.
  await app.page
    .locator(`a[href="/runs/${encodeURIComponent(runId)}"]`)
    .first()
    .click();
  const from = Date.now();
  while ((await server.client.run.get({ runId })).status !== "completed") {
    if (Date.now() - from > RUN_MS_MAX) throw new Error(`the run does not end: ${runId}`);
    await new Promise((wait) => setTimeout(wait, 250));
  }
  const facts = await runFacts(server, runId);
  const last = facts.at(-1)?.sequence ?? 0;
  await app.page.waitForFunction((sequence) => (globalThis.shown.at(-1)?.sequence ?? 0) >= sequence, last);
  const shown = await app.page.evaluate(() => globalThis.shown);
  await app.page.getByRole("link", { name: "Now", exact: true }).click();
  return facts.flatMap(({ sequence, event }) => {
    const first = shown.find((one) => one.sequence >= sequence);
    return first === undefined ? [] : [first.at - event.at];
  });
}

function p95(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)] ?? Number.NaN;
}

export async function run(): Promise<Figure[]> {
  const [server, browser] = await Promise.all([startServer(), startBrowser()]);
  try {
    const { path } = projectWith(server.folders.base, "sample");
    const { projectId } = await server.client.project.open({ path });
    const app = await AppPage.open(browser, server.link);
    const all: number[] = [];
    for (let turn = 0; turn < RUNS; turn += 1) {
      const delays = await watched(server, app, projectId);
      if (delays.length < EVENTS_MIN) throw new Error(`only ${delays.length} events were shown`);
      all.push(p95(delays));
    }
    await app.close();
    return [{ name: "event_to_dom_p95_ms", value: median(all), unit: "ms" }];
  } finally {
    await browser.close();
    await server.dispose();
  }
}
