// The whole job without a pointer: from the first run to finished files, the library, the audit and the settings.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { countPresses, tabTo } from "../kit/accessibility.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";

let server: TestServer;
let browser: Browser;
let app: AppPage;
let presses: () => Promise<number>;

beforeAll(async () => {
  [server, browser] = await together([startServer(), startBrowser()]);
  app = await AppPage.open(browser, server.link);
  presses = await countPresses(app.page);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
});

const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name });
const at = (path: RegExp) => expect.poll(() => new URL(app.page.url()).pathname).toMatch(path);

/** Reaches a control and presses it, once it takes presses. */
async function press(target: Locator): Promise<void> {
  await tabTo(app.page, target);
  await expect.poll(() => target.first().getAttribute("aria-disabled")).toBeNull();
  await app.page.keyboard.press("Enter");
}

async function go(letter: string): Promise<void> {
  await app.page.keyboard.press("g");
  await app.page.keyboard.press(letter);
}

it("from the first run to finished files", async () => {
  const { page } = app;
  // The choices that stand already will do; another posture and back, by the arrows.
  await tabTo(page, page.getByRole("radio", { name: /^Rehearsal/ }));
  await press(button(page, "Use the sample project"));
  await expect.poll(() => app.composer().inputValue()).toMatch(/workbook/);
  await tabTo(page, page.getByRole("radio", { name: /^Ask for anything new/ }));
  await page.keyboard.press("ArrowDown");
  expect(await page.getByRole("radio", { name: /^Only what the plan asks for/ }).isChecked()).toBe(true);
  await page.keyboard.press("ArrowUp");
  expect(await page.getByRole("radio", { name: /^Ask for anything new/ }).isChecked()).toBe(true);
  await tabTo(page, app.composer());
  await page.keyboard.press("Enter");

  await page.getByRole("region", { name: "Plan review" }).waitFor();
  await press(button(page, "Approve the plan"));
  await app.question("quality-issues.csv").waitFor();
  await page.keyboard.press("a");
  await at(/^\/approvals\/./);
  await page.getByRole("heading", { name: /quality-issues\.csv/ }).waitFor();
  await press(button(page, "Allow once"));
  await page.getByText("Nothing waits", { exact: true }).waitFor();
  await go("w");
  await at(/^\/work$/);
  await press(page.getByRole("link", { name: /workbook/ }));
  expect(await app.waitFinished()).toBe("Completed");
  const arriving = page.waitForEvent("download");
  await press(button(page, "Download analysis.xlsx"));
  const folder = (await server.client.overview.get()).projects[0]?.path ?? "";
  expect(readFileSync(await (await arriving).path())).toEqual(readFileSync(join(folder, "analysis.xlsx")));
});

it("through the library, the audit and the settings", async () => {
  const { page } = app;
  await go("l");
  await at(/^\/library$/);
  await press(page.getByRole("link", { name: /report\.md/ }));
  await at(/^\/library\/\d+$/);
  await page.getByRole("region", { name: "Content" }).getByRole("heading").first().waitFor();
  await tabTo(page, button(page, "Download report.md"));
  const arriving = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  expect((await arriving).suggestedFilename()).toBe("report.md");

  await go("u");
  await at(/^\/audit$/);
  await press(button(page, "Verify in this page"));
  await page.getByRole("region", { name: "By this page" }).getByText("Chain verified").waitFor();
  await tabTo(page, page.getByRole("searchbox", { name: "Find in events" }));
  await page.keyboard.type("analysis.xlsx");
  const events = page.getByRole("list", { name: "Events" });
  await expect.poll(() => events.getByText("Run finished").count()).toBe(1);
  await press(events.locator("summary"));
  await events.getByRole("region", { name: /^Event \d+/ }).waitFor();

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search or do" }).waitFor();
  await page.keyboard.type("contrast: high");
  await page.keyboard.press("Enter");
  const root = page.locator("html");
  expect(await root.getAttribute("data-contrast")).toBe("more");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search or do" }).waitFor();
  await page.keyboard.type("deck.pptx");
  await page.keyboard.press("Enter");
  await at(/^\/runs\/.*\/files$/);
  await go("s");
  await at(/^\/settings$/);
  await tabTo(page, page.getByRole("radio", { name: "As the system" }));
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  expect(await root.getAttribute("data-look")).toBe("ink");
  await tabTo(page, page.getByRole("checkbox", { name: "Single letters are shortcuts" }));
  await page.keyboard.press("Space");
  // Where letters are not typed into anything.
  const away = page.getByRole("link", { name: "Work", exact: true });
  await tabTo(page, away);
  await go("n");
  expect(new URL(page.url()).pathname).toBe("/settings");
  await tabTo(page, page.getByRole("checkbox", { name: "Single letters are shortcuts" }));
  await page.keyboard.press("Space");
  await tabTo(page, away);
  await go("n");
  await at(/^\/$/);
  expect(await presses()).toBe(0);
  expect(app.errors).toEqual([]);
});
