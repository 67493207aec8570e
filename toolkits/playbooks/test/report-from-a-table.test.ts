// What the playbook "Report from a table" reads out of generated tables; the expected figures are computed here, from what the
// tables were made of.

import { expect, it } from "vitest";
import type { Cell, Tools } from "../playbook.ts";
import type { Findings } from "../report-from-a-table/findings.ts";
import playbook from "../report-from-a-table/playbook.ts";

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
