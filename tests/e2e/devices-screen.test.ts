// The Devices screen: who is let in, and how one more is; in both themes and two widths, judged by axe.

import { mkdirSync } from "node:fs";
import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axeProblems, overflowOf, tabTo } from "../kit/accessibility.ts";
import { type BeyondServer, startBeyond } from "../kit/beyond.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { pair, RemoteMachine } from "../kit/remote-machine.ts";
import { together } from "../kit/together.ts";

const PICTURES = process.env.OPENWRAP_SCREENS;
const LOOKS = [
  ["paper", 1440],
  ["ink", 1440],
  ["paper", 820],
  ["ink", 820],
] as const;

let beyond: BeyondServer;
let machine: RemoteMachine;
let browser: Browser;
let app: AppPage;

beforeAll(async () => {
  [beyond, browser] = await together([startBeyond("127.0.0.2"), startBrowser()]);
  machine = await RemoteMachine.start([], beyond.origin, beyond.ca);
  app = await AppPage.open(browser, beyond.server.link);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await machine?.stop();
  await beyond?.server.dispose();
});

async function judge(name: string): Promise<void> {
  if (PICTURES) mkdirSync(PICTURES, { recursive: true });
  for (const [theme, width] of LOOKS) {
    await app.page.setViewportSize({ width, height: width === 820 ? 1180 : 900 });
    await app.page.emulateMedia({ colorScheme: theme === "ink" ? "dark" : "light" });
    expect.soft(await axeProblems(app.page), `${name} ${theme} ${width}`).toEqual([]);
    expect.soft(await overflowOf(app.page), `${name} ${theme} ${width}`).toBeLessThanOrEqual(0);
    if (PICTURES) await app.page.screenshot({ path: `${PICTURES}/${name}-${theme}-${width}.png` });
  }
}

it("lists devices, lets one more in, changes what it may do and signs it out", async () => {
  const { page } = app;
  await page.goto(`${beyond.server.url}/devices`);
  await page.getByText("this device").waitFor();
  await judge("devices-own");

  await page.locator(".pair-form").getByRole("radio", { name: "Approve" }).check();
  await page.getByRole("button", { name: "Make a link and a code" }).click();
  const code = (await page.locator(".pair-code").getAttribute("data-code")) ?? "";
  const link = ((await page.locator(".pair-offer .exact").first().textContent()) ?? "").trim();
  expect(code).toMatch(/^\d{6}$/);
  expect(link).toMatch(/^https:\/\/127\.0\.0\.2:\d+\/pair\/[0-9a-z]{10}$/);
  await page.getByText(/^For \d:\d\d more, for one device/).waitFor();
  await judge("devices-offer");

  const device = await pair(machine, link, code, "Kitchen <b>tablet</b>");
  expect(device.role).toBe("approve");
  const row = page.locator(`[data-device-id="${device.deviceId}"]`);
  await row.getByText("Kitchen <b>tablet</b>", { exact: true }).waitFor();
  await page.locator(".pair-offer").waitFor({ state: "detached" });
  await judge("devices-paired");

  await row.getByRole("radio", { name: "Watch" }).check();
  expect(await row.getAttribute("data-role")).toBe("approve");
  await row.getByRole("button", { name: "Set", exact: true }).click();
  await expect.poll(() => row.getAttribute("data-role")).toBe("watch");
  await row.getByRole("button", { name: "Sign out" }).click();
  await row.getByRole("button", { name: "Yes, sign out" }).click();
  await row.waitFor({ state: "detached" });
  expect((await machine.ask({ path: "/api/overview", headers: device.headers })).status).toBe(401);
  expect(app.errors).toEqual([]);
});

it("is worked by the keyboard alone", async () => {
  const { page } = app;
  await page.reload();
  await page.getByRole("button", { name: "Make a link and a code" }).waitFor();
  const reached = new Set<string>();
  for (let turn = 0; turn < 40; turn += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement?.textContent?.trim() ?? ""));
    if (reached.has("Make a link and a code")) break;
  }
  expect([...reached]).toContain("Make a link and a code");
  await page.keyboard.press("Enter");
  await page.locator(".pair-code").waitFor();
  await tabTo(page, page.getByRole("button", { name: "Take it back" }));
  await page.keyboard.press("Enter");
  await page.locator(".pair-code").waitFor({ state: "detached" });
  expect(app.errors).toEqual([]);
});

it("pairs a browser on its own page, which looks and reads right", async () => {
  const { links } = await beyond.server.client.pairing.offer({ role: "watch" });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(links[0] ?? "");
  await page.getByLabel("Code").waitFor();
  for (const [theme, width] of LOOKS) {
    await page.setViewportSize({ width, height: width === 820 ? 1180 : 900 });
    await page.emulateMedia({ colorScheme: theme === "ink" ? "dark" : "light" });
    expect.soft(await axeProblems(page), `pair ${theme} ${width}`).toEqual([]);
    if (PICTURES) await page.screenshot({ path: `${PICTURES}/pair-${theme}-${width}.png` });
  }
  await page.goto(`${beyond.origin}/trust`);
  expect(await axeProblems(page)).toEqual([]);
  if (PICTURES) await page.screenshot({ path: `${PICTURES}/trust.png`, fullPage: true });
  // Any other address leads back to it.
  await page.goto(`${beyond.origin}/runs/run_0`);
  expect(new URL(page.url()).pathname).toBe("/pair");
  await page.getByText("This address needs the end of a pairing link.").waitFor();
  await context.close();
});
