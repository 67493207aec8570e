// What the playbook "Report from a table" reads out of generated tables; the expected figures are computed here, from what the
// tables were made of.

import { expect, it } from "vitest";
import type { Cell, Tools } from "../playbook.ts";
import { drawn, type Findings, keyFacts } from "../report-from-a-table/findings.ts";
import playbook from "../report-from-a-table/playbook.ts";
import { workbook } from "../report-from-a-table/workbook.ts";

interface Sheet {
  name: string;
  charts?: { series: { values: string }[] }[];
}

type Numbers = "auto" | "point" | "comma";

/** The first task over the given cells, as `table.read` would give them; `text` is the cleaned table. */
async function cleaned(
  rows: Cell[][],
  numbers: Numbers = "auto",
  separator = ",",
): Promise<Findings & { text: string }> {
  let text = "";
  const keep = async ({ path, content }: { path: string; content: string }) => {
    text += content;
    return { path, size: text.length };
  };
  const width = Math.max(...rows.map((row) => row.length));
  const page = { format: "csv" as const, separator, rows, rowsTotal: rows.length, width };
  const tools = { table: { read: async () => page }, file: { write: keep, append: keep } } as unknown as Tools;
  const inputs = { table: "table.csv", title: undefined, sheet: undefined, numbers };
  const job = { inputs, files: [], runDate: "2024-06-01", task: "clean", results: {}, tools };
  return { ...((await playbook.tasks.clean(job)) as Findings), text };
}

const figure = (findings: Findings, name: string) => findings.figures.find((one) => one.name === name);
const issuesOf = (findings: Findings, column: string) =>
  findings.issues.filter((one) => one.column === column).map((one) => one.issue);
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

it("does not read decimals below one as thousands", async () => {
  const parts = Array.from({ length: 40 }, (_, at) => (100 + at * 7) / 1_000);
  const rows = [["Part", "Size"], ...parts.map((part, at) => [`p${at}`, part.toFixed(3)])];
  // Semicolons speak for commas, the values do not.
  const sizes = figure(await cleaned(rows, "auto", ";"), "Size");
  expect(sizes).toMatchObject({ kind: "number", mark: "point", max: Math.max(...parts) });
  expect(sizes?.sum).toBeCloseTo(total(parts), 9);
  expect(figure(await cleaned(rows, "comma", ";"), "Size")?.kind).toBe("text");
});

it("says which columns could be read two ways, also when another column told the way", async () => {
  const rows: Cell[][] = [["Price", "Weight", "Cost"]];
  for (let at = 0; at < 30; at += 1) rows.push([`${at},5`, `${1 + at}.250`, `${1 + at}.250 €`]);
  const findings = await cleaned(rows, "auto", ";");
  const said = "could be read two ways; the decimal mark was taken to be a comma";
  expect(issuesOf(findings, "Price")).toEqual([]);
  expect(issuesOf(findings, "Weight")).toEqual([said]);
  expect(issuesOf(findings, "Cost")).toEqual([said]);
  expect(issuesOf(await cleaned(rows, "comma", ";"), "Weight")).toEqual([]);
});

it("keeps a header of years that leave some out or fall", async () => {
  for (const years of [
    [2010, 2015, 2020],
    [2024, 2023, 2022],
    [2023, 2024],
  ]) {
    const rows: Cell[][] = [["Region", ...years.map(String)]];
    for (let at = 0; at < 12; at += 1) rows.push([`r${at}`, ...years.map((year) => String((year % 7) + at * 11))]);
    const findings = await cleaned(rows);
    expect(findings.figures.map((one) => one.name)).toEqual(["Region", ...years.map(String)]);
    expect(findings.rows).toBe(12);
    for (const year of years)
      expect(figure(findings, String(year))?.sum).toBe(total(rows.slice(1).map((_, at) => (year % 7) + at * 11)));
  }
  // Years below years are values, and so are years that go up and down.
  const lives = [1, 2, 3, 4].map((at) => [`n${at}`, String(1900 + at * 9), String(1960 + at * 7)]);
  expect((await cleaned(lives)).rows).toBe(4);
  expect((await cleaned([["a", "2020", "2010", "2015"], ...[1, 2].map((at) => ["b", `${at}`, "4", "5"])])).rows).toBe(
    3,
  );
});

