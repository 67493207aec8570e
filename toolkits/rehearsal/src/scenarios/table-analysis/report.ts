// The report. Every figure in it is copied from the result of an earlier task.

import type { Conversation } from "../../conversation.ts";
import { failed, type Turn } from "../../scenario.ts";
import { comparisonSentences, type PageRead, type PictureSeen } from "./beside.ts";
import type { Comparison } from "./compare-script.ts";
import { counted, dataOf, markdownTable, plain, resultText, shown } from "./figures.ts";
import { FILES, lineOf, TASKS, tableTitle } from "./plan.ts";
import {
  extremeSentence,
  groupingOf,
  issueHeadline,
  issueSentence,
  peakSentence,
  type QualityResult,
} from "./questions.ts";
import type { Extremes, Groups, Profile } from "./scripts.ts";
import { wordReport } from "./word-report.ts";

const GROUP_COLUMNS_MAX = 6;
const LINES_MAX = 20;
const ISSUES_MAX = 40;

/** What the project says about its files. */
interface Sources {
  about: string;
  told: string;
}

export interface Known {
  profile: Profile;
  groups: Groups;
  extremes: Extremes;
  quality: QualityResult;
  hasWorkbook: boolean;
  /** A deck is made beside the report. */
  hasDeck: boolean;
  /** A page was read and compared. */
  page: PageRead | undefined;
  comparison: Comparison | undefined;
  picture: PictureSeen | undefined;
  sources: Sources | undefined;
}

export function knownFrom({ results, task }: Conversation): Known | undefined {
  const profile = dataOf<Profile>(results.get(TASKS.profile));
  const groups = dataOf<Groups>(results.get(TASKS.groups));
  const extremes = dataOf<Extremes>(results.get(TASKS.extremes));
  const quality = dataOf<QualityResult>(results.get(TASKS.quality));
  if (!profile || !groups || !extremes || !quality) return undefined;
  return {
    profile,
    groups,
    extremes,
    quality,
    hasWorkbook: results.has(TASKS.workbook),
    hasDeck: (lineOf(task.description, "Beside") ?? "").includes(FILES.deck),
    page: dataOf<PageRead>(results.get(TASKS.page)),
    comparison: dataOf<Comparison>(results.get(TASKS.compare)),
    picture: dataOf<PictureSeen>(results.get(TASKS.picture)),
    sources: dataOf<Sources>(results.get(TASKS.sources)),
  };
}

export function writeReport(conversation: Conversation, table: string): Turn {
  const known = knownFrom(conversation);
  if (known === undefined) return failed("The results of the earlier tasks hold no figures.");
  const files = [FILES.report, ...(isWhole(known) ? [FILES.word] : [])];
  if (conversation.turn === 1) {
    const { runDate } = conversation;
    const word = { tool: "docx.create", arguments: wordReport(known, table, runDate) };
    return {
      say: `Writing ${files.join(" and ")} from the results of the earlier tasks…`,
      calls: [
        { tool: "file.write", arguments: { path: FILES.report, content: reportOf(known, table, runDate) } },
        ...(isWhole(known) ? [word] : []),
      ],
    };
  }
  const words = `Wrote ${files.join(" and ")} with the summary, findings and the state of the data.`;
  return { say: resultText(words, { files }) };
}

/** More than the table was looked at. */
export function isWhole({ page, picture }: Known): boolean {
  return page !== undefined || picture !== undefined;
}

function reportOf(known: Known, table: string, runDate: string): string {
  const { profile, groups, quality } = known;
  const period = profile.dates[0];
  const parts = [
    `# Analysis of ${tableTitle(table)}`,
    `The table has ${counted(profile.rows, "row")} and ${counted(profile.columnCount, "column")}, separated by ${separatorOf(profile)}.` +
      (period === undefined ? "" : ` ${plain(period.name)} goes from ${plain(period.first)} to ${plain(period.last)}.`),
    "## Summary of the numeric columns",
    summaryOf(profile),
    `## ${groupingOf(groups)}`,
    groupsOf(groups),
    ...(known.comparison ? ["## Compared with the reference page", comparedOf(known.comparison, known.page)] : []),
    ...(known.picture ? ["## The picture", pictureOf(known.picture)] : []),
    "## Findings",
    findingsOf(known),
    "## State of the data",
    stateOf(quality),
    ...(known.sources && known.sources.told !== "" ? ["## Sources", plain(known.sources.told)] : []),
    "## Files",
    filesOf(known),
    `Made on ${runDate} by the rehearsal model. All figures were computed from the table; nothing was estimated.`,
  ];
  return `${parts.join("\n\n")}\n`;
}

