// The job with a page to compare with and a picture to look at, on a table and a page made here.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningRehearsal, startRehearsal } from "./running-rehearsal.ts";
import { carryOut, type Job, planOf } from "./workforce.ts";

const GOAL =
  "Analyse this data, compare it with the local reference page, look at the chart photo, and give me a workbook, a report and a deck.";
const MONTHS = ["January", "March", "December"];
/** Date, then two figures; the newest year is the last one. */
const ROWS = [
  ["2019-03-01", 1, 5],
  ["2021-01-05", 2, 7],
  ["2021-01-06", 4, 8],
  ["2021-03-02", 10, -1],
  ["2021-12-31", 6, 0],
] as const;
const REFERENCE = [
  [1.5, 7],
  [12, -1],
  [6, 2.25],
] as const;

let rehearsal: RunningRehearsal;
let project: string;
beforeAll(async () => {
  rehearsal = await startRehearsal();
  project = mkdtempSync(join(tmpdir(), "rehearsal-project-"));
  mkdirSync(join(project, "reference"));
  const rows = REFERENCE.map(
    (cells, at) => `<tr><th>${MONTHS[at]}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`,
  );
  const head = "<tr><th>Month</th><th>rain_fall (mm)</th><th>Heat</th></tr>";
  writeFileSync(join(project, "reference/index.html"), `<title>x</title><table>${head}${rows.join("")}</table>`);
  writeFileSync(join(project, "days.csv"), ["day,rain_fall,heat", ...ROWS.map((row) => row.join(","))].join("\n"));
  writeFileSync(join(project, "chart.png"), "picture");
  writeFileSync(
    join(project, "README.md"),
    "# Days\n\n## Source and licence\n\nMeasured *here*, free for all.\n\n## Rest\n\nx\n",
  );
});
afterAll(async () => {
  await rehearsal.close();
  rmSync(project, { recursive: true, force: true });
});

/** Newest year's mean, the reference's value and the difference, by month and column. */
function expected(): number[][] {
  return REFERENCE.map((cells, at) => {
    const month = { January: "01", March: "03", December: "12" }[MONTHS[at] ?? ""];
    const own = ROWS.filter(([day]) => day.startsWith(`2021-${month}`));
    return cells.flatMap((reference, column) => {
      const value = own.reduce((sum, row) => sum + Number(row[column + 1]), 0) / own.length;
      return [value, reference, value - reference];
    });
  });
}

test("four roles share the job; what was compared is right", async () => {
  const job: Job = await carryOut(rehearsal.client, GOAL, project);
  const roles = new Set(job.plan.tasks.filter(({ dependsOn }) => dependsOn.length < 2).map(({ role }) => role));
  expect([...roles].sort()).toEqual(["browser", "developer", "document", "multi-modal"]);
  const rows = (job.files.get("comparison.csv") ?? "")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
  expect(rows.map(([name]) => name)).toEqual(MONTHS);
  expect(rows.map((row) => row.slice(1).map(Number))).toEqual(expected());
  expect(job.asked).toEqual(["quality-issues.csv"]);

  const report = job.files.get("report.md") ?? "";
  expect(report).toContain("## Compared with the reference page");
  expect(report).toContain("- heat: farthest in December, 0 against 2.25 (2.25 below the reference).");
  expect(report).toContain("**Rehearsal:** nobody has looked at this picture.");
  expect(report).toContain("## Sources\n\nMeasured here, free for all.");
  expect([report, job.answer].join()).not.toContain("4321");

  const sheets = job.workbooks[0]?.sheets as { name: string; charts?: { altText: string }[] }[];
  expect(sheets.map(({ name }) => name)).toEqual(["Summary", "By month", "Comparison", "Data"]);
  const [document] = job.documents;
  const blocks = document?.blocks as { type: string; altText?: string }[];
  expect([document?.path, document?.date]).toEqual(["report.docx", "2026-03-01"]);
  expect(new Set(blocks.map(({ type }) => type))).toEqual(
    new Set(["heading", "paragraph", "list", "table", "chart", "image"]),
  );
  const drawn = blocks.filter(({ type }) => type === "chart" || type === "image");
  expect(drawn.length).toBe(3);
  for (const { altText } of drawn) expect(altText?.length ?? 0).toBeGreaterThan(20);
});

test("what the project lacks is said instead of a plan", async () => {
  const files = "\n# Project files\ndays.csv (90 bytes)\n";
  expect(await planOf(rehearsal.client, GOAL, files)).toBe(
    "The project has no page (.html) to compare with and no picture (.png, .jpg, .webp, .gif) to look at. Add it, then start again.",
  );
});

/** A PNG of 2 x 2 pixels, three of them red, made by hand. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFUlEQVR4nGP4z8AAREwMDAyM//8DABoFBAAO4QrEAAAAAElFTkSuQmCC";

test("a picture is measured, and said not to have been looked at", async () => {
  const content = (url: string) => [
    { type: "text" as const, text: "What is it?" },
    { type: "image_url" as const, image_url: { url } },
  ];
  const ask = (url: string) =>
    rehearsal.client.chat.completions.create({
      model: "rehearsal",
      messages: [{ role: "user", content: content(url) }],
    });
  const { choices } = await ask(`data:image/png;base64,${PNG}`);
  expect(choices[0]?.message.content).toMatch(
    /^Rehearsal: no model has looked at this picture.*PNG, 2 x 2 pixels;.*colours #ff0000 \(75\.0 %\), #00ffff/,
  );
  await expect(ask("https://example.org/x.png")).rejects.toThrow(/Invalid image/);
});
