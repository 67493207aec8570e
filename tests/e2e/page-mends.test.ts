// What a page does when a part of it does not arrive: the rest stays, and the part is there when it is tried again.

import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AppPage, startBrowser } from "../kit/page.ts";
import { startServer, type TestServer } from "../kit/server.ts";

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
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
