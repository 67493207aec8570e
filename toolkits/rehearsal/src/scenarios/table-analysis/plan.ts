// The plan, and the words where there is none.

import type { Conversation, ProjectFile } from "../../conversation.ts";
import type { Turn } from "../../scenario.ts";
import { plain } from "./figures.ts";

export const TASKS = {
  profile: "profile",
  clean: "clean",
  groups: "groups",
  extremes: "extremes",
  quality: "quality",
  workbook: "workbook",
  report: "report",
} as const;

export const FILES = {
  clean: "clean-data.csv",
  groups: "grouped-figures.csv",
  issues: "quality-issues.csv",
  workbook: "analysis.xlsx",
  report: "report.md",
} as const;

const OWN_FILES = new Set<string>(Object.values(FILES));
const TABLE = /\.(csv|tsv)$/i;

interface Task {
  taskId: string;
  title: string;
  description: string;
  role: string;
  dependsOn: string[];
  deliverables: { path: string; description: string }[];
  checks: object[];
  needs: string[];
  writes: string[];
}

/** What the person wants; an earlier "no, because …" may take a part away. */
interface Wanted {
  workbook: boolean;
  report: boolean;
}

/** The path the planner put into each task. */
export function tableOf(description: string): string | undefined {
  return /^Table: (.+)$/m.exec(description)?.[1];
}

export function planFor(conversation: Conversation): Turn {
  const { goal, files, happened, turn, toolResults } = conversation;
  if (turn > 1) return { say: `The plan was not taken: ${toolResults.at(-1)?.text ?? ""}` };
  const table = chooseTable(goal, files);
  if (table === undefined) {
    return { say: "There is no table to analyse: the project has no .csv or .tsv file. Add one, then start again." };
  }
  const wanted = wantedFrom(goal, happened);
  if (wanted === undefined) return { say: noOtherWay(happened ?? "") };
  const tasks = tasksFor(table.path, wanted);
  const products = [wanted.workbook ? FILES.workbook : "", wanted.report ? FILES.report : ""]
    .filter(Boolean)
    .join(" and ");
  const summary =
    `Reads ${table.path}, works out its figures in five tasks that run at once, then writes ${products}. ` +
    "The table itself stays as it is.";
  return {
    say: `The table is ${table.path}, ${table.size} bytes. Five questions about it can be answered at the same time.`,
    calls: [{ tool: "plan.submit", arguments: { summary, tasks } }],
  };
}

/**
 * One the goal names, else the largest; never a file this job made itself, nor one with a star in its name, which in the
 * language of grants would stand for many.
 */
function chooseTable(goal: string, files: readonly ProjectFile[]): ProjectFile | undefined {
  const tables = files.filter(({ path }) => TABLE.test(path) && !OWN_FILES.has(path) && !path.includes("*"));
  const named = tables.find(({ path }) => goal.includes(path) || goal.includes(path.split("/").at(-1) ?? path));
  return (
    named ??
    tables.reduce<ProjectFile | undefined>((best, file) => (best && best.size >= file.size ? best : file), undefined)
  );
}

