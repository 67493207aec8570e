// Report from a table: any CSV file or Excel workbook becomes a workbook, a report and a deck. Every figure is computed here.

import type { Plan } from "@openwrap/contracts";
import type { AnswerJob, GivenBy, Job, Playbook, TaskJob } from "../playbook.ts";
import { deck } from "./deck.ts";
import { type Findings, findingsOf, keyFacts } from "./findings.ts";
import { readGrid } from "./grid.ts";
import { groupsOf } from "./groups.ts";
import { report } from "./report.ts";
import { columnsWithoutTotal } from "./total.ts";
import { workbook } from "./workbook.ts";

const inputs = {
  table: {
    kind: "file",
    title: "Table",
    about: "A CSV file or an Excel workbook. The first sheet is read unless you name another.",
    extensions: ["csv", "tsv", "txt", "xlsx", "xlsm"],
  },
  title: {
    kind: "text",
    title: "Title",
    about: "Of the report and the deck. Left empty, the file's name is taken.",
    optional: true,
  },
  sheet: { kind: "text", title: "Sheet", about: "Of a workbook.", optional: true },
  numbers: {
    kind: "choice",
    title: "Numbers are written",
    options: [
      { value: "auto", title: "As the table shows" },
      { value: "point", title: "With a decimal point: 1,234.5" },
      { value: "comma", title: "With a decimal comma: 1.234,5" },
    ],
    default: "auto",
  },
} as const;

type Shape = typeof inputs;

const CLEANED = "cleaned.csv";
/** Characters of one write: with their escapes they fit a call's arguments. */
const WRITE_CHARS = 150_000;

const titleOf = (given: GivenBy<Shape>): string =>
  given.title ?? (given.table.split("/").at(-1) ?? given.table).replace(/\.[^.]+$/, "");

type Makes = Pick<Plan["tasks"][number], "deliverables" | "checks" | "writes">;

function plan({ inputs: given }: Job<Shape>): ReturnType<Playbook<Shape>["plan"]> {
  const from = { dependsOn: ["clean"], role: "document" };
  const makes = (path: string): Makes => ({
    deliverables: [{ path, description: "" }],
    checks: [{ kind: "file_exists", path }],
    writes: [path],
  });
  return {
    summary: `Reads ${given.table}, cleans it, and makes a workbook, a report and a deck of five slides from its figures. No model takes part.`,
    tasks: [
      {
        taskId: "clean",
        title: "Read and clean the table",
        role: "document",
        needs: [`read:${given.table}`],
        ...makes(CLEANED),
      },
      {
        taskId: "workbook",
        title: "Write the workbook",
        ...from,
        needs: [`read:${CLEANED}`],
        ...makes("analysis.xlsx"),
      },
      { taskId: "report", title: "Write the report", ...from, ...makes("report.docx") },
      { taskId: "deck", title: "Make the deck", ...from, ...makes("deck.pptx") },
    ],
  };
}

async function clean({ inputs: given, tools }: TaskJob<Shape>): Promise<Findings> {
  const { grid, columns } = columnsWithoutTotal(await readGrid(tools, given.table, given.sheet), given.numbers);
  let text = `${columns.map((column) => field(column.figures.name)).join(",")}\n`;
  let written = false;
  const flush = async (): Promise<void> => {
    await (written
      ? tools.file.append({ path: CLEANED, content: text })
      : tools.file.write({ path: CLEANED, content: text }));
    written = true;
    text = "";
  };
  for (let row = 0; row < grid.rows.length; row += 1) {
    const line = columns.map((column) => field(column.clean[row] ?? "")).join(",");
    // A line with nothing in it would be no row.
    text += `${line === "" ? '""' : line}\n`;
    if (text.length > WRITE_CHARS) await flush();
  }
  if (text !== "") await flush();
  return findingsOf(given.table, grid, columns, groupsOf(columns));
}

/** Whatever else could separate cells is quoted too: the first line tells a reader which of them does. */
const field = (text: string): string => (/[",;|\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const found = (job: TaskJob<Shape>): Findings => job.results.clean as Findings;

export default {
  title: "Report from a table",
  about:
    "Makes a workbook with formulas and a chart, a Word report and a deck of five slides from any table. No model takes part.",
  inputs,
  plan,
  tasks: {
    clean,
    workbook: async (job) => {
      await job.tools.excel.create(workbook(found(job), CLEANED, titleOf(job.inputs)));
      return "analysis.xlsx holds the summary, the comparison with its chart, the cleaned data and what to know about it.";
    },
    report: async (job) => {
      await job.tools.docx.create(report(found(job), titleOf(job.inputs), job.runDate));
      return "report.docx tells what was found.";
    },
    deck: async (job) => {
      // What does not fit a slide is refused: then fewer rows are shown.
      for (const rows of [8, 5, 3]) {
        try {
          await job.tools.pptx.create(deck(found(job), titleOf(job.inputs), job.runDate, rows));
          break;
        } catch (error) {
          if (rows === 3 || (error as { code?: string }).code !== "LIMIT_EXCEEDED") throw error;
        }
      }
      return "deck.pptx has five slides.";
    },
  },
  answer: ({ results, inputs: given }: AnswerJob<Shape>) => {
    const findings = results.find((one) => one.taskId === "clean")?.result as Findings;
    return [
      `**${titleOf(given)}**: analysis.xlsx, report.docx, deck.pptx and cleaned.csv are in the project.`,
      "",
      ...keyFacts(findings).map((fact) => `- ${fact}`),
    ].join("\n");
  },
} satisfies Playbook<Shape>;
