import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SAMPLE_GOAL } from "../src/scenario.ts";
import { type RunningRehearsal, startRehearsal } from "./running-rehearsal.ts";
import { TABLES, type Table } from "./tables.ts";
import { carryOut, type Job, type Person, planOf } from "./workforce.ts";

let rehearsal: RunningRehearsal;
beforeAll(async () => {
  rehearsal = await startRehearsal();
});
afterAll(() => rehearsal.close());

async function jobOn(files: Record<string, Buffer | string>, person?: Person): Promise<Job> {
  const project = mkdtempSync(join(tmpdir(), "rehearsal-project-"));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(project, name), content);
    return await carryOut(rehearsal.client, SAMPLE_GOAL, project, person);
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

/** Count, missing, least, mean and greatest value, from the values the table was made of. */
function figures({ headers, rows }: Table, name: string) {
  const place = headers.indexOf(name);
  const values = rows.map((row) => row[place]).filter((value) => typeof value === "number");
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sorted = [...values].sort((a, b) => a - b);
  return {
    count: values.length,
    missing: rows.length - values.length,
    min: sorted[0] ?? 0,
    mean,
    max: sorted.at(-1) ?? 0,
  };
}

/** Means by group, in order of the groups. */
function groupMeans({ headers, rows, numeric, groupOf }: Table) {
  const groups = new Map<string, { rows: number; sums: number[]; counts: number[] }>();
  for (const row of rows) {
    const name = groupOf(row);
    const group = groups.get(name) ?? { rows: 0, sums: numeric.map(() => 0), counts: numeric.map(() => 0) };
    groups.set(name, group);
    group.rows += 1;
    for (const [at, column] of numeric.entries()) {
      const value = row[headers.indexOf(column)];
      if (typeof value !== "number") continue;
      group.sums[at] = (group.sums[at] ?? 0) + value;
      group.counts[at] = (group.counts[at] ?? 0) + 1;
    }
  }
  const order = [...groups.keys()].sort((a, b) => (a === "(missing)" ? 1 : b === "(missing)" ? -1 : a < b ? -1 : 1));
  return order.map((name) => {
    const { rows: count, sums, counts } = groups.get(name) ?? { rows: 0, sums: [], counts: [] };
    return { name, rows: count, means: sums.map((sum, at) => (counts[at] === 0 ? null : sum / (counts[at] ?? 1))) };
  });
}

function parseCsv(text: string): string[][] {
  const cells = [...text.matchAll(/("(?:[^"]|"")*"|[^,\n]*)(,|\n|$)/g)];
  const records: string[][] = [[]];
  for (const [, cell = "", end] of cells) {
    records.at(-1)?.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === "\n") records.push([]);
    if (end === "") break;
  }
  return records.filter((record) => record.length > 1 || record[0] !== "");
}

const rounded = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.001 ? String(Number(value.toPrecision(4))) : String(Number(value.toFixed(4)));
const letters = (place: number): string => String.fromCharCode(65 + place);

interface Cell {
  formula: string;
  value: number;
}
interface Sheet {
  name: string;
  csv?: string;
  rows?: (string | Cell)[][];
  charts?: { categories: string; series: { values: string }[] }[];
}

