// The playbook "Report from a table" on tables with a closing row of totals, gaps in time, small decimals, days of eight digits and
// names that could be taken for something else: its workbook beside figures computed from what the tables were made of.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strFromU8, unzipSync } from "fflate";
import { afterEach, expect, it } from "vitest";
import { jsonLines, openwrap } from "../kit/cli.ts";
import { temporaryFolders } from "../kit/folders.ts";
import { openXmlProblems } from "../kit/open-xml.ts";
import { readWorkbook, sheetOf } from "../kit/workbook.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function reported(text: string) {
  const folders = temporaryFolders();
  cleanups.push(() => folders.remove());
  const project = join(folders.base, "project");
  mkdirSync(project);
  writeFileSync(join(project, "table.csv"), text);
  const words = ["--input", "table=table.csv", "--project", project, "--approve", "bundle", "--json"];
  const run = await openwrap(["run", "--playbook", "report-from-a-table", ...words], { env: folders.env });
  expect(jsonLines<{ status?: string }>(run.stdout).at(-1), run.stderr).toMatchObject({ status: "completed" });
  for (const file of ["analysis.xlsx", "report.docx", "deck.pptx"])
    expect(await openXmlProblems(join(project, file)), file).toEqual([]);
  const book = readWorkbook(join(project, "analysis.xlsx"));
  const [head = [], ...rows] = sheetOf(book, "Summary").rows;
  const cell = (name: string, column: string) => rows.find((row) => row[0] === name)?.[head.indexOf(column)];
  const chart = unzipSync(readFileSync(join(project, "analysis.xlsx")))["xl/charts/chart1.xml"] ?? new Uint8Array();
  return { book, cell, chart: strFromU8(chart), cleaned: readFileSync(join(project, "cleaned.csv"), "utf8") };
}

it("leaves totals out, shows empty months as gaps, and reads small decimals and joined days", async () => {
  const months = [0, 1, 4, 5, 6];
  const parts: number[] = [];
  const rows = ["Tag;Anteil;Stück"];
  for (const month of months)
    for (let day = 1; day <= 10; day += 1) {
      const part = (100 + month * 37 + day * 11) / 1_000;
      parts.push(part);
      rows.push(
        `2023${String(month + 1).padStart(2, "0")}${String(day * 2).padStart(2, "0")};${part.toFixed(3)};${day}`,
      );
    }
  const sum = parts.reduce((all, part) => all + part, 0);
  rows.push(`Summe;${sum.toFixed(3)};${months.length * 55}`);
  const { book, cell } = await reported(`${rows.join("\n")}\n`);
  expect([cell("Tag", "Kind"), cell("Anteil", "Kind"), cell("Anteil", "Values")]).toEqual(["date", "number", 50]);
  expect(Number(cell("Anteil", "Sum"))).toBeCloseTo(sum, 9);
  expect(Number(cell("Anteil", "Maximum"))).toBeCloseTo(Math.max(...parts), 9);
  expect(cell("Stück", "Sum")).toBe(months.length * 55);
  expect(sheetOf(book, "Data").rows.length).toBe(51);
  const compared = sheetOf(book, "Comparison").rows.slice(1);
  expect(compared.map((row) => row[3])).toEqual([10, 10, 0, 0, 10, 10, 10]);
  const means = [0, 1, 2, 3, 4, 5, 6].map((month) =>
    months.includes(month)
      ? parts
          .slice(months.indexOf(month) * 10)
          .slice(0, 10)
          .reduce((a, b) => a + b, 0) / 10
      : undefined,
  );
  for (const [at, mean] of means.entries())
    if (mean === undefined) expect(compared[at]?.[4] ?? undefined).toBeUndefined();
    else expect(Number(compared[at]?.[4])).toBeCloseTo(mean, 9);
  const told = sheetOf(book, "Quality").rows.map((row) => row[1]);
  expect(told).toContain("a closing row of totals, left out");
});

it("draws the averages of a column called Average, and reads back a lone column with separators in it", async () => {
  const kinds = ["north;east", "south|west", "middle"];
  const rows = Array.from({ length: 30 }, (_, at) => `"${kinds[at % 3]}",${at + 0.5}`);
  const { cell, chart } = await reported(`Average,Amount\n${rows.join("\n")}\n`);
  expect(cell("Amount", "Average")).toBe(15);
  expect(chart).toContain("Comparison!$C$2:$C$4");
  const names = Array.from({ length: 12 }, (_, at) => `a${at % 3};b${at % 2}`);
  const alone = await reported(`sep=|\nFirst;Second\n${names.join("\n")}\n`);
  expect(sheetOf(alone.book, "Data").rows).toEqual([["First;Second"], ...names.map((name) => [name])]);
  expect(alone.cleaned.split("\n").slice(0, 2)).toEqual(['"First;Second"', '"a0;b0"']);
});
