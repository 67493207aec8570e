// Screens when there is nothing yet, while they are read, when that fails, and when the server is gone; what the page remembers of how it
// shall look; and what stands in library, models and audit once there is something.
// `OPENWRAP_SCREENS=DIR` keeps pictures.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event, LibraryEntry, LocalModelServers } from "@openwrap/contracts";
import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { axeProblems, overflowOf } from "../kit/accessibility.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";
import { addScripted, attend, newPlace, type Place } from "./attended-run.ts";

const SHOTS = process.env.OPENWRAP_SCREENS;
const PLACES = [
  "/",
  "/work",
  "/library",
  "/files",
  "/models",
  "/tools",
  "/audit",
  "/settings",
  "/approvals",
  "/playbooks",
  "/devices",
] as const;
/** What screens know without the server; the others say that they cannot be read. */
const KNOWN = new Map<string, string | RegExp>([
  ["/", "What should be done?"],
  ["/work", /8 of 8 settled/],
  ["/settings", "Appearance"],
  ["/approvals", "Nothing waits for you."],
]);
/** Without the server they show what "/tools" shows: a heading and why there is no more. */
const AS_TOOLS = new Set<string>(["/playbooks", "/devices"]);
/** Buttons that change nothing but what is looked at. */
const READING = new Set(["Try again", "Copy details", "By model", "Look again"]);
const WIDTHS = [1440, 820, 390] as const;

let browser: Browser;
beforeAll(async () => {
  if (SHOTS) mkdirSync(SHOTS, { recursive: true });
  browser = await startBrowser();
});
afterAll(() => browser?.close());

/** Judged at every width; both themes, and high contrast, one width each. */
async function look(app: AppPage, name: string, all = true): Promise<void> {
  const { page } = app;
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    const theme = width === 820 ? "ink" : "paper";
    await page.emulateMedia({
      colorScheme: theme === "ink" ? "dark" : "light",
      contrast: width === 390 ? "more" : "no-preference",
    });
    if (SHOTS && width !== 390) {
      for (const one of ["paper", "ink"] as const) await app.screenshot(SHOTS, name, one, width);
      await page.emulateMedia({ colorScheme: theme === "ink" ? "dark" : "light" });
    }
    expect.soft(await overflowOf(page), `${name} ${width}`).toBe(0);
    expect.soft(await axeProblems(page, all), `${name} ${width}`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: "light", contrast: "no-preference" });
  await page.setViewportSize({ width: 1440, height: 900 });
}

const nameOf = (path: string): string => (path === "/" ? "now" : path.slice(1).replaceAll("/", "-"));

async function settle(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await expect.poll(() => page.locator(".skeleton").count()).toBe(0);
}