describe.each(TABLES.map((table) => [table.name, table] as const))("on %s", (_, table) => {
  let job: Job;
  beforeAll(async () => {
    job = await jobOn({ [table.file]: table.bytes, "README.md": "read me" });
  });

  test("at least six tasks, at least four of them at once, no path written twice", () => {
    expect(job.plan.tasks.length).toBeGreaterThanOrEqual(6);
    expect(job.plan.tasks.filter((task) => task.dependsOn.length === 0).length).toBeGreaterThanOrEqual(4);
    const writes = job.plan.tasks.flatMap((task) => task.writes);
    expect(new Set(writes).size).toBe(writes.length);
    expect(writes).not.toContain(table.file);
  });

  test("the summary sheet has formulas over the right columns, with the right values", () => {
    const [book] = job.workbooks;
    const sheets = book?.sheets as Sheet[];
    const summary = sheets.find((sheet) => sheet.name === "Summary");
    expect(summary?.rows?.length).toBe(table.numeric.length);
    for (const [at, name] of table.numeric.entries()) {
      const { count, missing, min, mean, max } = figures(table, name);
      const column = letters(table.headers.indexOf(name));
      const range = `Data!$${column}$2:$${column}$${table.rows.length + 1}`;
      const [shown, ...cells] = summary?.rows?.[at] ?? [];
      expect(shown).toBe(name);
      expect((cells as Cell[]).map((cell) => cell.formula)).toEqual([
        `=COUNT(${range})`,
        `=ROWS(${range})-COUNT(${range})`,
        `=MIN(${range})`,
        `=AVERAGE(${range})`,
        `=MAX(${range})`,
      ]);
      const [a, b, c, d, e] = (cells as Cell[]).map((cell) => cell.value);
      expect([a, b, c, e]).toEqual([count, missing, min, max]);
      expect(d).toBeCloseTo(mean, 9);
    }
  });

  test("the cleaned data holds every value, in a form a workbook reads", () => {
    const [headers = [], ...rows] = parseCsv(job.files.get("clean-data.csv") ?? "");
    expect(headers).toEqual(table.headers);
    const expected = table.rows.map((row) => row.map((value) => (value === null ? "" : String(value))));
    expect(rows).toEqual(expected);
  });

  test("grouped figures are right, all of them", () => {
    const [headers = [], ...rows] = parseCsv(job.files.get("grouped-figures.csv") ?? "");
    expect(headers.slice(1)).toEqual(["Rows", ...table.numeric.map((name) => `Mean of ${name}`)]);
    const expected = groupMeans(table);
    expect(rows.map(([name, count]) => [name, Number(count)])).toEqual(
      expected.map(({ name, rows: count }) => [name, count]),
    );
    for (const [at, { means }] of expected.entries()) {
      for (const [place, mean] of means.entries()) {
        const cell = rows[at]?.[place + 2] ?? "";
        if (mean === null) expect(cell).toBe("");
        else expect(Number(cell)).toBeCloseTo(mean, 9);
      }
    }
    const sheets = job.workbooks[0]?.sheets as Sheet[];
    const sheet = sheets.find((candidate) => candidate.csv === "grouped-figures.csv");
    expect(sheet?.charts?.length).toBe(Math.min(4, table.numeric.length));
    expect(sheet?.charts?.[0]?.categories).toBe(`'${sheet?.name}'!$A$2:$A$${expected.length + 1}`);
    expect(sheet?.charts?.[0]?.series[0]?.values).toBe(`'${sheet?.name}'!$C$2:$C$${expected.length + 1}`);
  });

  test("the report has the same figures", () => {
    const lines = (job.files.get("report.md") ?? "").split("\n");
    const cellsOf = (line: string): string[] =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/\\(.)/g, "$1"));
    for (const name of table.numeric) {
      const { count, missing, min, mean, max } = figures(table, name);
      const row = lines.map(cellsOf).find(([first]) => first === name);
      expect(row).toEqual([name, String(count), String(missing), rounded(min), rounded(mean), rounded(max)]);
      expect(job.answer).toContain(rounded(max));
    }
    for (const { name, rows, means } of groupMeans(table).slice(0, 60)) {
      const row = lines.map(cellsOf).find(([first]) => first === name);
      expect(row).toEqual([name, String(rows), ...means.map((mean) => (mean === null ? "–" : rounded(mean)))]);
    }
  });
});

test("names of any length and letters fit the slides", async () => {
  const long = (letter: string): string => letter.repeat(300);
  const header = [
    long("w"),
    long("\u5317"),
    `${long("\ud83d\udc69\u200d\ud83d\ude80")}`,
    "\u0001x",
    long("W "),
    "\u05e9\u05dc\u05d5\u05dd",
  ];
  const rows = Array.from({ length: 60 }, (_, row) => [
    `${long("k")}${row % 20}`,
    row,
    -row * 1e300,
    row / 7e9,
    `${long("M ")}${row % 3}`,
    row % 2,
  ]);
  const many = Array.from({ length: 30 }, (_, place) => `column ${place}`);
  const csv = [[...header, ...many], ...rows.map((row) => [...row, ...many.map((_, place) => place)])];
  const job = await jobOn({ "t.csv": csv.map((row) => row.join(",")).join("\n") });
  expect(job.decks[0]?.slides.length).toBe(5);
});

