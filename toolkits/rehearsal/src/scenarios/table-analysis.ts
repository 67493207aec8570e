// The job the rehearsal model can do: a table becomes a workbook, a report and a deck. It holds no figure of any table: every one comes
// from the result of a tool call of the same run.

import type { Conversation } from "../conversation.ts";
import { failed, type Scenario, type Turn } from "../scenario.ts";
import { writeAnswer } from "./table-analysis/answer.ts";
import { compare, lookAtPicture, readPage, serve, tellSources } from "./table-analysis/beside.ts";
import { makeSlides } from "./table-analysis/deck.ts";
import { isFailure, isRefusal, messageOf } from "./table-analysis/outcome.ts";
import { lineOf, namesProduct, planFor, TASKS } from "./table-analysis/plan.ts";
import { clean, extremes, groups, profile, quality } from "./table-analysis/questions.ts";
import { writeReport } from "./table-analysis/report.ts";
import { createWorkbook } from "./table-analysis/workbook.ts";

/** One turn of a task; `table` is the path of the table. */
export type Worker = (conversation: Conversation, table: string) => Turn;

const ANALYSE = /\banaly[sz]|\bexplore|\bexamine|\blook (at|into)\b/i;

const WORKERS = new Map<string, Worker>([
  [TASKS.profile, profile],
  [TASKS.clean, clean],
  [TASKS.groups, groups],
  [TASKS.extremes, extremes],
  [TASKS.quality, quality],
  [TASKS.workbook, createWorkbook],
  [TASKS.report, writeReport],
  [TASKS.deck, makeSlides],
  [TASKS.compare, compare],
]);

/** Workers of what lies beside the table. */
const BESIDE = new Map<string, (conversation: Conversation) => Turn>([
  [TASKS.serve, serve],
  [TASKS.page, readPage],
  [TASKS.picture, lookAtPicture],
  [TASKS.sources, tellSources],
]);

export const tableAnalysis: Scenario = {
  name: "table-analysis",
  matches: ({ goal }) => ANALYSE.test(goal) && namesProduct(goal),
  answer: (conversation) => {
    if (conversation.kind === "planner") return planFor(conversation);
    if (conversation.kind === "answer") return writeAnswer(conversation);
    return work(conversation);
  },
};

function work(conversation: Conversation): Turn {
  const { id, description } = conversation.task;
  const beside = BESIDE.get(id);
  const worker = WORKERS.get(id);
  const table = lineOf(description, "Table");
  if (beside === undefined && (worker === undefined || table === undefined)) {
    return failed(`The rehearsal model knows no task "${id}". Add a model for plans of your own.`);
  }
  const broken = conversation.toolResults.find((result) => isFailure(result) && !isRefusal(result));
  if (broken !== undefined) return failed(`${broken.tool} failed: ${messageOf(broken)}`);
  return beside ? beside(conversation) : (worker?.(conversation, table ?? "") ?? failed(`Nothing to do for "${id}".`));
}