describe("with nothing yet", () => {
  let server: TestServer;
  let app: AppPage;
  beforeAll(async () => {
    server = await startServer();
    app = await AppPage.open(browser, server.link);
  });
  afterAll(async () => {
    await app?.close();
    await server?.dispose();
  });

  it("every screen says so, and is fit for everybody", async () => {
    for (const path of PLACES) {
      await app.goTo(path);
      await settle(app.page);
      await look(app, `empty-${nameOf(path)}`);
    }
    await app.goTo("/library");
    await app.page.getByText("Nothing delivered yet.").waitFor();
    await app.goTo("/");
    await app.page.getByRole("radio", { name: /^Your own key/ }).check();
    await app.page.getByRole("form", { name: "Add a model" }).waitFor();
    await look(app, "first-run-key");
    expect(app.errors).toEqual([]);
  });

  it("what is read slowly has its place, and what fails says why and can be tried again", async () => {
    const { page } = app;
    for (const [path, route, label] of [
      ["/library", "**/api/library", "The library is being read"],
      ["/audit", "**/api/audit/search", "The log is being searched"],
      ["/models", "**/api/routes", "The rules are being read"],
    ] as const) {
      let open = (): void => undefined;
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      let fails = true;
      await page.route(route, async (asked) => {
        await gate;
        const fault = { code: "STORAGE_FAILED", message: "the disk is full", hint: "Free some space, then try again." };
        if (fails) await asked.fulfill({ status: 500, contentType: "application/json", body: JSON.stringify(fault) });
        else await asked.continue();
      });
      await app.goTo(path);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      const skeleton = page.getByRole("status", { name: label });
      await skeleton.waitFor();
      await look(app, `loading-${nameOf(path)}`);
      open();
      await page.getByText("The disk is full").waitFor();
      expect(await skeleton.count()).toBe(0);
      await look(app, `error-${nameOf(path)}`);
      fails = false;
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("The disk is full").waitFor({ state: "detached" });
      await page.unroute(route);
    }
    expect(app.errors.filter((error) => !error.includes("status of 500"))).toEqual([]);
  });

  it("how it shall look is there before anything is painted, and stays in this browser", async () => {
    const { page } = app;
    await app.goTo("/settings");
    const choose = async (group: string, name: string): Promise<void> => {
      await page.getByRole("group", { name: group }).getByRole("radio", { name, exact: true }).click();
    };
    await choose("Theme", "Dark");
    await choose("Contrast", "High");
    await choose("Text", "Larger");
    await choose("Rows", "Roomy");
    await choose("Motion", "None");
    await look(app, "settings-larger");
    const wanted = { look: "ink", contrast: "more", text: "larger", density: "roomy", motion: "reduce" };
    const second = await app.context.newPage();
    // Looked at as soon as there is a body, which is before it is painted.
    await second.addInitScript(() => {
      new MutationObserver((_, observer) => {
        if (!document.body) return;
        observer.disconnect();
        sessionStorage.setItem("at-body", JSON.stringify({ ...document.documentElement.dataset }));
      }).observe(document, { childList: true, subtree: true });
    });
    await second.goto(server.url);
    expect(JSON.parse((await second.evaluate(() => sessionStorage.getItem("at-body"))) ?? "{}")).toMatchObject(wanted);
    await second.getByRole("heading", { level: 1 }).waitFor();
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await background();
    await second.close();
    await choose("Theme", "Light");
    await expect.poll(background).not.toBe(dark);
    await choose("Theme", "As the system");
    await choose("Contrast", "As the system");
    await choose("Text", "Normal");
    await choose("Rows", "Normal");
    await choose("Motion", "As the system");
  });
});

