// A person takes a worker's terminal and browser in the page, types, and hands them back: the worker goes on with what changed.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunSummary, Session } from "@openwrap/contracts";
import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FORM, freePort, writeFillingIn, writeTyping } from "../kit/driven-workers.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { addScriptedModel, blobText, eventsOf, startRun, until, waitFinished } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";

/** A field as large as the window, so that a click in the picture meets it. */
let server: TestServer;
let model: ModelServer;
let browser: Browser;
let app: AppPage;
let project: string;

beforeAll(async () => {
  [server, browser] = await together([startServer(), startBrowser()]);
  const scenarios = join(server.folders.base, "scenarios");
  writeTyping(scenarios);
  writeFillingIn(scenarios, await freePort());
  model = await startModelServer({ scenarios });
  await addScriptedModel(server, model.url);
  project = join(server.folders.base, "project");
  mkdirSync(join(project, "site"), { recursive: true });
  writeFileSync(join(project, "site/index.html"), FORM);
  app = await AppPage.open(browser, server.link);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
  await model?.stop();
});

async function liveSession(run: RunSummary, wanted: (session: Session) => boolean): Promise<Session> {
  return await until("the session", async () => {
    const { sessions } = await server.client.session.list({ runId: run.runId });
    return sessions.find((session) => session.status === "active" && wanted(session));
  });
}

/** Takes the session in the page, and sees a second page refused. */
async function takeControl(run: RunSummary, session: Session): Promise<Page> {
  const place = `/runs/${run.runId}/workspace/${session.sessionId}`;
  await app.goTo(place);
  await app.page.getByRole("button", { name: "Take control" }).click();
  await app.page.getByText("You are in control").waitFor();
  const second = await AppPage.open(browser, await server.freshLink());
  await second.goTo(place);
  await second.page.getByText("A person drives it in another window or on another device.").waitFor();
  await second.page.getByRole("button", { name: "Take control" }).click();
  await second.page.getByText(/drives this session/).waitFor();
  await second.close();
  return app.page;
}

it("types into the terminal of a worker", async () => {
  const run = await startRun(server, project, "Type");
  const session = await liveSession(run, ({ kind, title }) => kind === "terminal" && title !== "Commands");
  const page = await takeControl(run, session);
  await page.locator(".xterm-screen").click();
  await page.keyboard.type("echo by hand > typed.txt; touch go-on\n");
  await page.getByLabel("Hand back with a note", { exact: true }).last().fill("I wrote typed.txt.");
  await page.getByRole("button", { name: "Hand back with this note" }).click();
  expect((await waitFinished(server, run)).status).toBe("completed");
  expect(readFileSync(join(project, "typed.txt"), "utf8")).toBe("by hand\n");
  const events = await eventsOf(server, run);
  const looked = events.filter((event) => event.type === "tool_finished").at(2);
  expect(await blobText(server, looked?.resultHash ?? "")).toContain("by hand");
  const told = events.find((event) => event.type === "message_sent");
  expect(told?.text).toContain("I wrote typed.txt.");
});

it("fills in a form in the browser of a worker", async () => {
  const run = await startRun(server, project, "Fill in");
  const session = await liveSession(run, ({ kind }) => kind === "browser");
  const page = await takeControl(run, session);
  const canvas = page.locator(".browser-view canvas");
  await canvas.waitFor();
  const pictured = () =>
    expect
      .poll(async () => await canvas.evaluate((element) => (element as { width?: number }).width ?? 0))
      .toBeGreaterThan(300);
  // Once there is a picture to click into.
  await pictured();
  const box = await canvas.boundingBox();
  await page.mouse.click((box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + (box?.height ?? 0) / 4);
  await page.keyboard.type("Ada L.");
  await page.keyboard.press("Enter");
  await expect
    .poll(async () => JSON.stringify(await server.client.session.view({ sessionId: session.sessionId })))
    .toContain("Signed in as Ada L.");
  // Loaded again, the page still drives, and sees a page that has stood still since.
  await page.reload();
  await page.getByText("You are in control").waitFor();
  await pictured();
  await page.getByRole("button", { name: "Hand back", exact: true }).click();
  expect((await waitFinished(server, run)).status).toBe("completed");
  const events = await eventsOf(server, run);
  const read = events.filter((event) => event.type === "tool_finished" && event.tool === "browser.snapshot").at(-1);
  expect(read?.type === "tool_finished" && (await blobText(server, read.resultHash))).toContain("Signed in as Ada L.");
  expect(events.some((event) => event.type === "control_handed_back")).toBe(true);
  expect(events.some((event) => event.type === "message_seen" && event.taskId === "look")).toBe(true);
  expect(app.errors).toEqual([]);
});