it("reads days written as eight digits, with a header and without, as texts and as numbers", async () => {
  const days = Array.from({ length: 60 }, (_, at) => new Date(Date.UTC(2024, 0, 5 + at)).toISOString().slice(0, 10));
  const joined = days.map((day) => day.replaceAll("-", ""));
  const rows = joined.map((day, at) => [day, String(at * 3 + 0.5)]);
  for (const table of [
    [["When", "Sold"], ...rows],
    rows,
    [["When", "Sold"], ...rows.map(([day, sold]) => [Number(day), Number(sold)])],
  ]) {
    const findings = await cleaned(table);
    expect(findings.rows).toBe(60);
    expect(findings.figures[0]).toMatchObject({ kind: "date", first: days[0], last: days.at(-1), values: 60 });
    expect(findings.groups).toMatchObject({ by: "period", what: "month" });
    expect(findings.text).toContain(`\n${days[7]},21.5\n`);
  }
  const amounts = await cleaned([["Sold"], ...joined.map((day) => [day]), ["20241399"]]);
  expect(figure(amounts, "Sold")?.kind).toBe("number");
});

it("takes two dashes and a point for nothing", async () => {
  const values = Array.from({ length: 12 }, (_, at) => (at % 4 === 1 ? "--" : at % 4 === 3 ? "." : String(at)));
  const findings = await cleaned([["Name", "Size"], ...values.map((value, at) => [`n${at}`, value])]);
  expect(figure(findings, "Size")).toMatchObject({ kind: "number", values: 6, missing: 6, sum: 30, unread: 0 });
});

it("counts distinct numbers by their value", async () => {
  const rows = [["Name", "Size"]];
  for (const [at, size] of ["1", "1.0", "1.00", "2", "+2", "-0", "0", "1,000", "1000"].entries())
    rows.push([`n${at}`, size]);
  expect(figure(await cleaned(rows), "Size")).toMatchObject({ kind: "number", values: 9, distinct: 4 });
});

it("draws the averages whatever the compared column is called, and quotes what could separate cells", async () => {
  for (const name of ["Average", "Rows", "Region"]) {
    const rows: Cell[][] = [[name, "Amount"]];
    for (let at = 0; at < 30; at += 1) rows.push([["x;y", "z\tw", "u|v"][at % 3] ?? "", String(at + 0.5)]);
    const findings = await cleaned(rows, "auto", "|");
    expect(findings.groups).toMatchObject({ by: "category", what: name });
    const { sheets } = workbook(findings, "cleaned.csv", "Title") as { sheets: Sheet[] };
    const chart = sheets.find((one) => one.name === "Comparison")?.charts?.[0];
    expect(chart?.series[0]?.values, name).toBe("Comparison!$C$2:$C$4");
    expect(findings.text.split("\n").slice(1, 4)).toEqual(['"x;y",0.5', "z w,1.5", '"u|v",2.5']);
  }
});

