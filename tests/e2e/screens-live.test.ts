// Now shows what a worker's browser shows while it runs.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { axeProblems } from "../kit/accessibility.ts";
import { freePort, writeServing } from "../kit/driven-workers.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { addScriptedModel, startRun } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";

/** One colour, then another: told apart in the middle of the picture. */
const SITE = `<!doctype html><title>Colours</title><style>body{margin:0;background:rgb(0,128,0)}</style>
<script>setTimeout(() => { document.body.style.background = "rgb(0,0,200)"; }, 15000)</script><p>Colours</p>`;

let server: TestServer;
let model: ModelServer;
let browser: Browser;
let app: AppPage;

beforeAll(async () => {
  [server, browser] = await together([startServer(), startBrowser()]);
  const scenarios = join(server.folders.base, "scenarios");
  // Long enough for a busy machine; the test ends it.
  const waits = ["one", "two", "three", "four"].map((text) => ({
    say: "Waiting.",
    calls: [{ tool: "browser.wait", arguments: { text: `${text} is never there`, ms: 20_000 } }],
  }));
  writeServing(scenarios, "Watch colours", await freePort(), [...waits, { say: "Done." }]);
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
  const shown = async (): Promise<string> => {
    const [red = 0, green = 0, blue = 0] = await colour().catch(() => []);
    if (red < 60 && green > 90 && blue < 60) return "green";
    return red < 60 && green < 60 && blue > 150 ? "blue" : `${red} ${green} ${blue}`;
  };
  await expect.poll(shown, { timeout: 60_000, interval: 100 }).toBe("green");
  await expect.poll(shown, { timeout: 60_000 }).toBe("blue");
  expect(await axeProblems(app.page)).toEqual([]);
  await server.client.run.stopAll({ requestId: crypto.randomUUID() });
  await picture.waitFor({ state: "detached" });
  expect(app.errors).toEqual([]);
});
