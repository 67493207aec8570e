// The job, as a person does it: a goal, one plan, one question, and finished files whose figures are right.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AppPage, startBrowser } from "../kit/page.ts";
import { factsOf, hashesOf, mostAtOnce, runFacts } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith, type TableKind, testTable } from "../kit/tables.ts";
import { together } from "../kit/together.ts";
import { judgeDelivery } from "./analysis.ts";

const GOAL = "Analyse this data and give me a workbook, a report and a deck.";
const ISSUES = "quality-issues.csv";
const REASON = "the office keeps *no* lists beside the report";

let server: TestServer;
let browser: Browser;
let app: AppPage;

beforeAll(async () => {
  [server, browser] = await together([startServer(), startBrowser()]);
  app = await AppPage.open(browser, server.link);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
});

async function openFolder(path: string): Promise<void> {
  await app.page.getByRole("link", { name: "Now", exact: true }).click();
  await app.page.getByRole("button", { name: "Open a folder" }).click();
  await app.page.getByLabel(/^Path of a folder/).fill(path);
  await app.page.getByRole("button", { name: "Open", exact: true }).click();
  await app.page.getByLabel(/^Path of a folder/).waitFor({ state: "detached" });
}

/** From the goal to the end; the one question is answered. */
async function carryOut(choice: Parameters<AppPage["answer"]>[1]): Promise<string> {
  const runId = await app.makePlan(GOAL);
  await app.approvePlan();
  await app.answer(ISSUES, choice);
  expect(await app.waitFinished()).toBe("Completed");
  return runId;
}

async function outcome(): Promise<string> {
  return (await app.page.getByRole("region", { name: "Result" }).textContent()) ?? "";
}

it("goes from a launch link to finished files on the sample, and back again", async () => {
  await app.page.getByRole("button", { name: "Use the sample project" }).click();
  await expect.poll(() => app.composer().inputValue()).toBe(GOAL);
  const { projects } = await server.client.overview.get();
  const folder = projects[0]?.path ?? "";
  const before = hashesOf(folder);

  const runId = await carryOut("once");
  const facts = await runFacts(server, runId);
  expect(factsOf(facts, "plan_accepted").length).toBe(1);
  expect(factsOf(facts, "plan_proposed")[0]?.plan.tasks.length).toBeGreaterThanOrEqual(6);
  expect(factsOf(facts, "approval_requested").map(({ question }) => question.kind)).toEqual(["plan", "tool"]);
  expect(mostAtOnce(facts)).toBeGreaterThanOrEqual(4);

  await judgeDelivery(folder, testTable("sample"));
  expect(existsSync(join(folder, ISSUES))).toBe(true);
  expect(readFileSync(join(folder, "report.md"), "utf8")).toContain(`The list of all checks is in ${ISSUES}.`);
  expect(hashesOf(folder)).toMatchObject(before);

  const arriving = app.page.waitForEvent("download");
  await app.page.getByRole("button", { name: "Download analysis.xlsx" }).first().click();
  const download = await arriving;
  expect(download.suggestedFilename()).toBe("analysis.xlsx");
  expect(readFileSync(await download.path())).toEqual(readFileSync(join(folder, "analysis.xlsx")));

  await app.page.getByRole("button", { name: "Undo the run" }).click();
  await app.page.getByText(/^6 files put back\.$/).waitFor();
  expect(hashesOf(folder)).toEqual(before);
  expect(app.errors).toEqual([]);
});

it("hears a no and its reason", async () => {
  const { path, table } = projectWith(server.folders.base, "missing");
  await openFolder(path);
  const runId = await carryOut({ because: REASON });
  await judgeDelivery(path, table);
  expect(existsSync(join(path, ISSUES))).toBe(false);
  const report = readFileSync(join(path, "report.md"), "utf8").replaceAll("\\", "");
  expect(report).toContain(`A separate file ${ISSUES} was not made. The answer to that was: "${REASON}"`);
  expect(await outcome()).toContain(REASON);
  const refused = factsOf(await runFacts(server, runId), "tool_refused");
  expect(refused.map(({ code, decision }) => [code, decision?.reason])).toEqual([["PERMISSION_DENIED", REASON]]);
  expect(app.errors).toEqual([]);
});

it.each<TableKind>(["unicode", "large", "undated"])("is right on a table it has never seen: %s", async (kind) => {
  const { path, table } = projectWith(server.folders.base, kind);
  await openFolder(path);
  const runId = await carryOut("run");
  await judgeDelivery(path, table);
  expect(mostAtOnce(await runFacts(server, runId))).toBeGreaterThanOrEqual(4);
  expect(app.errors).toEqual([]);
});

it("keeps what a person changed since when it takes a run back", async () => {
  const { path } = projectWith(server.folders.base, "undated", 2);
  const before = hashesOf(path);
  await openFolder(path);
  await carryOut("no");
  writeFileSync(join(path, "report.md"), "mine\n");
  await app.page.getByRole("button", { name: "Undo the run" }).click();
  await app.page.getByText("Changed since, so left alone:").waitFor();
  const after = hashesOf(path);
  expect(readFileSync(join(path, "report.md"), "utf8")).toBe("mine\n");
  expect(Object.keys(after)).toEqual([...Object.keys(before), "report.md"].sort());
});
