// Now shows what a worker's browser shows while it runs.

import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axeProblems } from "../kit/accessibility.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { addScriptedModel, startRun, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";

/** One colour, then another: told apart in the middle of the picture. */
const SITE = `<!doctype html><title>Colours</title><style>body{margin:0;background:rgb(0,128,0)}</style>
<script>setTimeout(() => { document.body.style.background = "rgb(0,0,200)"; }, 4000)</script><p>Colours</p>`;

let server: TestServer;
let model: ModelServer;
let browser: Browser;
let app: AppPage;

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((ready) => listener.listen(0, "127.0.0.1", ready));
  const { port } = listener.address() as AddressInfo;
  await new Promise((closed) => listener.close(closed));
  return port;
}

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  const scenarios = join(server.folders.base, "scenarios");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  writeScenario(scenarios, "Watch colours", [
    {
      taskId: "serve",
      needs: ["read:site"],
      turns: [
        { say: "Serving.", calls: [{ tool: "web.deploy", arguments: { path: "site", port } }] },
        { say: "Served." },
      ],
    },
    {
      taskId: "watch",
      role: "browser",
      dependsOn: ["serve"],
      needs: [`browser:${url}`],
      turns: [
        { say: "Opening.", calls: [{ tool: "browser.open", arguments: { url } }] },
        // Long enough for a busy machine; the test ends it.
        ...["one", "two", "three", "four"].map((text) => ({
          say: "Waiting.",
          calls: [{ tool: "browser.wait", arguments: { text: `${text} is never there`, ms: 20_000 } }],
        })),
        { say: "Done." },
      ],
    },
  ]);
  model = await startModelServer({ scenarios });
  await addScriptedModel(server, model.url);
  const project = join(server.folders.base, "project");
  mkdirSync(join(project, "site"), { recursive: true });
  writeFileSync(join(project, "site/index.html"), SITE);
  app = await AppPage.open(browser, server.link);
  await startRun(server, project, "Watch colours");
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
  await model?.stop();
});

it("the picture is there, and another when the page has changed", async () => {
  const picture = app.page.getByRole("img", { name: "What the worker's browser shows" });
  await picture.waitFor({ timeout: 60_000 });
  const colour = (): Promise<number[]> =>
    picture.evaluate((image) => {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 1;
      const context = canvas.getContext("2d");
      context?.drawImage(image as HTMLImageElement, -50, -50);
      return [...(context?.getImageData(0, 0, 1, 1).data ?? [])];
    });
  await expect.poll(async () => (await colour().catch(() => []))[2] ?? 0, { timeout: 60_000 }).toBeGreaterThan(150);
  expect(await axeProblems(app.page)).toEqual([]);
  await server.client.run.stopAll({ requestId: crypto.randomUUID() });
  await picture.waitFor({ state: "detached" });
  expect(app.errors).toEqual([]);
});