export function separatorOf({ delimiter }: Profile): string {
  return { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" }[delimiter] ?? "commas";
}

function summaryOf({ numbers, numberCount }: Profile): string {
  if (numbers.length === 0) return "The table has no numeric column.";
  const rows = numbers.map(({ name, count, missing, min, mean, max }) => [
    plain(name),
    String(count),
    String(missing),
    shown(min),
    shown(mean),
    shown(max),
  ]);
  const more = numberCount - numbers.length;
  const rest = more > 0 ? `\n\n${counted(more, "more numeric column")} not shown.` : "";
  return markdownTable(["Column", "Count", "Missing", "Min", "Mean", "Max"], rows) + rest;
}

function groupsOf({ groups, numbers, count, file, by, column }: Groups): string {
  const names = numbers.slice(0, GROUP_COLUMNS_MAX);
  const title = by === "month" ? "Month" : plain(column) || "Group";
  const rows = groups.map((group) => [
    plain(group.name),
    String(group.rows),
    ...names.map((_, place) => shown(group.means[place] ?? null)),
  ]);
  const left = [
    count > groups.length ? counted(count - groups.length, "more group") : "",
    numbers.length > names.length ? counted(numbers.length - names.length, "more numeric column") : "",
  ].filter(Boolean);
  const rest = left.length > 0 ? `\n\n${left.join(" and ")} in ${file}.` : "";
  return markdownTable([title, "Rows", ...names.map((name) => `Mean of ${plain(name)}`)], rows) + rest;
}

function comparedOf(comparison: Comparison, page: PageRead | undefined): string {
  const about = page === undefined ? "the page" : `"${plain(page.title)}" (${page.page}), read in the browser`;
  const names = comparison.columns.slice(0, GROUP_COLUMNS_MAX);
  const header = [
    comparison.by === "month" ? "Month" : "Group",
    ...names.flatMap((name) => [plain(name), `Reference ${plain(name)}`, `Difference ${plain(name)}`]),
  ];
  const rows = comparison.rows.map(({ name, cells }) => [
    plain(name),
    ...cells
      .slice(0, names.length)
      .flatMap(({ value, reference, difference }) => [shown(value), shown(reference), shown(difference)]),
  ]);
  const table = rows.length === 0 || names.length === 0 ? [] : [markdownTable(header, rows)];
  return [`The reference is ${about}.`, comparisonSentences(comparison).join("\n"), ...table].join("\n\n");
}

function pictureOf({ path, width, height, words, rehearsal }: PictureSeen): string {
  const label = rehearsal ? "**Rehearsal:** nobody has looked at this picture. " : "";
  const alt = plain(`${path}, ${width} x ${height} pixels. ${words}`);
  return `${label}What was said about ${plain(path)}: ${plain(words)}\n\n![${alt}](${encodeURI(path)})`;
}

function findingsOf({ extremes, groups, profile }: Known): string {
  const top = profile.texts.find((column) => column.most !== null && column.times > 1);
  const lines = [
    ...groups.peaks.slice(0, LINES_MAX).map(peakSentence),
    ...extremes.extremes.slice(0, 2 * LINES_MAX).map(extremeSentence),
    ...(top === undefined
      ? []
      : [
          `- most frequent ${plain(top.name)}: ${plain(top.most ?? "")}, ${top.times} of ${counted(top.count, "value")}`,
        ]),
  ];
  return lines.length === 0 ? "There is nothing to compare in this table." : lines.join("\n");
}

function stateOf({ issues, file, refusedBecause }: QualityResult): string {
  const lines = issues.slice(0, ISSUES_MAX).map(issueSentence);
  const list = [issueHeadline(issues), ...(lines.length > 0 ? ["", ...lines] : [])].join("\n");
  if (file !== null) return `${list}\n\nThe list of all checks is in ${file}.`;
  return `${list}\n\nA separate file ${FILES.issues} was not made. The answer to that was: "${plain(refusedBecause ?? "")}"`;
}

function filesOf(known: Known): string {
  const { hasWorkbook, hasDeck, quality, groups, comparison, page } = known;
  const files = [
    ...(isWhole(known) ? [`- ${FILES.word}: this report as a Word document`] : []),
    ...(hasWorkbook ? [`- ${FILES.workbook}: summary with formulas, grouped figures with charts, cleaned data`] : []),
    ...(hasDeck ? [`- ${FILES.deck}: the same on five slides`] : []),
    `- ${FILES.clean}: the table with one notation for numbers, dates and missing values`,
    `- ${groups.file}: the means of all groups`,
    ...(comparison ? [`- ${comparison.file}: the table beside the reference page`] : []),
    ...(page ? [`- ${page.picture}: the reference page as it was read`] : []),
    ...(quality.file === null ? [] : [`- ${quality.file}: every check and what it found`]),
  ];
  return files.join("\n");
}
