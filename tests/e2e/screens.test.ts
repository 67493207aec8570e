// What is on the screens: pictures in both themes and two widths, judged by axe, silent in the console, and the keyboard.
// `OPENWRAP_SCREENS=DIR` keeps the pictures.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axeProblems, overflowOf } from "../kit/accessibility.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser, type Theme } from "../kit/page.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";
import { addScripted, GOAL } from "./attended-run.ts";

const THEMES: readonly Theme[] = ["paper", "ink"];
const WIDTHS = [1440, 820] as const;
const HEIGHT = 900;

/** Two tasks that speak for as long as the pictures take; everything else goes on. */
const SLOW = ["groups", "extremes"].map((task) => ({
  match: { task, turn: 2 },
  times: 1,
  fault: { kind: "slow", ms: 250 },
}));

let model: ModelServer;
let server: TestServer;
let browser: Browser;
let app: AppPage;
let folder: string;

beforeAll(async () => {
  const kept = process.env.OPENWRAP_SCREENS;
  if (kept) mkdirSync(kept, { recursive: true });
  folder = kept ?? mkdtempSync(join(tmpdir(), "openwrap-screens-"));
  model = await startModelServer({ latencyMs: [20, 60], faults: SLOW });
  [server, browser] = await together([startServer(), startBrowser()]);
  await addScripted(server, model);
  app = await AppPage.open(browser, server.link);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
  await model?.stop();
  if (!process.env.OPENWRAP_SCREENS) rmSync(folder, { recursive: true, force: true });
});

/** Every theme in every width when the pictures are kept; else each theme once and each width once. */
async function look(name: string, every = process.env.OPENWRAP_SCREENS !== undefined): Promise<void> {
  for (const [place, theme] of THEMES.entries()) {
    for (const width of every ? WIDTHS : [WIDTHS[place] ?? WIDTHS[0]]) {
      await app.page.setViewportSize({ width, height: HEIGHT });
      await app.screenshot(folder, name, theme, width);
      expect.soft(await overflowOf(app.page), `${name} ${theme} ${width}`).toBe(0);
      expect.soft(await axeProblems(app.page), `${name} ${theme} ${width}`).toEqual([]);
    }
  }
  await app.page.setViewportSize({ width: 1440, height: HEIGHT });
  await app.page.emulateMedia({ colorScheme: "light" });
}

it("shows an empty start", async () => {
  await look("now-empty");
});

it("shows a run from its plan to its end", async () => {
  await app.page.getByRole("button", { name: "Use the sample project" }).click();
  await expect.poll(() => app.composer().inputValue()).toBe(GOAL);
  await app.page.getByLabel("Model").selectOption("scripted/rehearsal");
  await app.makePlan(GOAL);
  await look("run-plan");
  await app.approvePlan();
  await app.question("quality-issues.csv").waitFor();
  await look("run-waiting");
  await app.goTo("/approvals");
  await app.page.getByRole("region", { name: "Question", exact: true }).getByText("Exactly this").first().waitFor();
  await look("approvals");
  await app.page.getByRole("link", { name: /^Let Developer write/ }).click();
  await app.page.waitForURL(/\/approvals\/./);
  await look("approval");
  await app.goTo("/");
  await app.page.getByRole("heading", { name: "Running" }).waitFor();
  await look("now-running");
  await app.page.getByRole("link", { name: GOAL }).first().click();
  await app.answer("quality-issues.csv", "once");
  await look("run-running");
  expect(await app.waitFinished()).toBe("Completed");
  await app.page.getByRole("region", { name: "Result" }).waitFor();
  await look("run-done");
  await app.goTo("/");
  await app.makePlan("Analyse this data and give me a workbook.");
  await app.approvePlan();
  await app.question("quality-issues.csv").waitFor();
  await app.goTo("/");
  await app.page.getByText("analysis.xlsx").waitFor();
  await app.page.getByRole("heading", { name: "Running" }).waitFor();
  await look("now");
  expect(app.errors).toEqual([]);
});

