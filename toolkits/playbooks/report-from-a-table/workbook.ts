// The workbook: a summary and the comparison as formulas over the cleaned data, each with the value it has, and a native chart.

import type { Figures } from "./columns.ts";
import { chartTitle, type Findings, short } from "./findings.ts";
import type { Group } from "./groups.ts";

const DATA = "Data";

type Cell = string | number | null | { formula: string; value: string | number };

/** `0` → `A`, `27` → `AB`. */
export function letters(column: number): string {
  let rest = column;
  let name = "";
  do {
    name = String.fromCharCode(65 + (rest % 26)) + name;
    rest = Math.floor(rest / 26) - 1;
  } while (rest >= 0);
  return name;
}

const range = (column: number, rows: number): string => `${DATA}!$${letters(column)}$2:$${letters(column)}$${rows + 1}`;
const formula = (text: string, value: string | number | null | undefined): Cell => ({
  formula: `=${text}`,
  value: value ?? "",
});

export function workbook(findings: Findings, cleaned: string, title: string): Record<string, unknown> {
  const sheets = [summary(findings), groupSheet(findings), data(findings, cleaned), quality(findings)];
  return { path: "analysis.xlsx", title: short(title, 200), sheets };
}

const SUMMARY = [
  { header: "Column", width: 28 },
  { header: "Kind" },
  { header: "Values", format: "#,##0" },
  { header: "Missing", format: "#,##0" },
  { header: "Distinct", format: "#,##0" },
  { header: "Minimum", format: "#,##0.####" },
  { header: "Maximum", format: "#,##0.####" },
  { header: "Average", format: "#,##0.####" },
  { header: "Median", format: "#,##0.####" },
  { header: "Sum", format: "#,##0.####" },
  { header: "Deviation", format: "#,##0.####" },
  { header: "Earliest", format: "yyyy-mm-dd" },
  { header: "Latest", format: "yyyy-mm-dd" },
];

function summary(findings: Findings): Record<string, unknown> {
  const rows = findings.figures.map((one, at) => figuresRow(one, range(at, findings.rows)));
  return { name: "Summary", columns: SUMMARY, rows };
}

function figuresRow(one: Figures, cells: string): Cell[] {
  const counted = one.kind === "number" || one.kind === "date" ? "COUNT" : "COUNTA";
  const head: Cell[] = [
    one.name,
    one.kind,
    formula(`${counted}(${cells})`, one.values),
    formula(`COUNTBLANK(${cells})`, one.missing),
    one.distinct,
  ];
  const nothing: Cell[] = [null, null, null, null, null, null];
  if (one.kind === "number") {
    return [
      ...head,
      formula(`MIN(${cells})`, one.min),
      formula(`MAX(${cells})`, one.max),
      formula(`AVERAGE(${cells})`, one.mean),
      formula(`MEDIAN(${cells})`, one.median),
      formula(`SUM(${cells})`, one.sum),
      one.deviation === undefined ? null : formula(`STDEV(${cells})`, one.deviation),
      null,
      null,
    ];
  }
  if (one.kind === "date")
    return [...head, ...nothing, formula(`MIN(${cells})`, one.min), formula(`MAX(${cells})`, one.max)];
  return [...head, ...nothing, null, null];
}

