// The deck: five slides.

import { chartTitle, drawing, type Findings, keyFacts, short } from "./findings.ts";
import { holds, method } from "./report.ts";
import { shown } from "./values.ts";

const CATEGORIES_MAX = 24;

/** `rows`: of its tables; fewer where more would not fit. */
export function deck(findings: Findings, title: string, runDate: string, rows: number): Record<string, unknown> {
  return {
    path: "deck.pptx",
    title: short(title, 80),
    date: runDate,
    slides: [
      { layout: "title", title: short(title, 80), subtitle: short(`From ${findings.path}`, 80) },
      {
        layout: "content",
        title: "In short",
        body: keyFacts(findings).map((fact) => short(fact, 220)),
        notes: method(findings),
      },
      chartSlide(findings),
      figuresSlide(findings, rows),
      qualitySlide(findings, rows),
    ],
  };
}

/** Of many periods the last are shown: the newest are what a talk is about. */
function chartSlide(findings: Findings): Record<string, unknown> {
  const { groups } = findings.groups;
  const kept = findings.groups.by === "period" ? groups.slice(-CATEGORIES_MAX) : groups;
  const shownGroups: Findings = { ...findings, groups: { ...findings.groups, groups: kept } };
  const cut = kept.length < groups.length ? ` (last ${kept.length} of ${groups.length})` : "";
  return {
    layout: "chart",
    title: short(chartTitle(findings), 70),
    chart: { ...drawing(shownGroups), title: short(`${chartTitle(findings)}${cut}`, 120) },
  };
}

function figuresSlide(findings: Findings, most: number): Record<string, unknown> {
  const numbers = findings.figures.filter((one) => one.kind === "number");
  const right = (header: string): Record<string, unknown> => ({ header, align: "right" });
  if (numbers.length === 0) {
    return {
      layout: "table",
      title: "The columns",
      columns: [
        { header: "Column", align: "left", width: 2 },
        right("Values"),
        right("Missing"),
        { header: "What it holds", align: "left", width: 3 },
      ],
      rows: findings.figures
        .slice(0, most)
        .map((one) => [short(one.name, 30), shown(one.values), shown(one.missing), short(holds(one), 60)]),
    };
  }
  const left = numbers.length - Math.min(most, numbers.length);
  return {
    layout: "table",
    title: "The figures",
    columns: [
      { header: "Column", align: "left", width: 2 },
      ...["Values", "Missing", "Minimum", "Average", "Maximum"].map(right),
    ],
    rows: numbers
      .slice(0, most)
      .map((one) => [
        short(one.name, 30),
        shown(one.values),
        shown(one.missing),
        ...[one.min, one.mean, one.max].map((value) => shown(value ?? Number.NaN)),
      ]),
    ...(left > 0 ? { caption: `${left} further columns are in the workbook` } : {}),
  };
}

function qualitySlide(findings: Findings, most: number): Record<string, unknown> {
  const issues = findings.issues.slice(0, Math.min(most, 6));
  const points = issues.map((issue) =>
    short(
      `${issue.column === "" ? "The table" : short(issue.column, 30)}: ${issue.issue} (${shown(issue.rows)} rows)`,
      160,
    ),
  );
  const left = findings.issues.length - issues.length;
  const body = points.length === 0 ? ["Nothing was found: no value is missing, none was left out."] : points;
  return {
    layout: "content",
    title: "What to know about the table",
    body: left > 0 ? [...body, `${left} further points are in the report`] : body,
  };
}
