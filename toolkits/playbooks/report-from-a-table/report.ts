// The report: what was found, the chart, the figures, and what to know about the table.

import type { Figures } from "./columns.ts";
import { chartTitle, drawing, type Findings, keyFacts, short, valueShown } from "./findings.ts";
import { shown } from "./values.ts";

const GROUPS_MAX = 60;
const ISSUES_MAX = 200;

type Block = Record<string, unknown>;

export function report(findings: Findings, title: string, runDate: string): Record<string, unknown> {
  return {
    path: "report.docx",
    title: short(title, 180),
    subtitle: short(`From ${findings.path}`, 180),
    date: runDate,
    blocks: [
      { type: "heading", level: 1, text: "In short" },
      { type: "list", items: keyFacts(findings) },
      { type: "heading", level: 1, text: "The comparison" },
      { type: "chart", ...drawing(findings), caption: short(chartTitle(findings), 180) },
      ...comparison(findings),
      { type: "heading", level: 1, text: "The columns" },
      ...numbers(findings),
      ...others(findings),
      { type: "heading", level: 1, text: "Quality of the table" },
      ...quality(findings),
      { type: "heading", level: 1, text: "How it was made" },
      { type: "paragraph", text: method(findings) },
    ],
  };
}

const right = (header: string): Block => ({ header, align: "right" });

function comparison(findings: Findings): Block[] {
  const { groups } = findings;
  const head = { header: short(groups.what, 60) || "Group", align: "left", width: 3 };
  const shownGroups = groups.groups.slice(0, GROUPS_MAX);
  const rows =
    groups.by === "value"
      ? shownGroups.map((group) => [short(group.label, 100), shown(group.count)])
      : shownGroups.map((group) => [
          short(group.label, 100),
          shown(group.count),
          valueShown(group.mean),
          shown(group.sum),
        ]);
  const columns = groups.by === "value" ? [head, right("Rows")] : [head, right("Rows"), right("Average"), right("Sum")];
  const left = groups.left + Math.max(0, groups.groups.length - GROUPS_MAX);
  return [
    { type: "table", columns, rows },
    ...(left > 0 ? [{ type: "paragraph", text: `${shown(left)} further groups are not shown.` }] : []),
  ];
}

function numbers(findings: Findings): Block[] {
  const found = findings.figures.filter((one) => one.kind === "number");
  if (found.length === 0) return [{ type: "paragraph", text: "No column holds numbers." }];
  const columns = [
    { header: "Numbers", align: "left", width: 3 },
    ...["Values", "Missing", "Minimum", "Average", "Median", "Maximum", "Sum"].map(right),
  ];
  const rows = found.map((one) => [
    short(one.name, 60),
    shown(one.values),
    shown(one.missing),
    ...[one.min, one.mean, one.median, one.max, one.sum].map((value) => shown(value ?? Number.NaN)),
  ]);
  return [{ type: "table", columns, rows }];
}

function others(findings: Findings): Block[] {
  const found = findings.figures.filter((one) => one.kind !== "number");
  const blocks: Block[] = [];
  if (found.length > 0) {
    const columns = [
      { header: "Others", align: "left", width: 2 },
      { header: "Kind", align: "left" },
      right("Values"),
      right("Missing"),
      right("Distinct"),
      { header: "What it holds", align: "left", width: 4 },
    ];
    const rows = found.map((one) => [
      short(one.name, 60),
      one.kind,
      shown(one.values),
      shown(one.missing),
      shown(one.distinct),
      holds(one),
    ]);
    blocks.push({ type: "table", columns, rows });
  }
  if (findings.columnsLeft > 0)
    blocks.push({ type: "paragraph", text: `${shown(findings.columnsLeft)} further columns are not shown.` });
  return blocks;
}

export function holds(one: Figures): string {
  if (one.kind === "date") return `${one.first ?? ""} to ${one.last ?? ""}`;
  const top = (one.top ?? []).slice(0, 3).map(({ value, count }) => `${short(value, 30)} (${shown(count)})`);
  return top.length === 0 ? "nothing" : top.join(", ");
}

function quality(findings: Findings): Block[] {
  if (findings.issues.length === 0)
    return [{ type: "paragraph", text: "Nothing was found: no value is missing, none was left out." }];
  const columns = [
    { header: "Column", align: "left", width: 2 },
    { header: "What", align: "left", width: 4 },
    right("Rows"),
    { header: "Shown", align: "left", width: 3 },
  ];
  const rows = findings.issues
    .slice(0, ISSUES_MAX)
    .map((issue) => [
      short(issue.column, 60) || "(whole table)",
      issue.issue,
      shown(issue.rows),
      short(issue.shown, 120),
    ]);
  return [{ type: "table", columns, rows }];
}

export function method(findings: Findings): string {
  const where = findings.sheet === undefined ? findings.path : `${findings.path}, sheet ${findings.sheet}`;
  return (
    `Every figure was computed by a program from ${short(where, 120)}, without a model. Empty cells and words for nothing count as missing. ` +
    "Averages, medians and sums leave missing values out. The cleaned table, and the formulas behind these figures, are in analysis.xlsx."
  );
}
