// What a page does when a part of it does not arrive, and what of it stays while the rest is told anew.

import { randomUUID } from "node:crypto";
import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AppPage, startBrowser } from "../kit/page.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await together([startServer(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await server?.dispose();
});

/** A page to which files of a name do not come, from the first moment on. */
async function without(names: RegExp): Promise<AppPage> {
  const cut = {
    newContext: async (options: Parameters<Browser["newContext"]>[0]) => {
      const context = await browser.newContext(options);
      await context.route(names, (route) => route.abort());
      return context;
    },
  };
  return AppPage.open(cut as Browser, await server.freshLink());
}

/** As by a link: the page itself stays. */
async function place(page: Page, path: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, path);
}

it("a screen that does not arrive is said so in its place, and comes when it is tried again", async () => {
  const names = /\/assets\/(devices|models|palette)[^/]*\.(js|css)/;
  const app = await without(names);
  const { page } = app;
  try {
    await place(page, "/models");
    await page.getByRole("heading", { name: "This screen could not be loaded." }).waitFor();
    // The rest is there, and another place is another try.
    await page.keyboard.press("Control+k");
    await page.getByText("A part of the page could not be loaded.").nth(1).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("navigation", { name: "Places" }).getByRole("link", { name: "Now" }).click();
    await app.composer().waitFor();
    await place(page, "/devices");
    await page.getByRole("heading", { name: "This screen could not be loaded." }).waitFor();
    await app.context.unroute(names);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("heading", { name: "Devices", level: 1 }).waitFor();
    const row = page.locator(".device-row").first();
    await row.waitFor();
    await expect.poll(() => row.evaluate((element) => getComputedStyle(element).display)).toBe("grid");
    await place(page, "/models");
    await page.getByRole("heading", { name: "Models", level: 1 }).waitFor();
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").waitFor();
  } finally {
    await app.close();
  }
});

it("an action whose code does not arrive says so, and works when it is tried again", async () => {
  const names = /\/assets\/chain-[^/]*\.js/;
  const app = await without(names);
  const { page } = app;
  try {
    await app.goTo("/audit");
    const check = page.getByRole("region", { name: "By this page" });
    await check.getByRole("button", { name: "Verify in this page" }).click();
    await check.getByText("A part of the page could not be loaded.").waitFor();
    await app.context.unroute(names);
    await check.getByRole("button", { name: "Try again" }).click();
    await check.getByText(/Chain verified/).waitFor();
  } finally {
    await app.close();
  }
});

const UNREACHABLE = { kind: "local" as const, baseUrl: "http://127.0.0.1:9/v1" };
const models = (...modelIds: string[]) => ({ modelIds, defaultModelId: modelIds[0] ?? "" });

it("what is typed stays while the row it stands in is told anew", async () => {
  await server.client.provider.add({ providerId: "first", ...UNREACHABLE, ...models("a", "b") });
  const app = await AppPage.open(browser, await server.freshLink());
  const { page } = app;
  try {
    await app.goTo("/models/first");
    const key = page.getByLabel("A key for it");
    await key.fill("half a ke");
    await server.client.provider.add({ providerId: "first", ...UNREACHABLE, ...models("b", "a") });
    await page.getByRole("button", { name: "Move a up" }).and(page.locator(":enabled")).waitFor();
    expect(await key.inputValue()).toBe("half a ke");
    expect(await key.evaluate((element) => element === document.activeElement)).toBe(true);
    expect(app.errors).toEqual([]);
  } finally {
    await app.close();
    await server.client.provider.remove({ providerId: "first" });
  }
});

it("a provider without its key is not kept, and a name is given once", async () => {
  await server.client.provider.add({ providerId: "first", ...UNREACHABLE, ...models("a") });
  const app = await AppPage.open(browser, await server.freshLink());
  const { page } = app;
  try {
    await app.goTo("/models");
    await page.getByRole("button", { name: "Add by address and key" }).click();
    const form = page.getByRole("form", { name: "Add a model" });
    await form.getByRole("radio", { name: "On your own machines" }).check();
    await form.getByLabel("Address").fill(UNREACHABLE.baseUrl);
    await form.getByLabel("Models").fill("m");
    await form.getByLabel("Name here").fill("first");
    await form.getByLabel(/^Key/).fill("a-key-of-sorts");
    await form.getByRole("button", { name: "Test and add" }).click();
    await form.getByText(/There is a provider called/).waitFor();
    await form.getByLabel("Name here").fill("second");
    await page.route("**/api/secrets", (route) => route.abort());
    await form.getByRole("button", { name: "Test and add" }).click();
    await form.getByRole("button", { name: "Add it untested" }).click();
    await form.getByText("The server does not answer.").waitFor();
    const ids = async () => (await server.client.overview.get()).providers.map((one) => one.providerId);
    await expect.poll(ids).toEqual(["first"]);
    await page.unroute("**/api/secrets");
    await form.getByRole("button", { name: "Add it untested" }).click();
    await form.waitFor({ state: "detached" });
    expect(await ids()).toEqual(["first", "second"]);
  } finally {
    await app.close();
    await server.client.provider.remove({ providerId: "first" });
  }
});

it("a run's limit of tokens stays when its money is set, and a comma is a decimal sign", async () => {
  const { projectId } = await server.client.project.sample();
  const { runId } = await server.client.run.create({
    requestId: randomUUID(),
    projectId,
    goal: "Analyse this data and give me a workbook, a report and a deck.",
    model: "rehearsal",
    approve: "ask",
    allow: [],
    budget: { tokens: 5_000_000 },
  });
  const app = await AppPage.open(browser, await server.freshLink());
  const { page } = app;
  try {
    await app.goTo(`/runs/${runId}`);
    await page.getByRole("region", { name: "Plan review" }).waitFor();
    await page.getByRole("button", { name: "Change the limit" }).click();
    const dollars = page.getByLabel("Dollars at most");
    await dollars.fill("1,000");
    await page.getByText("An amount above nothing, such as 2.50.").waitFor();
    await dollars.fill("2,50");
    await page.getByRole("button", { name: "Set", exact: true }).click();
    const budget = async () => (await server.client.overview.get()).runs[0]?.budget;
    await expect.poll(budget).toEqual({ costMicroUsd: 2_500_000, tokens: 5_000_000 });
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe("Change the limit");
    expect(app.errors).toEqual([]);
  } finally {
    await app.close();
    await server.client.run.stop({ requestId: randomUUID(), runId });
  }
});

it("the list of what was delivered stays while it is read again", async () => {
  const app = await AppPage.open(browser, await server.freshLink());
  const { page } = app;
  try {
    await page.route("**/api/library", async (route) => {
      if (asked > 0) await held;
      asked += 1;
      await route.continue();
    });
    let asked = 0;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await app.goTo("/library");
    await page.getByText("Nothing delivered yet.").waitFor();
    await page.getByRole("checkbox", { name: "Earlier versions too" }).check();
    await page.getByText("Nothing fits.").waitFor();
    expect(await page.getByRole("status", { name: "The library is being read" }).count()).toBe(0);
    release();
    expect(app.errors).toEqual([]);
  } finally {
    await app.close();
  }
});