it("shows workforce, files, changes and tools of a run that is over", async () => {
  const { page } = app;
  await app.goTo("/work");
  await page
    .getByRole("link", { name: new RegExp(GOAL.slice(0, -1)) })
    .last()
    .click();
  await page.waitForURL(/\/runs\//);
  const run = new URL(page.url()).pathname;
  await page.getByRole("link", { name: "Workforce" }).click();
  const tree = page.getByRole("region", { name: "Workforce" });
  await tree.getByText("Planner").last().waitFor();
  const picture = page.getByRole("img", { name: /^Planner, coordinator, \d+ workers and 8 tasks/ });
  expect(await picture.locator("[data-node]").count()).toBe(8);
  expect(await tree.locator("[data-task-id]").count()).toBe(8);
  await tree.locator("[data-task-id=clean]").click();
  await tree.getByRole("link", { name: "Review what it changed" }).waitFor();
  await look("workforce");

  await app.goTo(`${run}/review`);
  const changes = page.getByRole("navigation", { name: "Changed files" });
  await changes.getByRole("button", { name: /^quality-issues\.csv/ }).click();
  await page.getByRole("region", { name: "Changes", exact: true }).getByText("check,column,count,examples").waitFor();
  await look("review");
  await page.getByRole("button", { name: "Undo this file" }).click();
  await page.getByText("1 file put back.").waitFor();
  await changes.getByRole("button", { name: /^quality-issues\.csv.*put back/ }).waitFor();

  await app.goTo(`${run}/files`);
  await page.getByRole("button", { name: /^analysis\.xlsx/ }).click();
  await page.getByRole("region", { name: "Table" }).getByRole("columnheader").nth(2).waitFor();
  expect(await page.getByRole("button", { name: /^quality-issues\.csv/ }).count()).toBe(0);
  await look("files");
  await page.getByRole("button", { name: /^report\.md/ }).click();
  await page.getByRole("region", { name: "Content" }).getByRole("heading").first().waitFor();

  await app.goTo("/tools");
  await page.getByText("No server yet.").waitFor();
  await look("tools");
  expect(app.errors).toEqual([]);
});

it("takes files, steering and a goal that goes on", async () => {
  const { page } = app;
  await app.goTo("/");
  await page.locator("input[type=file]").setInputFiles({
    name: "stations.txt",
    mimeType: "text/plain",
    buffer: Buffer.from("03987 Vesterhavn\n"),
  });
  await page.getByText("added to the project").waitFor();
  await app.goTo("/files");
  await page.getByRole("button", { name: /^stations\.txt/ }).click();
  await page.getByText("03987 Vesterhavn").waitFor();

  await app.goTo("/");
  await page
    .getByRole("link", { name: /give me a workbook\./ })
    .first()
    .click();
  const steer = page.getByRole("textbox", { name: "Steer this run" });
  await steer.fill("Name the units in every heading.");
  await page.getByRole("button", { name: "Queue" }).click();
  await expect.poll(() => steer.inputValue()).toBe("");
  await page.getByRole("region", { name: "Log" }).getByText("Name the units in every heading.").waitFor();
  await look("run-steered");
  expect(app.errors).toEqual([]);
});

it("is worked by keys alone", async () => {
  const { page } = app;
  const at = (path: RegExp) => expect.poll(() => new URL(page.url()).pathname).toMatch(path);
  await app.goTo("/settings");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await at(/^\/$/);
  await page.keyboard.press("c");
  await expect.poll(() => app.composer().evaluate((field) => field === document.activeElement)).toBe(true);
  await page.keyboard.type("g n is text here");
  expect(await app.composer().inputValue()).toBe("g n is text here");
  await app.composer().fill("");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search or do" }).waitFor();
  await page.keyboard.type("settings");
  await page.keyboard.press("Enter");
  await at(/^\/settings$/);
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keys" });
  await help.waitFor();
  await page.keyboard.press("Escape");
  await help.waitFor({ state: "detached" });

  await page.keyboard.press("a");
  await at(/^\/approvals\/./);
  await page.getByRole("heading", { name: /^Let Developer write/ }).waitFor();
  await page.keyboard.press(">");
  await page.getByText("Nothing waits for you.").waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("w");
  await at(/^\/work$/);
  await page
    .getByRole("link", { name: /give me a workbook\./ })
    .first()
    .click();
  expect(await app.waitFinished()).toBe("Stopped");
  expect(app.errors).toEqual([]);
});