function groupSheet(findings: Findings): Record<string, unknown> {
  const { groups } = findings;
  const isMean = groups.by === "period" || groups.by === "category";
  const named = groups.what === "" ? "Group" : short(groups.what, 60);
  const format = "#,##0.####";
  const columns =
    groups.by === "period"
      ? [
          { header: named },
          { header: "From", format: "yyyy-mm-dd" },
          { header: "Until before", format: "yyyy-mm-dd" },
          { header: "Rows" },
          { header: "Average", format },
          { header: "Sum", format },
        ]
      : groups.by === "value"
        ? [{ header: named, width: 28 }, { header: "Rows" }]
        : [
            { header: named, width: 28 },
            ...(groups.by === "size"
              ? [
                  { header: "From", format },
                  { header: "To", format },
                ]
              : []),
            { header: "Rows" },
            { header: "Average", format },
            { header: "Sum", format },
          ];
  const rows = groups.groups.map((group, at) => groupRow(findings, group, at + 2, at === groups.groups.length - 1));
  // By place: a column of the table may be called `Average` too.
  const drawn = { period: 4, category: 2, size: 3, value: 1 }[groups.by];
  const last = rows.length + 1;
  const at = (column: number): string => `Comparison!$${letters(column)}$2:$${letters(column)}$${last}`;
  const chart = {
    type: groups.by === "period" ? "line" : "column",
    title: short(chartTitle(findings), 200),
    categories: at(0),
    series: [{ name: isMean ? short(findings.measure?.name ?? "Average", 100) : "Rows", values: at(drawn) }],
    anchor: `${letters(columns.length + 1)}2`,
    xTitle: named,
    yTitle: isMean ? "Average" : "Rows",
    altText: short(chartTitle(findings), 500),
  };
  return { name: "Comparison", columns, rows, charts: [chart] };
}

/** A label the workbook would read as something else than a text cannot be looked for by formula. */
const isPlain = (label: string): boolean =>
  !/^\s*[-+.\d]/.test(label) && !/^(?:true|false)$/i.test(label) && label.length <= 255;

function groupRow(findings: Findings, group: Group, row: number, isLast: boolean): Cell[] {
  const { groups, rows } = findings;
  const label = short(group.label, 200);
  const keys = range(groups.key, rows);
  if (groups.by === "value") {
    return [
      label,
      isPlain(label) && label === group.label
        ? formula(`SUMPRODUCT(--EXACT(${keys},$A${row}))`, group.count)
        : group.count,
    ];
  }
  const values = range(groups.measure ?? 0, rows);
  if (groups.by === "category") {
    if (!isPlain(label) || label !== group.label) return [label, group.count, group.mean, group.sum];
    const same = `EXACT(${keys},$A${row})`;
    return [
      label,
      formula(`SUMPRODUCT(${same}*ISNUMBER(${values}))`, group.count),
      formula(`D${row}/B${row}`, group.mean),
      formula(`SUMPRODUCT(${same}*1,${values})`, group.sum),
    ];
  }
  const [low, high] = groups.by === "period" ? [group.from ?? 0, group.until ?? 0] : [group.low ?? 0, group.high ?? 0];
  const below = groups.by === "size" && isLast ? "<=" : "<";
  const over = groups.by === "period" ? keys : values;
  const inside = `(${over}>=$B${row})*(${over}${below}$C${row})*ISNUMBER(${over})`;
  return [
    label,
    low,
    high,
    formula(`SUMPRODUCT(${inside}*ISNUMBER(${values}))`, group.count),
    group.count === 0 ? null : formula(`F${row}/D${row}`, group.mean),
    formula(`SUMPRODUCT(${inside},${values})`, group.sum),
  ];
}

const KINDS: Partial<Record<Figures["kind"], string>> = { number: "number", date: "date", text: "text" };

function data(findings: Findings, cleaned: string): Record<string, unknown> {
  const columns = findings.figures.map((one) => ({
    header: one.name,
    ...(KINDS[one.kind] === undefined ? {} : { type: KINDS[one.kind] }),
    ...(one.share ? { format: "0.0%" } : {}),
  }));
  return { name: DATA, columns, csv: cleaned };
}

function quality(findings: Findings): Record<string, unknown> {
  const columns = [
    { header: "Column", width: 28 },
    { header: "What", width: 50 },
    { header: "Rows", format: "#,##0" },
    { header: "Shown", width: 40 },
  ];
  const rows = findings.issues.map((issue) => [issue.column || "(whole table)", issue.issue, issue.rows, issue.shown]);
  return { name: "Quality", columns, rows: rows.length > 0 ? rows : [["(whole table)", "nothing was found", 0, ""]] };
}
