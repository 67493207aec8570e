// The five tasks that ask the table something, each with a script in the shell.

import { type Conversation, parsed } from "../../conversation.ts";
import type { Turn } from "../../scenario.ts";
import { counted, plain, resultText, shown } from "./figures.ts";
import { isRefusal, reasonOf } from "./outcome.ts";
import { FILES } from "./plan.ts";
import {
  CLEAN,
  type Clean,
  EXTREMES,
  type Extremes,
  GROUPS,
  type Groups,
  PROFILE,
  type Profile,
  QUALITY,
  type Quality,
} from "./scripts.ts";

export function run(script: string, args: readonly string[]) {
  return { tool: "shell.exec", arguments: { command: ["node", "-", ...args], stdin: script } };
}

/** What the script printed. */
export function printed<T>(conversation: Conversation, place: number): T {
  const value = conversation.toolResults.at(place)?.value as { stdout?: string } | undefined;
  return parsed(value?.stdout ?? "") as T;
}

export function profile(conversation: Conversation, table: string): Turn {
  if (conversation.turn === 1) {
    return {
      say: `Reading the first lines of ${table} and counting its rows and columns…`,
      calls: [{ tool: "file.read", arguments: { path: table, limit: 1024 } }, run(PROFILE, [table])],
    };
  }
  const found = printed<Profile>(conversation, 1);
  const kinds = [
    counted(found.numberCount, "numeric column"),
    counted(found.dates.length, "date column"),
    counted(found.texts.length, "text column"),
  ];
  const ranges = found.numbers
    .slice(0, 6)
    .map(({ name, min, mean, max }) => `- ${plain(name)}: ${shown(min)} to ${shown(max)}, mean ${shown(mean)}`);
  const words = [`${plain(found.path)} has ${counted(found.rows, "row")}: ${kinds.join(", ")}.`, ...ranges].join("\n");
  return { say: resultText(words, found) };
}

export function clean(conversation: Conversation, table: string): Turn {
  if (conversation.turn === 1) {
    return {
      say: `Bringing numbers, dates and empty cells of ${table} into one form, in ${FILES.clean}…`,
      calls: [run(CLEAN, [table, FILES.clean])],
    };
  }
  const found = printed<Clean>(conversation, 0);
  const { trimmed, emptied, numbers, dates } = found.changed;
  const changes: [number, string, string][] = [
    [emptied, "marker of a missing value", "markers of missing values"],
    [numbers, "number", "numbers"],
    [dates, "date", "dates"],
    [trimmed, "cell with white space around it", "cells with white space around them"],
  ];
  const made = changes.filter(([count]) => count > 0).map(([count, one, many]) => counted(count, one, many));
  const words =
    `Wrote ${found.file} with ${counted(found.rows, "row")} and ${counted(found.columnCount, "column")}. ` +
    (made.length === 0 ? "Nothing had to be rewritten." : `Rewritten: ${made.join(", ")}.`) +
    " No row was left out, no value guessed.";
  return { say: resultText(words, found) };
}

export function groups(conversation: Conversation, table: string): Turn {
  if (conversation.turn === 1) {
    return {
      say: `Looking for a date or a category in ${table}, then working out the means of each group…`,
      calls: [run(GROUPS, [table, FILES.groups])],
    };
  }
  const found = printed<Groups>(conversation, 0);
  const words = [
    `${groupingOf(found)}: ${counted(found.count, "group")}, all of them in ${found.file}.`,
    ...found.peaks.slice(0, 6).map(peakSentence),
  ].join("\n");
  return { say: resultText(words, found) };
}

/** How the rows were put together. */
export function groupingOf(found: Groups): string {
  if (found.by === "month") return `By month of ${plain(found.column)}`;
  return found.by === "category" ? `By ${plain(found.column)}` : "All rows together";
}

export function peakSentence({ column, high, highMean, low, lowMean }: Groups["peaks"][number]): string {
  const name = plain(column);
  if (high === low) return `- ${name}: mean ${shown(highMean)} in ${plain(high)}.`;
  return `- ${name}: highest mean in ${plain(high)} (${shown(highMean)}), lowest in ${plain(low)} (${shown(lowMean)}).`;
}

export function extremes(conversation: Conversation, table: string): Turn {
  if (conversation.turn === 1) {
    return {
      say: `Going through ${table} for the highest and the lowest value of each column…`,
      calls: [run(EXTREMES, [table])],
    };
  }
  const found = printed<Extremes>(conversation, 0);
  const lines = found.extremes.slice(0, 12).map(extremeSentence);
  const words = lines.length === 0 ? "The table has no numeric column." : ["Found:", ...lines].join("\n");
  return { say: resultText(words, found) };
}

export function extremeSentence({ column, kind, value, label, row, times }: Extremes["extremes"][number]): string {
  const more = times > 1 ? `, first of ${times} rows with it` : "";
  return `- ${kind} ${plain(column)}: ${shown(value)} (${plain(label)}, row ${row}${more})`;
}

/** What the quality task hands on. */
export interface QualityResult {
  issues: Quality["issues"];
  /** The list as a file of its own, when a person allowed it. */
  file: string | null;
  /** Why there is no file, in the person's words. */
  refusedBecause: string | null;
}

/** The list of issues is a file the plan did not name: writing it asks a person. */
export function quality(conversation: Conversation, table: string): Turn {
  const { turn, toolResults } = conversation;
  if (turn === 1) {
    return {
      say: `Checking ${table} for gaps, odd values and repeated rows…`,
      calls: [run(QUALITY, [table])],
    };
  }
  const found = printed<Quality>(conversation, 0);
  if (turn === 2) {
    return {
      say: `${issueHeadline(found.issues)} A list in a file of its own helps whoever looks after the data; asking for ${FILES.issues}…`,
      calls: [{ tool: "file.write", arguments: { path: FILES.issues, content: found.csv } }],
    };
  }
  const written = toolResults.at(-1);
  const refused = written !== undefined && isRefusal(written);
  const result: QualityResult = {
    issues: found.issues,
    file: refused ? null : FILES.issues,
    refusedBecause: refused && written !== undefined ? reasonOf(written) : null,
  };
  const where = refused
    ? `There is no ${FILES.issues}; the answer was: "${plain(result.refusedBecause ?? "")}". The list stands here and in the report instead.`
    : `The list of all checks is in ${FILES.issues}.`;
  return {
    say: resultText(
      [issueHeadline(found.issues), ...found.issues.slice(0, 40).map(issueSentence), where].join("\n"),
      result,
    ),
  };
}

export function issueHeadline(issues: Quality["issues"]): string {
  if (issues.length === 0) return "The checks found nothing to mend.";
  return `The checks found ${counted(issues.length, "kind")} of issue.`;
}

export function issueSentence({ check, column, count, examples }: Quality["issues"][number]): string {
  const shownExamples = examples === "" ? "" : ` (${plain(examples)})`;
  return `- ${plain(column)}: ${check}, ${count}×${shownExamples}`;
}