const REPORT = /\breports?\b/i;
const WORKBOOK = /\bworkbooks?\b|\bspreadsheets?\b|\bexcel\b|\bxlsx\b/i;
const REJECTED = /^The person said no to the plan: ([\s\S]*?)(?:\n\n## |$)/;

/** None when there is nothing left to plan. */
function wantedFrom(goal: string, happened: string | undefined): Wanted | undefined {
  const wanted: Wanted = { workbook: WORKBOOK.test(goal), report: REPORT.test(goal) };
  if (happened === undefined) return wanted;
  const reason = REJECTED.exec(happened)?.[1];
  if (reason === undefined) return undefined;
  const without = /\b(no|without|not|skip|drop)\b/i.test(reason);
  const only = /\b(only|just)\b/i.test(reason);
  const named: Wanted = { workbook: WORKBOOK.test(reason), report: REPORT.test(reason) };
  if ((!without && !only) || named.workbook === named.report) return undefined;
  const less: Wanted = only
    ? { workbook: wanted.workbook && named.workbook, report: wanted.report && named.report }
    : { workbook: wanted.workbook && !named.workbook, report: wanted.report && !named.report };
  return less.workbook || less.report ? less : undefined;
}

function noOtherWay(happened: string): string {
  const first = happened.split("\n")[0] ?? "";
  return `${first} The rehearsal model has no other way to do this; a real model may find one.`;
}

function tasksFor(table: string, wanted: Wanted): Task[] {
  const questions = questionTasks(table);
  const tasks = [...questions];
  if (wanted.workbook) tasks.push(workbookTask(table));
  if (wanted.report) tasks.push(reportTask(table, wanted.workbook));
  return tasks;
}

function question(table: string, taskId: string, title: string, about: string, file?: string): Task {
  return {
    taskId,
    title,
    description: `Table: ${table}\n${about}`,
    role: "developer",
    dependsOn: [],
    deliverables: file === undefined ? [] : [{ path: file, description: title }],
    checks: [
      { kind: "result_contains", text: "```json" },
      ...(file === undefined ? [] : [{ kind: "file_exists", path: file }]),
    ],
    needs: [`read:${table}`, "run:node"],
    writes: file === undefined ? [] : [file],
  };
}

function questionTasks(table: string): Task[] {
  return [
    question(
      table,
      TASKS.profile,
      `Profile ${table}`,
      "Find its columns and their kinds; count, missing, least, mean and greatest value of each numeric column.",
    ),
    question(
      table,
      TASKS.clean,
      `Clean ${table}`,
      `Write ${FILES.clean}: the same rows with trimmed cells, empty cells where a value is missing, one notation for numbers and dates.`,
      FILES.clean,
    ),
    question(
      table,
      TASKS.groups,
      "Work out figures by month or category",
      `Write ${FILES.groups}: the mean of each numeric column by month where there is a date column, else by the first category.`,
      FILES.groups,
    ),
    question(
      table,
      TASKS.extremes,
      "Find the highest and lowest values",
      "Name the row of the highest and the lowest value of each numeric column.",
    ),
    question(
      table,
      TASKS.quality,
      "Check the quality of the data",
      "Look for missing and unreadable values, outliers, repeated rows, doubtful spellings and days without a row.",
    ),
  ];
}

function workbookTask(table: string): Task {
  return {
    taskId: TASKS.workbook,
    title: `Write ${FILES.workbook}`,
    description: `Table: ${table}\nSheets: a summary with formulas, the grouped figures with charts, the cleaned data.`,
    role: "document",
    dependsOn: [TASKS.profile, TASKS.clean, TASKS.groups],
    deliverables: [{ path: FILES.workbook, description: "Workbook with data, summary and charts" }],
    checks: [{ kind: "file_exists", path: FILES.workbook }],
    needs: [`read:${FILES.clean}`, `read:${FILES.groups}`],
    writes: [FILES.workbook],
  };
}

function reportTask(table: string, hasWorkbook: boolean): Task {
  return {
    taskId: TASKS.report,
    title: `Write ${FILES.report}`,
    description: `Table: ${table}\nA summary table, findings, the state of the data, the files made.`,
    role: "document",
    dependsOn: [
      TASKS.profile,
      TASKS.clean,
      TASKS.groups,
      TASKS.extremes,
      TASKS.quality,
      ...(hasWorkbook ? [TASKS.workbook] : []),
    ],
    deliverables: [{ path: FILES.report, description: "Report with a table and findings" }],
    checks: [{ kind: "file_exists", path: FILES.report }],
    needs: [],
    writes: [FILES.report],
  };
}

/** Title of the table in texts: its file name, safe in Markdown. */
export function tableTitle(table: string): string {
  return plain(table.split("/").at(-1) ?? table);
}
