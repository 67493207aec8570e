// Pages and files of a run, in the browser that is signed in to the app: they are somebody else's, and get nothing of ours.

import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Request } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { rawRequest } from "../kit/raw-request.ts";
import { addScriptedModel, eventsOf, SCRIPTED, until, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";

const GOAL = "Serve a page";
const HOSTILE =
  "<!doctype html><title>Hostile</title><body><script src='hostile.js'></script><script>window.ran = true</script>";

let server: TestServer;
let model: ModelServer;
let browser: Browser;
let app: AppPage;
let projectId: string;
let runId: string;
let served: URL;

async function overview(): Promise<unknown> {
  return await server.client.overview.get();
}

/** A run whose page is served while it waits for an answer. */
async function serve(): Promise<void> {
  const project = join(server.folders.base, "project");
  mkdirSync(join(project, "site"), { recursive: true });
  copyFileSync(join(import.meta.dirname, "strangers/hostile.js"), join(project, "site/hostile.js"));
  writeFileSync(join(project, "site/index.html"), HOSTILE);
  ({ projectId } = await server.client.project.open({ path: project }));
  const wanted = {
    requestId: randomUUID(),
    projectId,
    goal: GOAL,
    model: SCRIPTED,
    approve: "ask" as const,
    allow: [],
  };
  const run = await server.client.run.create(wanted);
  runId = run.runId;
  const { approvals } = await until("the plan", async () => {
    const now = await server.client.overview.get();
    return now.approvals.length > 0 ? now : undefined;
  });
  const approvalId = approvals[0]?.question.approvalId ?? "";
  await server.client.approval.resolve({
    requestId: randomUUID(),
    approvalId,
    decision: { allow: true, scope: "once" },
  });
  const opened = await until("the page", async () =>
    (await eventsOf(server, run)).find((event) => event.type === "preview_opened"),
  );
  served = new URL(opened.url);
  await until("the question", async () =>
    (await server.client.overview.get()).approvals.length > 0 ? true : undefined,
  );
}

beforeAll(async () => {
  [server, browser] = await together([startServer(), startBrowser()]);
  const scenarios = join(server.folders.base, "scenarios");
  writeScenario(scenarios, GOAL, [
    {
      taskId: "serve",
      needs: ["read:site"],
      turns: [
        { say: "Serving.", calls: [{ tool: "web.deploy", arguments: { path: "site" } }] },
        { say: "One thing more.", calls: [{ tool: "file.write", arguments: { path: "unplanned.txt", content: "x" } }] },
        { say: "Done." },
      ],
    },
  ]);
  model = await startModelServer({ scenarios });
  await addScriptedModel(server, model.url);
  app = await AppPage.open(browser, server.link);
  await serve();
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
  await model?.stop();
});

it("a served page is sent no cookie, reads nothing of the app and has no effect on it", async () => {
  expect(served.hostname).toBe("127.0.0.1");
  expect(served.port).not.toBe(String(server.port));
  const page = await app.context.newPage();
  const sent: Request[] = [];
  page.on("request", (request) => {
    if (request.url().startsWith(served.origin)) sent.push(request);
  });
  await page.goto(served.href);
  const before = await overview();
  const told = { app: server.url, runId, projectId };
  const read = (await page.evaluate(`attack(${JSON.stringify(told)})`)) as Record<string, string>;
  expect(Object.keys(read).length).toBeGreaterThan(50);
  expect(Object.entries(read).filter(([, text]) => text !== "")).toEqual([]);
  expect(await overview()).toEqual(before);
  expect(sent.length).toBeGreaterThanOrEqual(2);
  const headers = await Promise.all(sent.map((request) => request.allHeaders()));
  for (const header of headers) {
    expect(header.cookie).toBeUndefined();
    expect(JSON.stringify(header)).not.toContain(server.token);
    expect(Object.keys(header).filter((name) => name.startsWith("x-openwrap"))).toEqual([]);
  }
  await page.close();
});

it("a cookie of ours is worth nothing where it is replayed", async () => {
  const cookies = await app.context.cookies(server.url);
  expect(cookies.length).toBeGreaterThan(0);
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  for (const target of [
    "/api/overview",
    "/api/stream?after=0",
    "/api/sessions",
    "/api/sessions/pictures?sessionId=a",
  ]) {
    const headers: [string, string][] = [
      ["Host", `localhost:${server.port}`],
      ["Cookie", cookie],
    ];
    expect((await rawRequest(server.port, { target, headers })).status, target).toBe(401);
  }
});

it("files with scripts are text in the app, and nothing runs in its origin", async () => {
  const { page } = app;
  await app.goTo("/files");
  await page.getByRole("button", { name: /^site/ }).click();
  await page.getByRole("button", { name: /^index\.html/ }).click();
  await page.getByText("window.ran = true").waitFor();
  expect(await page.evaluate("window.ran")).toBeUndefined();
  for (const frame of page.frames()) expect(await frame.evaluate("window.ran")).toBeUndefined();
  const query = new URLSearchParams({ projectId, path: "site/index.html" });
  const answer = await fetch(`${server.url}/api/files/content?${query}`, {
    headers: { authorization: `Bearer ${server.token}` },
  });
  expect(await answer.text()).toBe(HOSTILE);
  expect(answer.headers.get("content-disposition")).toMatch(/^attachment/);
  expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  expect(answer.headers.get("content-type")).not.toMatch(/html/);
  expect(app.errors).toEqual([]);
});