it("shows periods without rows as gaps", async () => {
  const months = [0, 1, 2, 5, 6, 14];
  const rows: Cell[][] = [["When", "Amount"]];
  for (const month of months)
    for (const day of [3, 9, 20, 21, 22, 27])
      rows.push([new Date(Date.UTC(2022, month, day)).toISOString().slice(0, 10), String(month * 10 + day + 0.5)]);
  const findings = await cleaned(rows);
  const expected = Array.from({ length: 15 }, (_, month) => (months.includes(month) ? month * 10 + 17.5 : null));
  expect(findings.groups.groups.map((one) => one.mean)).toEqual(expected);
  expect(findings.groups.groups.map((one) => one.label).slice(10)).toEqual([
    "2022-11",
    "2022-12",
    "2023-01",
    "2023-02",
    "2023-03",
  ]);
  expect(drawn(findings)).toEqual(expected);
  expect(keyFacts(findings).join(" ")).toContain("highest for 2023-03 (157.5) and lowest for 2022-01 (17.5)");
  // Few days, far apart, are months: between them are too many days.
  const apart = [0, 2, 3, 4].map((at) => [`2024-0${at + 1}-15`, String(at + 0.5)]);
  expect((await cleaned([["When", "Amount"], ...apart])).groups).toMatchObject({
    what: "month",
    groups: { length: 5 },
  });
});

it("says so when percent signs and plain numbers, or several currencies, stand in one column", async () => {
  const rows: Cell[][] = [["Share", "Price", "Rate", "Cost"]];
  for (let at = 0; at < 24; at += 1)
    rows.push([at % 3 === 0 ? `${at}%` : `${at}`, at % 2 === 0 ? `$${at}` : `${at} EUR`, `${at} %`, `€${at}`]);
  const findings = await cleaned(rows);
  const percents = "percent signs beside numbers without one; 5% was read as 0.05";
  const expected = total(Array.from({ length: 24 }, (_, at) => (at % 3 === 0 ? at / 100 : at)));
  expect(figure(findings, "Share")?.sum).toBeCloseTo(expected, 9);
  expect(figure(findings, "Share")?.share).toBeUndefined();
  expect(figure(findings, "Rate")?.share).toBe(true);
  expect(findings.issues.filter((one) => one.column !== "")).toEqual([
    { column: "Share", issue: percents, rows: 8, shown: "" },
    { column: "Price", issue: "more than one currency, added up as if they were one", rows: 24, shown: "EUR, USD" },
  ]);
});

it("leaves a closing row of totals out, whatever it is called, and only when it is one", async () => {
  const sold = Array.from({ length: 25 }, (_, at) => at * 3 + 0.25);
  const pieces = sold.map((_, at) => 100 + at * 40);
  const rows: Cell[][] = [["Shop", "Sold", "Pieces", "Note"]];
  for (const [at, value] of sold.entries()) rows.push([`s${at % 5}`, value.toFixed(2), String(pieces[at]), "fine"]);
  const closing = (label: string, ...rest: Cell[]) => cleaned([...rows, [label, ...rest]]);
  const sum = total(sold).toFixed(2);
  const grouped = total(pieces).toLocaleString("en-US");
  const mean = (total(pieces) / 25).toFixed(1);
  for (const findings of [
    await closing("Total", sum, grouped, ""),
    await closing("GRAND TOTAL:", sum, "", "all shops"),
    await closing("Summe", Math.round(total(sold)).toString(), grouped, "-"),
    await closing("gesamt", total(sold), total(pieces), null),
    await closing("Sum", sum, mean, ""),
  ]) {
    expect(findings.rows).toBe(25);
    expect(figure(findings, "Sold")?.sum).toBeCloseTo(total(sold), 9);
    expect(figure(findings, "Sold")?.max).toBe(Math.max(...sold));
    expect(figure(findings, "Pieces")?.sum).toBe(total(pieces));
    expect(figure(findings, "Pieces")?.missing).toBe(0);
    expect(issuesOf(findings, "")).toContain("a closing row of totals, left out");
    expect(findings.text.split("\n").length).toBe(27);
  }
  const kept = await closing("Total", sum, "7", "");
  expect(kept.rows).toBe(26);
  expect(issuesOf(kept, "")).toContain("the last row is called a total but its numbers are not the sums; it was kept");
  const other = await closing("Totally", sum, grouped, "");
  expect(other.rows).toBe(26);
  expect(issuesOf(other, "").join()).not.toContain("total");
});
