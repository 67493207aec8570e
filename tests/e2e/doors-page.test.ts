// The ways in, by the page: from nothing to finished files in few presses, without a key and with one on either wire; the key itself is
// sealed in the page and nowhere to be found afterwards.

import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { countPresses } from "../kit/accessibility.ts";
import { filesWith, processesWith, spelledIn } from "../kit/canary.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { processTree } from "../kit/processes.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { testTable } from "../kit/tables.ts";
import { together } from "../kit/together.ts";
import { judgeDelivery } from "./analysis.ts";

const PRESSES_MAX = 6;
const ISSUES = "quality-issues.csv";

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

/** The sample, a plan, its approval and its one question: to the finished files. */
async function carryOutSample(server: TestServer, app: AppPage): Promise<void> {
  const { page } = app;
  await page.getByRole("button", { name: "Use the sample project" }).click();
  await expect.poll(() => app.composer().inputValue()).toMatch(/workbook.*report.*deck/);
  await page.getByRole("button", { name: /^Make a plan/ }).click();
  await page.getByRole("region", { name: "Plan review" }).waitFor();
  await app.approvePlan();
  await app.answer(ISSUES, "once");
  expect(await app.waitFinished()).toBe("Completed");
  const { projects } = await server.client.overview.get();
  const folder = projects[0]?.path ?? "";
  await judgeDelivery(folder, testTable("sample"));
  for (const file of ["analysis.xlsx", "report.md", "deck.pptx", ISSUES])
    expect(existsSync(join(folder, file)), file).toBe(true);
}

describe("without a key", () => {
  it("the rehearsal gives workbook, report and deck in few presses", async () => {
    const server = await startServer();
    const app = await AppPage.open(browser, server.link);
    try {
      const presses = await countPresses(app.page);
      expect(await app.page.getByRole("radio", { name: /^Rehearsal/ }).isChecked()).toBe(true);
      await carryOutSample(server, app);
      expect(await presses()).toBeLessThanOrEqual(PRESSES_MAX);
      expect(app.errors).toEqual([]);
    } finally {
      await app.close();
      await server.dispose();
    }
  });
});

/** Holds what Node has in memory, when it is asked for by a signal. */
async function heapOf(server: TestServer, folder: string): Promise<Buffer> {
  process.kill(server.child.pid, "SIGUSR2");
  const found = () => readdirSync(folder).filter((name) => name.endsWith(".heapsnapshot"));
  await expect.poll(() => found().length, { timeout: 60_000 }).toBe(1);
  const path = join(folder, found()[0] ?? "");
  // Written to its end when it grows no more and closes as JSON does.
  await expect.poll(() => readFileSync(path, "utf8").trimEnd().endsWith("}"), { timeout: 60_000 }).toBe(true);
  expect(statSync(path).size).toBeGreaterThan(1_000_000);
  return readFileSync(path);
}

