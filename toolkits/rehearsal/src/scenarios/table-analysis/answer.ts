// The answer at the end of a run.

import type { Conversation } from "../../conversation.ts";
import type { Turn } from "../../scenario.ts";
import { comparisonSentences } from "./beside.ts";
import { counted, plain, shown } from "./figures.ts";
import { FILES } from "./plan.ts";
import { groupingOf, peakSentence } from "./questions.ts";
import { knownFrom } from "./report.ts";

const COLUMNS_TOLD = 4;

const ABOUT: Record<string, string> = {
  [FILES.workbook]: "summary with formulas, grouped figures with charts, cleaned data",
  [FILES.report]: "the findings in words and tables",
  [FILES.clean]: "the cleaned table",
  [FILES.groups]: "the means of all groups",
  [FILES.issues]: "every check of the data and what it found",
  [FILES.deck]: "five slides: the columns, a chart, the findings, how it was done",
  [FILES.word]: "the same as a Word document, with a chart and pictures",
  [FILES.comparison]: "the table beside the reference page",
  [FILES.page]: "the reference page as the browser showed it",
};

export function writeAnswer(conversation: Conversation): Turn {
  const known = knownFrom(conversation);
  if (known === undefined) return { say: "The work ended without figures; see the results of the tasks." };
  const { profile, groups, quality } = known;
  const files = conversation.files.map(({ path }) => `- ${path}${ABOUT[path] === undefined ? "" : `: ${ABOUT[path]}`}`);
  const ranges = profile.numbers
    .slice(0, COLUMNS_TOLD)
    .map(({ name, min, mean, max }) => `- ${plain(name)}: ${shown(min)} to ${shown(max)}, mean ${shown(mean)}`);
  const state =
    quality.issues.length === 0
      ? "The checks of the data found nothing to mend."
      : `The checks of the data found ${counted(quality.issues.length, "kind")} of issue; the report lists them.`;
  const refused =
    quality.refusedBecause === null
      ? ""
      : ` There is no ${FILES.issues}; the answer to that was: "${plain(quality.refusedBecause)}"`;
  const compared = known.comparison ? comparisonSentences(known.comparison).join("\n") : "";
  const picture =
    known.picture === undefined
      ? ""
      : `${plain(known.picture.path)}${known.picture.rehearsal ? " (rehearsal, nobody has looked at it)" : ""}: ${plain(known.picture.words)}`;
  const parts = [
    `I analysed ${plain(profile.path)}: ${counted(profile.rows, "row")}, ${counted(profile.columnCount, "column")}.`,
    ranges.join("\n"),
    [`${groupingOf(groups)}:`, ...groups.peaks.slice(0, COLUMNS_TOLD).map(peakSentence)].join("\n"),
    compared,
    picture,
    state + refused,
    ["Files:", ...files].join("\n"),
  ];
  return { say: parts.filter((part) => part !== "").join("\n\n") };
}