test("a refused file is respected, its reason quoted, and the list goes into the report", async () => {
  const [, table] = TABLES;
  const files = { "t.csv": table?.bytes ?? "" };
  const yes = await jobOn(files);
  expect(yes.asked).toEqual(["quality-issues.csv"]);
  expect(yes.files.get("quality-issues.csv")).toMatch(/^check,column,count,examples\nmissing value,Datum,/);
  expect(yes.files.get("report.md")).toContain("The list of all checks is in quality-issues.csv.");
  const no = await jobOn(files, () => "one file fewer *please*");
  expect(no.asked).toEqual(["quality-issues.csv"]);
  expect(no.files.has("quality-issues.csv")).toBe(false);
  const report = no.files.get("report.md") ?? "";
  expect(report).toContain("- Datum: missing value,");
  expect(report).toContain('was not made. The answer to that was: "one file fewer \\*please\\*"');
  expect(no.answer).toContain("one file fewer");
});

/** Numbers of a text; none of them may have come from nowhere. */
const numbersIn = (text: string): string[] => text.match(/\d+(?:\.\d+)?/g) ?? [];

test.each(TABLES.map((table) => [table.name, table] as const))("the deck of %s has its figures", async (_, table) => {
  const job = await jobOn({ [table.file]: table.bytes });
  expect(job.decks.length).toBe(1);
  const [cover, summary, groups, found, made] = job.decks[0]?.slides ?? [];
  expect(new Set(job.decks[0]?.slides.map(({ title }) => title)).size).toBe(5);
  expect(cover).toMatchObject({ layout: "title", title: `Analysis of ${table.file}` });
  expect(numbersIn(String(cover?.layout === "title" && cover.subtitle)).slice(0, 2)).toEqual([
    String(table.rows.length),
    String(table.headers.length),
  ]);
  const rows = table.numeric.map((name) => {
    const { count, missing, min, mean, max } = figures(table, name);
    return [name, String(count), String(missing), rounded(min), rounded(mean), rounded(max)];
  });
  expect(summary).toMatchObject({ layout: "table", rows });
  const means = groupMeans(table).slice(0, 60);
  if (groups?.layout === "chart") {
    expect(groups.chart.categories).toEqual(means.map(({ name }) => name));
    const { values = [] } = groups.chart.series[0] ?? {};
    for (const [at, value] of values.entries()) {
      const mean = means[at]?.means[0] ?? null;
      if (mean === null) expect(value).toBe(null);
      else expect(value).toBeCloseTo(mean, 9);
    }
  } else
    expect(groups).toMatchObject({
      layout: "table",
      rows: means
        .slice(0, 12)
        .map((group) => [
          group.name,
          String(group.rows),
          ...group.means.slice(0, 4).map((mean) => (mean === null ? "–" : rounded(mean))),
        ]),
    });
  const points = found?.layout === "content" ? found.body.map(String) : [];
  const [first = ""] = table.numeric;
  expect(found?.title).toContain(rounded(figures(table, first).min));
  expect(found?.title).toContain(rounded(figures(table, first).max));
  for (const name of table.numeric.slice(0, 3)) {
    const { min, max } = figures(table, name);
    const point = points.find((each) => each.startsWith(`${name}: highest ${rounded(max)} (`));
    expect(point).toContain(`, lowest ${rounded(min)} (`);
  }
  expect(made).toMatchObject({ layout: "columns", left: { heading: "State of the data" } });
  for (const path of ["analysis.xlsx", "report.md", "clean-data.csv", "grouped-figures.csv"])
    expect(JSON.stringify(made)).toContain(path);
  expect(job.files.get("report.md")).toContain("- deck.pptx: ");
});

test("the same project gives the same job, byte for byte", async () => {
  const files = { "shops.tsv": TABLES[4]?.bytes ?? "" };
  expect(await jobOn(files)).toEqual(await jobOn(files));
});