describe.each([
  ["openai", `sk-proj-page-${randomBytes(18).toString("hex")}`, "/v1/chat/completions"],
  ["anthropic", `sk-ant-page-${randomBytes(18).toString("hex")}`, "/v1/messages"],
] as const)("with a key, over the wire of %s", (kind, key, path) => {
  let server: TestServer;
  let model: ModelServer;
  let app: AppPage;
  let heaps: string;
  let streamed = "";
  const stream = new AbortController();

  beforeAll(async () => {
    heaps = mkdtempSync(join(tmpdir(), "openwrap-heaps-"));
    const node = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${heaps}`;
    [server, model] = await together([
      startServer({ env: { NODE_OPTIONS: node } }),
      startModelServer({ apiKey: key, echoKey: "error" }),
    ]);
    app = await AppPage.open(browser, server.link);
    const headers = { authorization: `Bearer ${server.token}` };
    const response = await fetch(`${server.url}/api/stream?after=0`, { headers, signal: stream.signal });
    const decoder = new TextDecoder();
    void (async () => {
      for await (const part of response.body ?? []) streamed += decoder.decode(part as Uint8Array, { stream: true });
    })().catch(() => undefined);
  });
  afterAll(async () => {
    stream.abort();
    await app?.close();
    await server?.dispose();
    await model?.stop();
    rmSync(heaps, { recursive: true, force: true });
  });

  it("the job is done in few presses", async () => {
    const { page } = app;
    const presses = await countPresses(page);
    await page.getByRole("radio", { name: /^Your own key/ }).click();
    const field = page.getByLabel("Key", { exact: true });
    await expect.poll(() => field.evaluate((element) => element === document.activeElement)).toBe(true);
    await page.keyboard.type(key);
    const speaks = kind === "anthropic" ? "Anthropic" : "OpenAI-compatible";
    await expect.poll(() => page.getByRole("radio", { name: speaks, exact: true }).isChecked()).toBe(true);
    await page.getByLabel("Address").fill(kind === "anthropic" ? model.url.replace(/\/v1$/, "") : model.url);
    await page.getByRole("button", { name: "Test and use" }).click();
    await page.getByText("answers.").waitFor();
    expect(await field.count()).toBe(0);
    await carryOutSample(server, app);
    expect(await presses()).toBeLessThanOrEqual(PRESSES_MAX);
    expect(new Set(model.received().map((request) => request.path))).toContain(path);
    const { providers } = await server.client.overview.get();
    expect(providers).toMatchObject([{ kind, modelIds: ["rehearsal"], authRef: `provider:${kind}` }]);
    expect(app.errors).toEqual([]);
  });

  it("what is wrong with a provider is said exactly, and can be mended", async () => {
    const { page } = app;
    await app.goTo(`/models/${kind}`);
    const detail = page.locator(`[data-provider-id=${kind}]`);
    await detail.getByRole("button", { name: "Test" }).click();
    await detail.getByText(/answered in/).waitFor();
    const wrong = `sk-wrong-${randomBytes(12).toString("hex")}`;
    await page.getByRole("button", { name: "Add by address and key" }).click();
    const form = page.getByRole("form", { name: "Add a model" });
    const speaks = kind === "anthropic" ? "Anthropic" : "OpenAI-compatible";
    await form.getByRole("radio", { name: speaks, exact: true }).check({ force: true });
    await form.getByLabel("Key", { exact: true }).fill(wrong);
    await form.getByLabel("Address").fill(model.url);
    await form.getByLabel("Name here").fill("second");
    await form.getByRole("button", { name: "Test and add" }).click();
    await form.getByText(`127.0.0.1:${model.port} does not know the key of`).waitFor();
    await form.getByLabel("Key", { exact: true }).fill(key);
    await form.getByLabel("Models").fill("none");
    await form.getByRole("button", { name: "Test and add" }).click();
    await form.getByText("It has: rehearsal.").waitFor();
    await form.getByLabel("Models").fill("rehearsal");
    await form.getByRole("button", { name: "Test and add" }).click();
    await page.waitForURL(/\/models\/second$/);
    const second = page.locator("[data-provider-id=second]");
    await second.getByLabel("Another key").fill(wrong);
    await second.getByRole("button", { name: "Keep" }).click();
    await second.getByText("Kept, sealed.").waitFor();
    await second.getByRole("button", { name: "Test" }).click();
    await second.getByText("does not know the key").waitFor();
    await second.getByRole("button", { name: "Remove with its key" }).click();
    await second.waitFor({ state: "detached" });
    expect((await server.client.overview.get()).providers.map((one) => one.providerId)).toEqual([kind]);
    expect(app.errors.filter((error) => !/status of (4|5)\d\d/.test(error))).toEqual([]);
  });

  it("the key is nowhere but in the vault", async () => {
    const secrets = [key];
    const { home, work } = server.folders;
    const heap = await heapOf(server, heaps);
    // The search finds what is there: the token of the command line is.
    expect(spelledIn(heap, [server.token]).length).toBeGreaterThan(0);
    const pids = processTree(server.child.pid).map(({ pid }) => pid);
    const { stdout, stderr } = server.child.said();
    const rows = await server.client.audit.rows({ after: 0 });
    const kept = await app.page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    );
    const texts = {
      "Node's heap": heap,
      stream: streamed,
      log: stdout + stderr,
      rows: JSON.stringify(rows),
      page: await app.page.content(),
      kept,
    };
    const hits = Object.entries(texts).flatMap(([name, text]) =>
      spelledIn(text, secrets).map((how) => `${name}: ${how}`),
    );
    expect([...hits, ...filesWith([home, work], secrets).hits, ...processesWith(pids, secrets)]).toEqual([]);
    expect(streamed.length).toBeGreaterThan(1_000);
  });
});
