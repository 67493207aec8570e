// The page loaded again at moments spread over a run: it shows what a fresh fold of the facts shows, and the run ends the same.

import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { apply } from "../../web/src/run/run-fold.ts";
import { emptyRun, type RunState } from "../../web/src/run/run-state.ts";
import { pending, shownState } from "../../web/src/run/run-view.ts";
import { sequenceText } from "../../web/src/words/format.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { type Fact, factsAfter, factsOf, hashesOf, runFacts } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";
import { addScripted, attend, createRun, GOAL, newPlace, type Place, PROVIDER } from "./attended-run.ts";

const MOMENTS = 20;
/** A run goes on while a page is loaded: each run has a part of the moments. */
const RUNS = [1, 2, 3, 4];

interface Reference {
  digest: string;
  runDate: string;
  files: Record<string, string>;
  /** Facts of the run. */
  count: number;
}

let quick: ModelServer;
let slow: ModelServer;
let browser: Browser;
let reference: Reference;

beforeAll(async () => {
  // Slow enough that a page is loaded between two answers.
  [quick, slow, browser] = await together([
    startModelServer(),
    startModelServer({ latencyMs: [500, 800] }),
    startBrowser(),
  ]);
  reference = await undisturbed();
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([quick?.stop(), slow?.stop()]);
});

async function undisturbed(): Promise<Reference> {
  const place = newPlace();
  const { server, run } = await createRun(place, quick);
  try {
    await attend(server, run.runId);
    const facts = await runFacts(server, run.runId);
    return {
      digest: factsOf(facts, "run_finished")[0]?.runDigest ?? "",
      runDate: factsOf(facts, "run_created")[0]?.runDate ?? "",
      files: hashesOf(place.project),
      count: facts.length,
    };
  } finally {
    await server.dispose();
    place.folders.remove();
  }
}

interface View {
  phase: string;
  settled: string;
  tasks: string[];
  log: string[];
  questions: string[];
}

function viewOf(run: RunState): View {
  return {
    phase: run.phase,
    settled: String(run.settled.length),
    tasks: run.order.map((id) => `${id} ${shownState(run, id)}`).sort(),
    log: run.log.map(({ sequence }) => sequenceText(sequence)),
    questions: pending(run)
      .filter(({ question }) => question.kind !== "plan")
      .map(({ question }) => question.approvalId),
  };
}

/** What stands on the page, read in one piece. */
async function viewOn({ page }: AppPage): Promise<View> {
  await page.locator("[data-run-id]").waitFor();
  return await page.evaluate(() => {
    const run = document.querySelector<HTMLElement>("[data-run-id]")?.dataset ?? {};
    const all = (selector: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(selector)];
    return {
      phase: run.phase ?? "",
      settled: run.settled ?? "",
      tasks: all("[data-task-id]")
        .map(({ dataset }) => `${dataset.taskId} ${dataset.state}`)
        .sort(),
      log: all(".log-sequence").map((place) => place.textContent ?? ""),
      questions: all("[data-approval-id]").map(({ dataset }) => dataset.approvalId ?? ""),
    };
  });
}

/** The page shows the run as it was at some moment since the facts that were there before it was loaded. */
async function expectFolded(app: AppPage, server: TestServer, runId: string, known: number): Promise<void> {
  const shown = await viewOn(app);
  let run = emptyRun(runId);
  for (const { sequence, event } of await runFacts(server, runId)) {
    run = apply(run, sequence, event);
    if (sequence >= known && JSON.stringify(viewOf(run)) === JSON.stringify(shown)) return;
  }
  expect(shown).toEqual(viewOf(run));
}

/** Answers on the page whatever the run waits for. */
async function answerOpen(app: AppPage, server: TestServer): Promise<void> {
  const { approvals } = await server.client.overview.get();
  const [first] = approvals;
  if (first?.question.kind === "plan") await app.approvePlan();
  else if (first) await app.answer(undefined, "once");
}

async function startOnPage(app: AppPage, { project }: Place): Promise<string> {
  await app.page.getByRole("button", { name: "Open a folder" }).click();
  await app.page.getByLabel(/^Path of a folder/).fill(project);
  await app.page.getByRole("button", { name: "Open", exact: true }).click();
  await app.page.getByLabel(/^Path of a folder/).waitFor({ state: "detached" });
  await app.page.getByLabel("Model").selectOption(`${PROVIDER}/rehearsal`);
  await app.composer().fill(GOAL);
  await app.page.getByRole("button", { name: /^Make a plan/ }).click();
  await app.page.waitForURL(/\/runs\//);
  return decodeURIComponent(new URL(app.page.url()).pathname.split("/")[2] ?? "");
}

it.each(RUNS)(`a page loaded again at moments of run %i of ${RUNS.length} shows it as it is`, async (part) => {
  const place = newPlace();
  const server = await startServer({ folders: place.folders });
  const reading = new AbortController();
  const facts: Fact[] = [];
  try {
    await addScripted(server, slow);
    const app = await AppPage.open(browser, server.link);
    const runId = await startOnPage(app, place);
    const read = (async () => {
      for await (const fact of factsAfter(server, 0, reading.signal)) if (fact.event.runId === runId) facts.push(fact);
    })().catch(() => undefined);
    for (let moment = part; moment <= MOMENTS; moment += RUNS.length) {
      const due = Math.round(((moment - 0.5) / MOMENTS) * reference.count);
      while (facts.length < due) {
        await answerOpen(app, server);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const known = facts.at(-1)?.sequence ?? 0;
      await app.page.reload();
      await expectFolded(app, server, runId, known);
    }
    while (factsOf(facts, "run_finished").length === 0) {
      await answerOpen(app, server);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await app.waitFinished()).toBe("Completed");
    const digest = await app.page.locator("[data-run-digest]").getAttribute("data-run-digest");
    reading.abort();
    await read;
    if (factsOf(facts, "run_created")[0]?.runDate !== reference.runDate) reference = await undisturbed();
    expect(digest).toBe(reference.digest);
    expect(hashesOf(place.project)).toEqual(reference.files);
    expect(app.errors).toEqual([]);
    await app.close();
  } finally {
    reading.abort();
    await server.dispose();
    place.folders.remove();
  }
});
