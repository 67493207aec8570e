// A tablet on the same wire: paired in its own browser by link and code, it takes a worker's browser and terminal, fills in a form, and
// hands both back. One that may only watch is refused.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DeviceRole, RunSummary, Session } from "@openwrap/contracts";
import type { Browser, BrowserContext, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findChromium } from "../../toolkits/build/chromium.ts";
import { axeProblems } from "../kit/accessibility.ts";
import { type BeyondServer, startBeyond } from "../kit/beyond.ts";
import { FORM, freePort, writeFillingIn, writeTyping } from "../kit/driven-workers.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { createNamespace, type Namespace, STAND_IN } from "../kit/namespace.ts";
import { startBrowser } from "../kit/page.ts";
import { launcherScript } from "../kit/remote-machine.ts";
import { addScriptedModel, eventsOf, startRun, until, waitFinished } from "../kit/scripted-run.ts";

let wire: Namespace;
let beyond: BeyondServer;
let model: ModelServer;
let browser: Browser;
let project: string;
let typed: RunSummary;

interface Tablet {
  page: Page;
  context: BrowserContext;
  errors: string[];
}

/** Opens the link on the tablet, types the code, and is let in. */
async function pairTablet(role: DeviceRole): Promise<Tablet> {
  const { links, code } = await beyond.server.client.pairing.offer({ role });
  const context = await browser.newContext({
    viewport: { width: 820, height: 1180 },
    hasTouch: true,
    isMobile: true,
    reducedMotion: "reduce",
    ignoreHTTPSErrors: true,
  });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(links[0] ?? "");
  expect(await axeProblems(page)).toEqual([]);
  await page.getByLabel("Code").fill(code === "000000" ? "000001" : "000000");
  await page.getByRole("button", { name: "Pair" }).tap();
  await page.getByText(/4 tries are left/).waitFor();
  await page.getByLabel("Code").fill(`${code.slice(0, 3)} ${code.slice(3)}`);
  await page.getByLabel("What to call this device").fill(`Tablet that may ${role}`);
  await page.getByRole("button", { name: "Pair" }).tap();
  await page.locator("[data-phase=ready]").waitFor();
  return { page, context, errors };
}

async function liveSession(run: RunSummary, wanted: (session: Session) => boolean): Promise<Session> {
  return await until("the session", async () => {
    const { sessions } = await beyond.server.client.session.list({ runId: run.runId });
    return sessions.find((session) => session.status === "active" && wanted(session));
  });
}

const terminalOf = (run: RunSummary) =>
  liveSession(run, ({ kind, title }) => kind === "terminal" && title !== "Commands");

async function open(page: Page, run: RunSummary, session: Session): Promise<void> {
  await page.goto(`${beyond.origin}/runs/${run.runId}/workspace/${session.sessionId}`);
}

describe(`a tablet beyond this machine${STAND_IN}`, () => {
  beforeAll(async () => {
    wire = createNamespace();
    beyond = await startBeyond(wire.here);
    const { base } = beyond.server.folders;
    const scenarios = join(base, "scenarios");
    writeTyping(scenarios);
    writeFillingIn(scenarios, await freePort());
    model = await startModelServer({ scenarios });
    await addScriptedModel(beyond.server, model.url);
    project = join(base, "project");
    mkdirSync(join(project, "site"), { recursive: true });
    writeFileSync(join(project, "site/index.html"), FORM);
    browser = await startBrowser(launcherScript(base, wire.launcher, findChromium() ?? ""));
    typed = await startRun(beyond.server, project, "Type");
  });
  afterAll(async () => {
    await browser?.close();
    await beyond?.server.dispose();
    await model?.stop();
    wire?.remove();
  });

  it("that may watch sees the terminal and cannot take it", async () => {
    const tablet = await pairTablet("watch");
    await open(tablet.page, typed, await terminalOf(typed));
    await tablet.page.locator(".xterm-screen").waitFor();
    const take = tablet.page.getByRole("button", { name: "Take control" });
    if (await take.isVisible()) {
      await take.tap();
      await tablet.page
        .getByText(/may only watch/)
        .first()
        .waitFor();
    }
    const { sessions } = await beyond.server.client.session.list({ runId: typed.runId });
    expect(sessions.every(({ controllerId }) => controllerId === undefined || controllerId === null)).toBe(true);
    expect(tablet.errors).toEqual([]);
    await tablet.context.close();
  });

  it("that may drive takes the terminal and the browser, fills in the form, and hands back", async () => {
    const { page, errors, context } = await pairTablet("drive");
    await open(page, typed, await terminalOf(typed));
    await page.getByRole("button", { name: "Take control" }).tap();
    await page.getByText("You are in control").waitFor();
    await page.locator(".xterm-screen").click();
    await page.keyboard.type("echo from the tablet > typed.txt; touch go-on\n");
    await page.getByRole("button", { name: "Hand back", exact: true }).tap();
    expect((await waitFinished(beyond.server, typed)).status).toBe("completed");
    expect(readFileSync(join(project, "typed.txt"), "utf8")).toBe("from the tablet\n");

    const form = await startRun(beyond.server, project, "Fill in");
    const session = await liveSession(form, ({ kind }) => kind === "browser");
    await open(page, form, session);
    await page.getByRole("button", { name: "Take control" }).tap();
    await page.getByText("You are in control").waitFor();
    const canvas = page.locator(".browser-view canvas");
    await canvas.waitFor();
    await expect
      .poll(async () => await canvas.evaluate((element) => (element as { width?: number }).width ?? 0))
      .toBeGreaterThan(300);
    const box = await canvas.boundingBox();
    await page.touchscreen.tap((box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + (box?.height ?? 0) / 4);
    await page.getByRole("button", { name: "Show the keyboard" }).tap();
    await page.keyboard.type("Ada L.");
    await page.keyboard.press("Enter");
    await expect
      .poll(async () => JSON.stringify(await beyond.server.client.session.view({ sessionId: session.sessionId })))
      .toContain("Signed in as Ada L.");
    await page.getByRole("button", { name: "Hand back", exact: true }).tap();
    expect((await waitFinished(beyond.server, form)).status).toBe("completed");
    const events = await eventsOf(beyond.server, form);
    expect(events.some((event) => event.type === "control_handed_back")).toBe(true);
    expect(errors).toEqual([]);
    // A new page of the same browser is let in by its own key, without a link.
    const again = await context.newPage();
    await again.goto(`${beyond.origin}/devices`);
    await again.getByText("this device").waitFor();
    await context.close();
  });
});
