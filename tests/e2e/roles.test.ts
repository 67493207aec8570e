// The job that takes all four roles: beside the figures a page served by a task and read in the live browser, a picture, and a
// Word document.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strFromU8, unzipSync } from "fflate";
import type { Browser } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../kit/folders.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { openXmlProblems } from "../kit/open-xml.ts";
import { AppPage, startBrowser } from "../kit/page.ts";
import { type Fact, factsOf, runFacts } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";
import { together } from "../kit/together.ts";
import { judgeDelivery } from "./analysis.ts";
import { addScripted } from "./attended-run.ts";

const GOAL =
  "Analyse this data, compare it with the local reference page, look at the chart photo, and give me a workbook, a report and a deck.";
const SAMPLE = join(ROOT, "toolkits/samples/seattle-weather");
const MONTHS = 12;
const YEAR = "2015";

let server: TestServer;
let model: ModelServer;
let browser: Browser;
let app: AppPage;

beforeAll(async () => {
  // Time in which workers really are beside each other.
  model = await startModelServer({ latencyMs: [60, 120] });
  [server, browser] = await together([startServer(), startBrowser()]);
  await addScripted(server, model);
  app = await AppPage.open(browser, server.link);
});
afterAll(async () => {
  await app?.close();
  await browser?.close();
  await server?.dispose();
  await model?.stop();
});

/** Most different roles between start and end at one moment. */
function rolesAtOnce(facts: readonly Fact[]): number {
  const running = new Map<string, string>();
  let most = 0;
  for (const { event } of facts) {
    if (event.type === "task_started") running.set(event.taskId ?? "", event.role);
    if (/^task_(completed|failed|canceled|squashed|reopened|needs_head)$/.test(event.type))
      running.delete(event.taskId ?? "");
    most = Math.max(most, new Set(running.values()).size);
  }
  return most;
}

/** Rows of the reference page as its own markup has them: month, then the means. */
function referenceRows(html: string): string[][] {
  const rows = [...html.matchAll(/<tr><th scope="row">(\w+)<\/th>(.*?)<\/tr>/g)];
  return rows.map(([, month = "", cells = ""]) => [
    month,
    ...[...cells.matchAll(/<td>([^<]*)<\/td>/g)].slice(1).map(([, cell = ""]) => cell),
  ]);
}

/** Mean of each column by calendar month of one year, computed here. */
function monthlyMeans(csv: string): number[][] {
  const lines = csv.trimEnd().split(/\r?\n/).slice(1);
  const rows = lines.map((line) => line.split(",")).filter(([date = ""]) => date.startsWith(YEAR));
  return Array.from({ length: MONTHS }, (_, month) => {
    const own = rows.filter(([date = ""]) => Number(date.split("-")[1]) === month + 1);
    return [1, 2, 3, 4].map((column) => own.reduce((sum, row) => sum + Number(row[column]), 0) / own.length);
  });
}

function judgeComparison(folder: string): void {
  const lines = readFileSync(join(folder, "comparison.csv"), "utf8").trimEnd().split(/\r?\n/).slice(1);
  const reference = referenceRows(readFileSync(join(folder, "reference/index.html"), "utf8"));
  const means = monthlyMeans(readFileSync(join(folder, "seattle-weather.csv"), "utf8"));
  expect(lines.length).toBe(MONTHS);
  for (const [at, line] of lines.entries()) {
    const [month, ...cells] = line.split(",");
    expect(month).toBe(reference[at]?.[0]);
    for (const [column, mean] of (means[at] ?? []).entries()) {
      const theirs = Number(reference[at]?.[column + 1]);
      const [own, read, apart] = cells.slice(column * 3, column * 3 + 3).map(Number);
      expect(own).toBeCloseTo(mean, 9);
      expect(read).toBe(theirs);
      expect(apart).toBeCloseTo(mean - theirs, 9);
    }
  }
}