describe("with something", () => {
  let place: Place;
  let model: ModelServer;
  let server: TestServer;
  let app: AppPage;
  let first: string;
  let second: string;

  beforeAll(async () => {
    place = newPlace();
    [server, model] = await together([startServer({ folders: place.folders }), startModelServer()]);
    await addScripted(server, model);
    const { projectId } = await server.client.project.open({ path: place.project });
    const goal = "Analyse this data and give me a workbook, a report and a deck.";
    const run = async (): Promise<string> => {
      const { runId } = await server.client.run.create({
        requestId: crypto.randomUUID(),
        projectId,
        goal,
        model: "scripted/rehearsal",
        approve: "all",
        allow: [],
      });
      await attend(server, runId);
      return runId;
    };
    first = await run();
    // Else the second would find everything as it makes it, and change nothing.
    await server.client.run.undo({ requestId: crypto.randomUUID(), runId: first });
    second = await run();
    writeFileSync(join(place.project, "analysis.xlsx"), "no longer what was delivered");
    app = await AppPage.open(browser, server.link);
  });
  afterAll(async () => {
    await app?.close();
    await server?.dispose();
    await model?.stop();
    place?.folders.remove();
  });

  it("the library has every delivered file, its versions, source and content", async () => {
    const { page } = app;
    const { entries, total } = await server.client.library.list({ versions: true });
    expect(total).toBe(entries.length);
    const books = entries.filter((entry) => entry.path === "analysis.xlsx");
    expect(books.map(({ version, versions, runId }) => ({ version, versions, runId }))).toEqual([
      { version: 2, versions: 2, runId: second },
      { version: 1, versions: 2, runId: first },
    ]);
    expect(books.map(({ undone, taskTitle }) => [undone, taskTitle])).toEqual([
      [false, expect.stringContaining("analysis.xlsx")],
      [true, expect.stringContaining("analysis.xlsx")],
    ]);
    const paged = [];
    for (let before: number | null | undefined; ; ) {
      const page = await server.client.library.list({ versions: true, limit: 2, ...(before ? { before } : {}) });
      paged.push(...page.entries);
      before = page.nextBefore;
      if (before == null) break;
    }
    expect(paged.map(({ number }) => number)).toEqual(entries.map(({ number }) => number));

    await app.goTo("/library");
    const list = page.getByRole("region", { name: "Delivered files" });
    await list.getByRole("link", { name: /analysis\.xlsx/ }).click();
    await page.getByRole("region", { name: "Table" }).getByRole("columnheader").nth(2).waitFor();
    await look(app, "library");
    const arriving = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download analysis.xlsx" }).click();
    const download = readFileSync(await (await arriving).path());
    // Whatever became of the project's file, this is what the run had made.
    expect(createHash("sha256").update(download).digest("hex")).toBe(books[0]?.checksum);

    await page.getByLabel("Kind", { exact: true }).selectOption("slides");
    await expect.poll(() => list.getByRole("link").count()).toBe(1);
    await page.getByLabel("Earlier versions too").check();
    await expect.poll(() => list.getByRole("link").count()).toBe(2);
    await list.getByRole("link").last().click();
    await page.getByText("this is what it had made").waitFor();
    const deck = page.getByRole("region", { name: "Content" });
    await expect.poll(() => deck.getByRole("heading").count()).toBe(5);
    // The order of a document's headings is its own.
    await look(app, "library-deck", false);
    await page.getByRole("searchbox").fill("nothing is called so");
    await expect.poll(() => list.getByRole("link").count()).toBe(0);
    expect(app.errors).toEqual([]);
  });

  it("the audit finds events, and page and core agree on the chain", async () => {
    const { page } = app;
    await app.goTo("/audit");
    await page.getByRole("button", { name: "Verify in this page" }).click();
    await page.getByRole("button", { name: "Verify in the core" }).click();
    const ways = ["By this page", "By the core"].map((name) => page.getByRole("region", { name }));
    for (const way of ways) await way.getByText("Chain verified").waitFor();
    await page.getByLabel("Kind", { exact: true }).selectOption("tool");
    await page.getByLabel("Run", { exact: true }).selectOption(first);
    await page.getByLabel("Who", { exact: true }).selectOption("worker");
    const events = page.getByRole("list", { name: "Events" });
    await expect.poll(() => events.getByText("Tool requested").count()).toBeGreaterThan(5);
    expect(await events.getByText("Run created").count()).toBe(0);
    await page.getByRole("searchbox", { name: "Find in events" }).fill("excel.create");
    await expect.poll(() => events.locator("li").count()).toBeLessThan(12);
    await events.locator("summary").first().click();
    await events.getByRole("region", { name: /^Event \d+/ }).waitFor();
    await look(app, "audit");
    for (const [name, file] of [
      ["Download the log", /^open-wrap-log-.*\.jsonl$/],
      ["Download the list", /^open-wrap-audit-.*\.json$/],
    ] as const) {
      const arriving = page.waitForEvent("download");
      await page.getByRole("button", { name }).click();
      expect((await arriving).suggestedFilename()).toMatch(file);
    }
    expect(app.errors).toEqual([]);
  });

  it("the search goes back part by part, and every filter holds", async () => {
    const { audit, overview } = server.client;
    const all: number[] = [];
    let before: number | null | undefined;
    do {
      const found = await audit.search({ types: [], limit: 50, ...(before == null ? {} : { before }) });
      all.push(...found.entries.map(({ sequence }) => sequence));
      before = found.nextBefore;
    } while (before != null);
    const { sequence } = await overview.get();
    expect(all.slice(-1)).toEqual([1]);
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(sequence - 5);
    const people = await audit.search({ types: [], actor: "person" });
    expect(new Set(people.entries.map(({ event }) => event.actor.kind))).toEqual(new Set(["person"]));
    const early = await audit.search({ types: ["run_created"], until: 0 });
    expect(early.entries).toEqual([]);
    const requested = (await audit.search({ types: ["tool_requested"], runId: second })).entries;
    const { event: middle } = requested[Math.floor(requested.length / 2)] ?? {};
    const { taskId = "", at = 0 } = middle ?? {};
    for (const [filter, fits] of [
      [{ runId: second }, (event: Event) => event.runId === second],
      [{ taskId }, (event: Event) => event.taskId === taskId],
      [{ from: at }, (event: Event) => event.at >= at],
      [{ until: at }, (event: Event) => event.at <= at],
      [{ text: "EXCEL.create" }, (event: Event) => JSON.stringify(event).includes("excel.create")],
    ] as const) {
      const { entries } = await audit.search({ types: [], ...filter });
      expect(entries.length, JSON.stringify(filter)).toBeGreaterThan(0);
      expect(entries.filter(({ event }) => !fits(event))).toEqual([]);
    }
    const { library } = server.client;
    const { entries } = await library.list({ versions: true });
    for (const [filter, fits] of [
      [{ runId: first }, (entry: LibraryEntry) => entry.runId === first],
      [{ kind: "slides" }, (entry: LibraryEntry) => entry.path === "deck.pptx"],
      [{ path: "report.md" }, (entry: LibraryEntry) => entry.path === "report.md"],
      [{ text: "DECK.pp" }, (entry: LibraryEntry) => `${entry.path} ${entry.taskTitle}`.includes("deck.pp")],
    ] as const) {
      const wanted = entries.filter(fits).map(({ number }) => number);
      expect(wanted.length).toBeGreaterThan(1);
      const found = await library.list({ versions: true, ...filter });
      expect(
        found.entries.map(({ number }) => number),
        JSON.stringify(filter),
      ).toEqual(wanted);
    }
    expect((await library.list({ projectId: "none" })).entries).toEqual([]);
    await expect(audit.search({ types: [], text: "x".repeat(201) })).rejects.toMatchObject({
      code: "INVALID_ARGUMENTS",
    });
  });

  it("models are shown with their routes and what was spent", async () => {
    const { page } = app;
    await app.goTo("/models");
    const answered = page.waitForResponse((response) => response.url().endsWith("/api/providers/find"));
    await page.getByRole("button", { name: "Look for servers on this machine" }).click();
    // What is shown is what was found, however many serve on this machine.
    const { servers } = (await (await answered).json()) as LocalModelServers;
    const rows = page.locator(".found li");
    await expect.poll(() => rows.locator("code").allInnerTexts()).toEqual(servers.map(({ baseUrl }) => baseUrl));
    await expect.poll(() => page.getByText("None answers.").count()).toBe(servers.length === 0 ? 1 : 0);
    const form = page.getByRole("form", { name: "Add a rule" });
    for (const role of ["planner", "developer"]) {
      await form.getByLabel("For").selectOption(role);
      await form.getByRole("button", { name: "Add the rule" }).click();
      await page.locator(`[data-rule-id=${role}]`).waitFor();
    }
    await page.getByRole("button", { name: "Try the rule for Developer earlier" }).click();
    const order = () =>
      page.locator("[data-rule-id]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-rule-id")));
    await expect.poll(order).toEqual(["developer", "planner"]);
    await page.getByRole("button", { name: "Remove the rule for Developer" }).click();
    await expect.poll(order).toEqual(["planner"]);
    await page.getByLabel("Dollars at most").fill("2.50");
    await page.getByRole("button", { name: "Set" }).click();
    await page.getByText("A run stops and asks at $2.50.").waitFor();
    await page.getByRole("button", { name: "By model" }).first().click();
    await page.getByText("model scripted/rehearsal").waitFor();
    await page
      .getByRole("link", { name: /scripted/ })
      .first()
      .click();
    await page.getByRole("heading", { name: "Its models, in the order they are offered" }).waitFor();
    await look(app, "models");
    expect((await server.client.overview.get()).defaultBudget).toEqual({ costMicroUsd: 2_500_000 });
    expect(app.errors).toEqual([]);
  });

  it("without the server every screen stays, to read only", async () => {
    const { page } = app;
    await app.goTo("/library");
    await settle(page);
    await server.stop();
    await page.getByText("The server does not answer.").waitFor({ timeout: 30_000 });
    for (const path of PLACES) {
      // By the page's own ways: there is nobody to ask for the document.
      await page.evaluate((to) => {
        history.pushState(null, "", to);
        dispatchEvent(new PopStateEvent("popstate"));
      }, path);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      const main = page.locator("#main");
      const known = KNOWN.get(path);
      if (known === undefined) await main.getByRole("button", { name: "Try again" }).waitFor();
      await main
        .getByText(known ?? "The server does not answer.")
        .first()
        .waitFor();
      // Nothing is offered that would have to be done by it.
      const offered = await main.locator("button:enabled").allInnerTexts();
      expect(offered.filter((name) => !READING.has(name.trim()))).toEqual([]);
      if (!AS_TOOLS.has(path)) await look(app, `offline-${nameOf(path)}`);
    }
  });
});
