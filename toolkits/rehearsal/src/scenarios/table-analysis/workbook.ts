// The workbook: formulas over the cleaned data with the values the profile found, grouped figures with charts, the data.

import type { Conversation } from "../../conversation.ts";
import { failed, type Turn } from "../../scenario.ts";
import type { Comparison } from "./compare-script.ts";
import { columnLetters, counted, dataOf, resultText } from "./figures.ts";
import { FILES, TASKS } from "./plan.ts";
import type { Clean, Groups, Profile } from "./scripts.ts";

/** Charts, one a numeric column: columns of different size share no axis. */
const CHARTS_MAX = 4;
/** Rows a chart covers, and some air. */
const CHART_ROWS = 19;
const DATA = "Data";
const COMPARISON = "Comparison";
/** Two to four digits after the point: a mean has as many as a division gives. */
const MEAN = "0.00##";

export function createWorkbook(conversation: Conversation, table: string): Turn {
  const { results, turn } = conversation;
  const profile = dataOf<Profile>(results.get(TASKS.profile));
  const clean = dataOf<Clean>(results.get(TASKS.clean));
  const groups = dataOf<Groups>(results.get(TASKS.groups));
  const comparison = dataOf<Comparison>(results.get(TASKS.compare));
  if (profile === undefined || clean === undefined || groups === undefined) {
    return failed("The results of the earlier tasks hold no figures.");
  }
  if (turn > 1) {
    const charts = Math.min(CHARTS_MAX, Math.max(1, groups.numbers.length));
    const words =
      `Wrote ${FILES.workbook}: a summary of ${counted(profile.numbers.length, "numeric column")} with formulas, ` +
      `${counted(groups.count, "group")} with ${counted(charts, "chart")}, ${counted(clean.rows, "row")} of cleaned data.`;
    return { say: resultText(words, { file: FILES.workbook }) };
  }
  return {
    say: `Building ${FILES.workbook}: summary with formulas, grouped figures with charts, cleaned data…`,
    calls: [
      {
        tool: "excel.create",
        arguments: {
          path: FILES.workbook,
          title: `Analysis of ${table}`.slice(0, 255),
          sheets: [
            summarySheet(profile),
            groupSheet(groups),
            ...(comparison === undefined ? [] : [comparisonSheet(comparison)]),
            { name: DATA, csv: clean.file },
          ],
        },
      },
    ],
  };
}

function summarySheet({ numbers, numberCount, rows }: Profile): object {
  const lines = numbers.map(({ name, place, count, missing, min, mean, max }) => {
    const letters = columnLetters(place);
    const range = `${DATA}!$${letters}$2:$${letters}$${rows + 1}`;
    const cell = (formula: string, value: number | null): object => ({ formula: `=${formula}`, value });
    return [
      name,
      cell(`COUNT(${range})`, count),
      cell(`ROWS(${range})-COUNT(${range})`, missing),
      cell(`MIN(${range})`, min),
      cell(`AVERAGE(${range})`, mean),
      cell(`MAX(${range})`, max),
    ];
  });
  const more = numberCount - numbers.length;
  if (numbers.length === 0) lines.push(["The table has no numeric column."]);
  if (more > 0) lines.push([`${counted(more, "more numeric column")} in the sheet ${DATA}`]);
  const columns = ["Column", "Count", "Missing", "Min", "Mean", "Max"].map((header) =>
    header === "Mean" ? { header, format: MEAN } : { header },
  );
  return { name: "Summary", columns, rows: lines };
}

function groupSheet({ by, file, count, numbers, column }: Groups): object {
  const name = by === "month" ? "By month" : by === "category" ? "By category" : "All rows";
  const range = (place: number): string => {
    const letters = columnLetters(place);
    return `'${name}'!$${letters}$2:$${letters}$${count + 1}`;
  };
  const anchorColumn = columnLetters(numbers.length + 3);
  const title = by === "month" ? "month" : by === "category" ? column : "all rows";
  const chart = (what: string, place: number, index: number): object => {
    const heading = plainTitle(`${what} by ${title}`);
    return {
      type: by === "month" && count > 1 ? "line" : "column",
      title: heading,
      categories: range(0),
      series: [{ name: plainTitle(what), values: range(place) }],
      anchor: `${anchorColumn}${2 + index * CHART_ROWS}`,
      xTitle: plainTitle(by === "month" ? "Month" : title),
      yTitle: plainTitle(what),
      altText: `Chart of ${counted(count, "group")}: ${heading}`,
    };
  };
  const charts =
    numbers.length === 0
      ? [chart("Rows", 1, 0)]
      : numbers.slice(0, CHARTS_MAX).map((number, index) => chart(`Mean of ${number}`, index + 2, index));
  const columns = [
    { header: by === "month" ? "Month" : column || "Group" },
    { header: "Rows" },
    ...numbers.map((number) => ({ header: `Mean of ${number}`, format: MEAN })),
  ];
  return { name, csv: file, columns, charts };
}

/** The first column that both have, as a chart beside the figures. */
function comparisonSheet({ file, columns, matched, by }: Comparison): object {
  const [first] = columns;
  const figures = columns.flatMap((name) => [name, `Reference ${name}`, `Difference ${name}`]);
  const formats = [
    { header: by === "month" ? "Month" : "Group" },
    ...figures.map((header) => ({ header, format: MEAN })),
  ];
  if (first === undefined || matched === 0) return { name: COMPARISON, csv: file, columns: formats };
  const range = (letters: string): string => `${COMPARISON}!$${letters}$2:$${letters}$${matched + 1}`;
  const chart = {
    type: "column",
    title: plainTitle(`${first} beside the reference`),
    categories: range("A"),
    series: [
      { name: plainTitle(first), values: range("B") },
      { name: "Reference", values: range("C") },
    ],
    anchor: `${columnLetters(columns.length * 3 + 2)}2`,
    xTitle: by === "month" ? "Month" : "Group",
    yTitle: plainTitle(first),
    altText: `Chart of ${counted(matched, "row")}: ${first} beside the reference page`.slice(0, 1000),
  };
  return { name: COMPARISON, csv: file, columns: formats, charts: [chart] };
}

/** What a chart takes as a title. */
function plainTitle(text: string): string {
  return text.replace(/^[=\s]+/, "").slice(0, 200) || "Values";
}
