// The report. Every figure in it is copied from the result of an earlier task.

import type { Conversation } from "../../conversation.ts";
import { failed, type Turn } from "../../scenario.ts";
import { counted, dataOf, markdownTable, plain, resultText, shown } from "./figures.ts";
import { FILES, TASKS, tableTitle } from "./plan.ts";
import {
  extremeSentence,
  groupingOf,
  issueHeadline,
  issueSentence,
  peakSentence,
  type QualityResult,
} from "./questions.ts";
import type { Extremes, Groups, Profile } from "./scripts.ts";

const GROUP_COLUMNS_MAX = 6;
const LINES_MAX = 20;
const ISSUES_MAX = 40;

interface Known {
  profile: Profile;
  groups: Groups;
  extremes: Extremes;
  quality: QualityResult;
  hasWorkbook: boolean;
}

export function knownFrom({ results }: Conversation): Known | undefined {
  const profile = dataOf<Profile>(results.get(TASKS.profile));
  const groups = dataOf<Groups>(results.get(TASKS.groups));
  const extremes = dataOf<Extremes>(results.get(TASKS.extremes));
  const quality = dataOf<QualityResult>(results.get(TASKS.quality));
  if (!profile || !groups || !extremes || !quality) return undefined;
  return { profile, groups, extremes, quality, hasWorkbook: results.has(TASKS.workbook) };
}

export function writeReport(conversation: Conversation, table: string): Turn {
  const known = knownFrom(conversation);
  if (known === undefined) return failed("The results of the earlier tasks hold no figures.");
  if (conversation.turn === 1) {
    return {
      say: `Writing ${FILES.report} from the results of the earlier tasks…`,
      calls: [
        {
          tool: "file.write",
          arguments: { path: FILES.report, content: reportOf(known, table, conversation.runDate) },
        },
      ],
    };
  }
  return {
    say: resultText(`Wrote ${FILES.report} with the summary, findings and the state of the data.`, {
      file: FILES.report,
    }),
  };
}

function reportOf(known: Known, table: string, runDate: string): string {
  const { profile, groups, quality } = known;
  const { delimiter } = profile;
  const separator = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" }[delimiter] ?? "commas";
  const period = profile.dates[0];
  const parts = [
    `# Analysis of ${tableTitle(table)}`,
    `The table has ${counted(profile.rows, "row")} and ${counted(profile.columnCount, "column")}, separated by ${separator}.` +
      (period === undefined ? "" : ` ${plain(period.name)} goes from ${plain(period.first)} to ${plain(period.last)}.`),
    "## Summary of the numeric columns",
    summaryOf(profile),
    `## ${groupingOf(groups)}`,
    groupsOf(groups),
    "## Findings",
    findingsOf(known),
    "## State of the data",
    stateOf(quality),
    "## Files",
    filesOf(known),
    `Made on ${runDate} by the rehearsal model. All figures were computed from the table; nothing was estimated.`,
  ];
  return `${parts.join("\n\n")}\n`;
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

function filesOf({ hasWorkbook, quality, groups }: Known): string {
  const files = [
    ...(hasWorkbook ? [`- ${FILES.workbook}: summary with formulas, grouped figures with charts, cleaned data`] : []),
    `- ${FILES.clean}: the table with one notation for numbers, dates and missing values`,
    `- ${groups.file}: the means of all groups`,
    ...(quality.file === null ? [] : [`- ${quality.file}: every check and what it found`]),
  ];
  return files.join("\n");
}
