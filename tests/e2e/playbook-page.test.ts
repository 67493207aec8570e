// Playbooks in the page: a form filled in with the keyboard and a dropped file, the run watched to its end; a finished run of a model
// saved as a draft. Pictures in both themes, judged by axe. `OPENWRAP_SCREENS=DIR` keeps them.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axeProblems, overflowOf } from "../kit/accessibility.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";
import { together } from "../kit/together.ts";

let server: TestServer;
let browser: Browser;
let app: AppPage;
let folder: string;

beforeAll(async () => {
  const kept = process.env.OPENWRAP_SCREENS;
  if (kept) mkdirSync(kept, { recursive: true });
  folder = kept ?? mkdtempSync(join(tmpdir(), "openwrap-playbooks-"));
  [server, browser] = await together([startServer(), startBrowser()]);
  app = await AppPage.open(browser, server.link);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
  if (!process.env.OPENWRAP_SCREENS) rmSync(folder, { recursive: true, force: true });
});

async function look(name: string): Promise<void> {
  for (const [theme, width] of [
    ["paper", 1440],
    ["ink", 820],
    ["ink", 1440],
    ["paper", 820],
  ] as const) {
    await app.page.setViewportSize({ width, height: 900 });
    await app.screenshot(folder, name, theme, width);
    expect.soft(await overflowOf(app.page), `${name} ${theme} ${width}`).toBe(0);
    expect.soft(await axeProblems(app.page), `${name} ${theme} ${width}`).toEqual([]);
  }
  await app.page.setViewportSize({ width: 1440, height: 900 });
  await app.page.emulateMedia({ colorScheme: "light" });
}

it("a form made from what the playbook asks for starts a run that is watched like any", async () => {
  const { page } = app;
  const project = join(server.folders.base, "shop");
  mkdirSync(project);
  await server.client.project.open({ path: project });
  await page.reload();
  await page.getByRole("link", { name: "Automations" }).click();
  await page.getByRole("link", { name: /^Report from a table/ }).click();
  await page.waitForURL(/\/playbooks\/report-from-a-table$/);
  await page.getByRole("button", { name: "Make the plan" }).click();
  await page.getByText("1 field still to fill in").waitFor();
  await look("playbooks-missing");
  const csv = "Region,Sales,Day\nNord,12.5,2024-01-03\nSüd,7,2024-02-01\nNord,n/a,2024-03-09\nSüd,9.25,2024-03-11\n";
  const transfer = await page.evaluateHandle((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], "sales.csv", { type: "text/csv" }));
    return data;
  }, csv);
  await page.locator(".playbook-drop").dispatchEvent("drop", { dataTransfer: transfer });
  await expect.poll(() => page.getByLabel("Table", { exact: true }).inputValue()).toBe("sales.csv");
  expect(readFileSync(join(project, "sales.csv"), "utf8")).toBe(csv);
  await page.getByLabel(/^Title/).fill("Sales of the spring");
  await page.getByLabel("Numbers are written").selectOption("point");
  await look("playbooks-form");
  await page.getByLabel(/^Title/).press("Enter");
  await page.waitForURL(/\/runs\//);
  await page.getByRole("region", { name: "Plan review" }).waitFor();
  await look("playbook-plan");
  await app.approvePlan();
  expect(await app.waitFinished()).toBe("Completed");
  await page.getByText("Sales of the spring").first().waitFor();
  expect(await page.getByRole("button", { name: "Save as a playbook draft" }).count()).toBe(0);
  await look("playbook-done");
  expect(app.errors).toEqual([]);
});

it("a finished run is saved as a draft that says what it cannot repeat", async () => {
  const { page } = app;
  const { path } = projectWith(server.folders.base, "undated");
  const { projectId } = await server.client.project.open({ path });
  const goal = "Analyse this data and give me a workbook.";
  const asked = { requestId: "draft", projectId, goal, model: "rehearsal", approve: "bundle" as const };
  const { runId } = await server.client.run.create(asked);
  await expect
    .poll(async () => (await server.client.run.get({ runId })).status, { timeout: 120_000 })
    .toBe("completed");
  await app.goTo(`/runs/${runId}`);
  await page.getByRole("button", { name: "Save as a playbook draft" }).click();
  await page.getByText(/^Saved as/).waitFor();
  await page.getByText("Texts, figures and decisions of the models are fixed").waitFor();
  const drafted = await page.getByRole("link", { name: /^analyse-this-data/ }).getAttribute("href");
  await look("playbook-draft");
  await app.goTo(drafted ?? "");
  await page.getByRole("heading", { name: /^Analyse this data/ }).waitFor();
  await page.getByText("The program").click();
  await page.getByText("Drafted from run").first().waitFor();
  await look("playbook-drafted");
  expect(app.errors).toEqual([]);
});