describe("odd tables", () => {
  test("no numeric column: rows are counted", async () => {
    const job = await jobOn({ "t.csv": "name,colour\na,red\nb,blue\nc,red\nd,red\n" });
    const [summary, groups] = (job.workbooks[0]?.sheets ?? []) as Sheet[];
    expect(summary?.rows).toEqual([["The table has no numeric column."]]);
    expect(groups?.charts?.[0]?.series[0]?.values).toBe("'By category'!$B$2:$B$3");
    expect(job.files.get("grouped-figures.csv")).toBe("colour,Rows\nblue,1\nred,3\n");
  });

  test("a table of numbers only is one group", async () => {
    const job = await jobOn({ "t.csv": "a,a,\n1,2,3\n3,,4\n" });
    expect(job.files.get("grouped-figures.csv")).toBe(
      "Group,Rows,Mean of a,Mean of a (2),Mean of Column 3\nall rows,2,2,2,3.5\n",
    );
  });

  test("quality: what is wrong is found and counted", async () => {
    const rows = [
      "day,kind,x",
      "2024-01-01,Red,1",
      "2024-01-02,red,1",
      "2024-01-03,red ,2",
      "2024-01-06,blue,",
      "2024-01-06,blue,",
    ];
    const more = Array.from(
      { length: 20 },
      (_, index) => `2024-01-${String(index + 7).padStart(2, "0")},blue,${index % 3}`,
    );
    const job = await jobOn({ "t.csv": [...rows, ...more, "2024-01-27,blue,900"].join("\n") });
    const lines = (job.files.get("quality-issues.csv") ?? "").trim().split("\n");
    expect(lines).toEqual([
      "check,column,count,examples",
      "spelled in several ways,kind,1,Red / red",
      "missing value,x,2,row 4 row 5",
      "far from the other values,x,1,row 26",
      "repeats an earlier row,(whole row),1,row 5",
      "day without a row,day,2,after 2024-01-03",
      "not a number,(every column),0,",
      "not a date,(every column),0,",
      "the same in every row,(every column),0,",
      "another number of cells than headers,(every column),0,",
    ]);
  });

  test("a table without rows fails with words", async () => {
    await expect(jobOn({ "t.csv": "a,b\n" })).rejects.toThrow("t.csv has no rows below its header");
  });
});

describe("the planner", () => {
  const files =
    "\n# Project files\nold.csv (10 bytes)\nclean-data.csv (999999 bytes)\na*.csv (9999 bytes)\nlarge.csv (500 bytes)\nREADME.md (9 bytes)\n";
  const plan = (goal: string, listed = files, happened?: string) => planOf(rehearsal.client, goal, listed, happened);
  const ids = (result: Awaited<ReturnType<typeof plan>>): string[] =>
    typeof result === "string" ? [result] : result.tasks.map((task) => task.taskId);

  test("takes the largest table that it did not make itself, or the one the goal names", async () => {
    for (const [goal, table] of [
      [SAMPLE_GOAL, "large.csv"],
      ["Please analyze old.csv and write a report", "old.csv"],
    ] as const) {
      const result = await plan(goal);
      expect(typeof result === "string" ? result : result.tasks[0]?.needs).toEqual([`read:${table}`, "run:node"]);
    }
  });

  test("says what is missing, or that it cannot", async () => {
    expect(await plan(SAMPLE_GOAL, "\n# Project files\na.txt (1 bytes)\n")).toContain("no .csv or .tsv file");
    expect(await plan("Build me a web shop")).toContain("Add a model, or try the sample goal");
  });

  test("a goal that only wants a part gets a plan for that part", async () => {
    expect(ids(await plan("Analyse this data and give me a report"))).not.toContain("workbook");
    expect(ids(await plan("Analyse this data into an Excel workbook"))).not.toContain("report");
    expect(ids(await plan("Analyse this data and give me a workbook and a report"))).not.toContain("deck");
    const slides = ids(await plan("Explore this data and make slides of it"));
    expect(slides).toContain("deck");
    expect(slides.filter((id) => id === "workbook" || id === "report")).toEqual([]);
  });

  test("a no with a reason it understands changes the plan; another one ends with words", async () => {
    const said = (reason: string) => plan(SAMPLE_GOAL, files, `The person said no to the plan: ${reason}`);
    expect(ids(await said("no workbook, please"))).not.toContain("workbook");
    expect(ids(await said("only the workbook"))).not.toContain("report");
    expect(ids(await said("no deck"))).toEqual(expect.arrayContaining(["workbook", "report"]));
    expect(ids(await said("no deck"))).not.toContain("deck");
    expect(ids(await said("just the slides and the report, please"))).not.toContain("workbook");
    expect(await said("no report, only the workbook")).toContain("has no other way");
    expect(await said("use blue")).toBe(
      "The person said no to the plan: use blue The rehearsal model has no other way to do this; a real model may find one.",
    );
    expect(await plan(SAMPLE_GOAL, files, "Task profile failed: CHECK_FAILED: x")).toContain("has no other way");
  });
});
