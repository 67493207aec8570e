// A budget that was set in the page holds the run; raised there, it goes on.

import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { together } from "../kit/together.ts";
import { addScripted, GOAL } from "./attended-run.ts";

let server: TestServer;
let model: ModelServer;
let browser: Browser;
let app: AppPage;

beforeAll(async () => {
  [server, model, browser] = await together([startServer(), startModelServer(), startBrowser()]);
  await addScripted(server, model);
  const provider = (await server.client.overview.get()).providers[0];
  // A dollar for a thousand tokens: every call is seen in the meter.
  const price = { modelId: "rehearsal", inputMicroUsd: 1_000_000_000, outputMicroUsd: 1_000_000_000 };
  if (provider) await server.client.provider.add({ ...provider, prices: [price] });
  app = await AppPage.open(browser, server.link);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
  await model?.stop();
});

it("the run waits at its limit, says what it has cost, and goes on when the limit is raised", async () => {
  const { page } = app;
  await page.getByRole("button", { name: "Use the sample project" }).click();
  await expect.poll(() => app.composer().inputValue()).toBe(GOAL);
  await page.getByLabel("Dollars at most").fill("0.x");
  expect(await page.getByRole("button", { name: /^Make a plan/ }).isDisabled()).toBe(true);
  await page.getByLabel("Dollars at most").fill("5");
  await page.getByRole("button", { name: /^Make a plan/ }).click();
  const asked = app.question("Raise the budget of this run?");
  await asked.waitFor();
  await asked.getByText(/can cost up to/).waitFor();
  const [run] = (await server.client.overview.get()).runs;
  expect(run?.budget).toEqual({ costMicroUsd: 5_000_000 });
  expect(run?.spending?.costMicroUsd ?? 0).toBeLessThanOrEqual(5_000_000);
  await page
    .getByText(/of \$5\.00/)
    .first()
    .waitFor();
  // Set by hand, which answers the question as well.
  await page.getByRole("button", { name: "Change the limit" }).click();
  await page.getByLabel("Dollars at most").fill("100000");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await asked.waitFor({ state: "detached" });
  await page.getByRole("region", { name: "Plan review" }).waitFor();
  await app.approvePlan();
  await app.answer("quality-issues.csv", "once");
  expect(await app.waitFinished()).toBe("Completed");
  const cost = await server.client.run.cost({ runId: run?.runId ?? "" });
  expect(cost.total.costMicroUsd).toBeGreaterThan(5_000_000);
  const shown = (await server.client.overview.get()).runs[0]?.spending?.costMicroUsd ?? 0;
  const words = `$${(shown / 1_000_000).toFixed(2)}`;
  // What the page added up from the facts is what the core has.
  await page.getByRole("complementary", { name: "About this run" }).getByText(words).waitFor();
  await app.goTo("/models");
  await page.getByRole("button", { name: "By model" }).click();
  await page
    .getByRole("row", { name: /model scripted\/rehearsal/ })
    .getByText(words)
    .waitFor();
  expect(app.errors).toEqual([]);
});