async function judgeDocument(path: string): Promise<void> {
  expect(await openXmlProblems(path)).toEqual([]);
  const xml = strFromU8(unzipSync(readFileSync(path))["word/document.xml"] ?? new Uint8Array());
  const paragraphs = [...xml.matchAll(/<w:p[ >].*?<\/w:p>/gs)].map(([paragraph]) => ({
    style: /<w:pStyle w:val="([^"]+)"/.exec(paragraph)?.[1],
    text: [...paragraph.matchAll(/<w:t[^>]*>([^<]*)<\/w:t>/g)].map(([, text]) => text).join(""),
  }));
  expect(paragraphs.filter(({ style }) => style === "Title").map(({ text }) => text)).toEqual([
    "Analysis of seattle-weather.csv",
  ]);
  expect(paragraphs.filter(({ style }) => style === "Heading1").length).toBeGreaterThanOrEqual(3);
  const [table = ""] = xml.match(/<w:tbl>.*?<\/w:tbl>/s) ?? [];
  const rows = [...table.matchAll(/<w:tr[ >].*?<\/w:tr>/gs)].map(([row]) =>
    [...row.matchAll(/<w:tc>.*?<\/w:tc>/gs)].map(([cell]) =>
      [...cell.matchAll(/<w:t[^>]*>([^<]*)<\/w:t>/g)].map(([, text]) => text).join(""),
    ),
  );
  expect(rows[0]).toEqual(["Column", "Count", "Missing", "Min", "Mean", "Max"]);
  expect(rows.slice(1).map((row) => row.slice(0, 2))).toEqual(
    ["precipitation", "temp_max", "temp_min", "wind"].map((column) => [column, "1461"]),
  );
  const described = [...xml.matchAll(/<wp:docPr [^>]*descr="([^"]*)"/g)].map(([, text = ""]) => text);
  expect(described.length).toBe([...xml.matchAll(/<w:drawing>/g)].length);
  expect(described.every((text) => text.length > 20)).toBe(true);
  expect(described.length).toBeGreaterThanOrEqual(3);
}

it("is done by four roles at once, and right", async () => {
  const { path, table } = projectWith(server.folders.base, "sample");
  cpSync(SAMPLE, path, { recursive: true });
  // Another figure than the shipped page has: what is compared was read there.
  const page = join(path, "reference/index.html");
  writeFileSync(page, readFileSync(page, "utf8").replace("<td>4.01</td>", "<td>4.44</td>"));

  await app.page.getByRole("button", { name: "Open a folder" }).click();
  await app.page.getByLabel(/^Path of a folder/).fill(path);
  await app.page.getByRole("button", { name: "Open", exact: true }).click();
  await app.page.getByLabel("Model").selectOption("scripted/rehearsal");
  const runId = await app.makePlan(GOAL);
  await app.approvePlan();
  await app.answer("quality-issues.csv", "once");
  expect(await app.waitFinished()).toBe("Completed");

  const facts = await runFacts(server, runId);
  expect(rolesAtOnce(facts)).toBeGreaterThanOrEqual(4);
  expect(factsOf(facts, "approval_requested").map(({ question }) => question.kind)).toEqual(["plan", "tool"]);
  // One chart more: what was compared.
  await judgeDelivery(path, table, { chartsBeside: 1 });
  judgeComparison(path);
  await judgeDocument(join(path, "report.docx"));
  expect(readFileSync(join(path, "report.md"), "utf8")).toMatch(/Rehearsal: no model has looked at this picture/);

  const [served] = factsOf(facts, "preview_opened");
  const opened = factsOf(facts, "tool_requested").filter(({ tool }) => tool === "browser.open");
  expect(opened.map(({ summary }) => summary).join(" ")).toContain(served?.url);
  expect(factsOf(facts, "session_opened").some(({ kind }) => kind === "browser")).toBe(true);
  const web = factsOf(facts, "tool_finished").filter(({ tool }) => tool.startsWith("browser."));
  expect(web.every(({ labels }) => labels.includes("web"))).toBe(true);
  // Nothing of it is there after the run.
  await expect(fetch(served?.url ?? "")).rejects.toThrow();
  // Page, browser and picture are inputs by now: the replay has none of them and comes to the same.
  expect(await server.client.run.replay({ runId })).toMatchObject({ equal: true, filesEqual: true, diverged: [] });
  expect(app.errors).toEqual([]);
});
