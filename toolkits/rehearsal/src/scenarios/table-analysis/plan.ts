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
  deck: "deck",
  serve: "serve-reference",
  page: "read-reference",
  compare: "compare",
  picture: "look-at-picture",
  sources: "tell-sources",
} as const;

export const FILES = {
  clean: "clean-data.csv",
  groups: "grouped-figures.csv",
  issues: "quality-issues.csv",
  workbook: "analysis.xlsx",
  report: "report.md",
  comparison: "comparison.csv",
  page: "reference-page.png",
  word: "report.docx",
  deck: "deck.pptx",
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

type Products = Record<Product, boolean>;
type Product = keyof typeof PRODUCTS;

/** How a goal speaks of what can be made, and the file it becomes. */
const PRODUCTS = {
  workbook: { words: /\bworkbooks?\b|\bspreadsheets?\b|\bexcel\b|\bxlsx\b/i, file: FILES.workbook },
  report: { words: /\breports?\b/i, file: FILES.report },
  deck: { words: /\bdecks?\b|\bslides?\b|\bpresentations?\b|\bpowerpoint\b|\bpptx\b/i, file: FILES.deck },
} as const;
const PRODUCT_NAMES = Object.keys(PRODUCTS) as Product[];

/** Whether a goal asks for something this job can make. */
export function namesProduct(goal: string): boolean {
  return PRODUCT_NAMES.some((name) => PRODUCTS[name].words.test(goal));
}

/** What the person wants; an earlier "no, because …" may take a part away. */
interface Wanted extends Products {
  /** A page of the project to compare with. */
  page?: string | undefined;
  /** A picture of the project to look at. */
  picture?: string | undefined;
  /** A file of the project that says where its files come from. */
  about?: string | undefined;
}

/** A path the planner put into a task's description, as `Table: PATH`. */
export function lineOf(
  description: string,
  name: "Table" | "Page" | "Picture" | "About" | "Beside",
): string | undefined {
  return new RegExp(`^${name}: (.+)$`, "m").exec(description)?.[1];
}

export function planFor(conversation: Conversation): Turn {
  const { goal, files, happened, turn, toolResults } = conversation;
  if (turn > 1) return { say: `The plan was not taken: ${toolResults.at(-1)?.text ?? ""}` };
  const table = chooseTable(goal, files);
  if (table === undefined) {
    return { say: "There is no table to analyse: the project has no .csv or .tsv file. Add one, then start again." };
  }
  const asked = wantedFrom(goal, happened);
  if (asked === undefined) return { say: noOtherWay(happened ?? "") };
  const wanted = { ...asked, ...besideTable(goal, files) };
  const missing = missingFrom(goal, wanted);
  if (missing !== undefined) return { say: missing };
  const tasks = tasksFor(table.path, wanted);
  const products = listed(filesWanted(wanted));
  const summary =
    `Reads ${table.path}, works out its figures in five tasks that run at once, ${besideWords(wanted)}then writes ${products}. ` +
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

const PAGE_WANTED = /\b(reference|compare)\b[^.]*\bpage\b/i;
const PICTURE_WANTED = /\b(photo|picture)\b|\blook at\b[^.]*\b(image|screenshot|chart)\b/i;

/** What else of the project the goal speaks of; never a file this job made itself. */
function besideTable(goal: string, files: readonly ProjectFile[]): Pick<Wanted, "page" | "picture" | "about"> {
  const own = files.filter(({ path }) => !OWN_FILES.has(path) && !path.includes("*"));
  const best = (kind: RegExp, hint: RegExp): string | undefined => {
    const fitting = own.filter(({ path }) => kind.test(path)).map(({ path }) => path);
    return fitting.find((path) => goal.includes(path)) ?? fitting.find((path) => hint.test(path)) ?? fitting[0];
  };
  const page = PAGE_WANTED.test(goal) ? best(/\.html?$/i, /reference/i) : undefined;
  const picture = PICTURE_WANTED.test(goal) ? best(/\.(png|jpe?g|webp|gif)$/i, /photo|chart|picture/i) : undefined;
  const told = page !== undefined || picture !== undefined;
  return { page, picture, about: told ? own.find(({ path }) => /^readme(\.md|\.txt)?$/i.test(path))?.path : undefined };
}

/** The goal speaks of something the project does not have. */
function missingFrom(goal: string, { page, picture }: Wanted): string | undefined {
  const missing = [
    PAGE_WANTED.test(goal) && page === undefined ? "no page (.html) to compare with" : "",
    PICTURE_WANTED.test(goal) && picture === undefined ? "no picture (.png, .jpg, .webp, .gif) to look at" : "",
  ].filter(Boolean);
  return missing.length === 0 ? undefined : `The project has ${missing.join(" and ")}. Add it, then start again.`;
}

function besideWords({ page, picture }: Wanted): string {
  const parts = [
    page === undefined ? "" : `compares them with ${page}`,
    picture === undefined ? "" : `looks at ${picture}`,
  ];
  return parts
    .filter(Boolean)
    .map((part) => `${part}, `)
    .join("");
}

/** The files asked for, in order. */
function filesWanted(wanted: Products): string[] {
  return PRODUCT_NAMES.filter((name) => wanted[name]).map((name) => PRODUCTS[name].file);
}

/** `a`, `a and b`, `a, b and c`. */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

const REJECTED = /^The person said no to the plan: ([\s\S]*?)(?:\n\n## |$)/;

/** None when there is nothing left to plan. */
function wantedFrom(goal: string, happened: string | undefined): Wanted | undefined {
  const wanted = productsIn(goal);
  if (happened === undefined) return wanted;
  const reason = REJECTED.exec(happened)?.[1];
  if (reason === undefined) return undefined;
  const without = /\b(no|without|not|skip|drop)\b/i.test(reason);
  const only = /\b(only|just)\b/i.test(reason);
  const named = productsIn(reason);
  const count = PRODUCT_NAMES.filter((name) => named[name]).length;
  // "No report, only the workbook" names two, and says of neither which.
  if ((!without && !only) || (without && only && count !== 1)) return undefined;
  const less = productsWhere((name) => wanted[name] && named[name] === only);
  const isLess = PRODUCT_NAMES.some((name) => wanted[name] && !less[name]);
  return isLess && PRODUCT_NAMES.some((name) => less[name]) ? less : undefined;
}

function productsIn(text: string): Products {
  return productsWhere((name) => PRODUCTS[name].words.test(text));
}

function productsWhere(test: (name: Product) => boolean): Products {
  return { workbook: test("workbook"), report: test("report"), deck: test("deck") };
}

function noOtherWay(happened: string): string {
  const first = happened.split("\n")[0] ?? "";
  return `${first} The rehearsal model has no other way to do this; a real model may find one.`;
}

function tasksFor(table: string, wanted: Wanted): Task[] {
  const [profileTask, cleanTask, groupsTask, ...others] = questionTasks(table);
  const first = [profileTask, cleanTask, groupsTask].filter((task) => task !== undefined);
  const { page, picture } = wanted;
  // In this order each kind of worker has something to do while the others work.
  return [
    ...(page === undefined ? [] : [serveTask(page)]),
    ...first,
    ...(page === undefined ? [] : [pageTask(page)]),
    ...(picture === undefined ? [] : [pictureTask(picture)]),
    ...(page === undefined && picture === undefined ? [] : [sourcesTask(wanted.about)]),
    ...others,
    ...(page === undefined ? [] : [compareTask(table, page)]),
    ...(wanted.workbook ? [workbookTask(table, wanted)] : []),
    ...(wanted.report ? [reportTask(table, wanted)] : []),
    ...(wanted.deck ? [deckTask(table, wanted)] : []),
  ];
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

function workbookTask(table: string, { page }: Wanted): Task {
  const compared = page === undefined ? "" : ", the comparison with the page";
  return {
    taskId: TASKS.workbook,
    title: `Write ${FILES.workbook}`,
    description: `Table: ${table}\nSheets: a summary with formulas, the grouped figures with charts${compared}, the cleaned data.`,
    role: "document",
    dependsOn: [TASKS.profile, TASKS.clean, TASKS.groups, ...(page === undefined ? [] : [TASKS.compare])],
    deliverables: [{ path: FILES.workbook, description: "Workbook with data, summary and charts" }],
    checks: [{ kind: "file_exists", path: FILES.workbook }],
    needs: [FILES.clean, FILES.groups, ...(page === undefined ? [] : [FILES.comparison])].map((path) => `read:${path}`),
    writes: [FILES.workbook],
  };
}

function reportTask(table: string, wanted: Wanted): Task {
  const { workbook, page, picture } = wanted;
  const whole = page !== undefined || picture !== undefined;
  const written = [FILES.report, ...(whole ? [FILES.word] : [])];
  return {
    taskId: TASKS.report,
    title: `Write ${written.join(" and ")}`,
    description: `Table: ${table}\n${besideLine(wanted, FILES.report)}A summary table, findings, the state of the data, the files made.`,
    role: "document",
    dependsOn: [
      TASKS.profile,
      TASKS.clean,
      TASKS.groups,
      TASKS.extremes,
      TASKS.quality,
      ...(page === undefined ? [] : [TASKS.page, TASKS.compare]),
      ...(picture === undefined ? [] : [TASKS.picture]),
      ...(whole ? [TASKS.sources] : []),
      ...(workbook ? [TASKS.workbook] : []),
    ],
    deliverables: written.map((path) => ({ path, description: "Report with a table and findings" })),
    checks: written.map((path) => ({ kind: "file_exists", path })),
    needs: [...(page === undefined ? [] : [FILES.page]), ...(picture === undefined ? [] : [picture])].map(
      (path) => `read:${path}`,
    ),
    writes: written,
  };
}

function deckTask(table: string, wanted: Wanted): Task {
  const { page, picture } = wanted;
  return {
    taskId: TASKS.deck,
    title: `Make ${FILES.deck}`,
    description: `Table: ${table}\n${besideLine(wanted, FILES.deck)}Five slides: what the table is, its columns, the groups as a chart, findings, how it was done.`,
    role: "document",
    dependsOn: [
      TASKS.profile,
      TASKS.groups,
      TASKS.extremes,
      TASKS.quality,
      ...(page === undefined ? [] : [TASKS.page, TASKS.compare]),
      ...(picture === undefined ? [] : [TASKS.picture]),
      ...(page === undefined && picture === undefined ? [] : [TASKS.sources]),
    ],
    deliverables: [{ path: FILES.deck, description: "Deck of five slides" }],
    checks: [{ kind: "file_exists", path: FILES.deck }],
    needs: [],
    writes: [FILES.deck],
  };
}

/** The other files that were asked for, as a line of a description. */
function besideLine(wanted: Wanted, file: string): string {
  const others = filesWanted(wanted).filter((other) => other !== file);
  return others.length === 0 ? "" : `Beside: ${others.join(" ")}\n`;
}

const PASSES_ON = { kind: "result_contains", text: "```json" };

function serveTask(page: string): Task {
  const folder = page.includes("/") ? page.slice(0, page.lastIndexOf("/")) : ".";
  return {
    taskId: TASKS.serve,
    title: `Serve ${page} on this machine`,
    description: `Page: ${page}\nServe its folder until the run ends and say at which address.`,
    role: "developer",
    dependsOn: [],
    deliverables: [],
    checks: [PASSES_ON],
    needs: [`read:${folder}`],
    writes: [],
  };
}

function pageTask(page: string): Task {
  return {
    taskId: TASKS.page,
    title: `Read ${page} in the browser`,
    description: `Page: ${page}\nOpen the address that ${TASKS.serve} gives, take the page's table as data, keep a picture of it.`,
    role: "browser",
    dependsOn: [TASKS.serve],
    deliverables: [{ path: FILES.page, description: "Picture of the page as it was read" }],
    checks: [PASSES_ON, { kind: "file_exists", path: FILES.page }],
    needs: [],
    writes: [FILES.page],
  };
}

function pictureTask(picture: string): Task {
  return {
    taskId: TASKS.picture,
    title: `Look at ${picture}`,
    description: `Picture: ${picture}\nSay what it shows, and keep that as a note.`,
    role: "multi-modal",
    dependsOn: [],
    deliverables: [],
    checks: [PASSES_ON],
    needs: [`read:${picture}`],
    writes: ["notes"],
  };
}

function sourcesTask(about: string | undefined): Task {
  return {
    taskId: TASKS.sources,
    title: "Note where the files come from",
    description: `${about === undefined ? "" : `About: ${about}\n`}Say what the project tells about the sources of its files, and keep that as a note.`,
    role: "document",
    dependsOn: [],
    deliverables: [],
    checks: [PASSES_ON],
    needs: about === undefined ? [] : [`read:${about}`],
    writes: ["notes"],
  };
}

function compareTask(table: string, page: string): Task {
  const task = question(
    table,
    TASKS.compare,
    `Compare ${table} with ${page}`,
    `Write ${FILES.comparison}: the means of the newest year, or of each group, beside those of the page, and how they differ.`,
    FILES.comparison,
  );
  return { ...task, dependsOn: [TASKS.page] };
}

/** Title of the table in texts: its file name, safe in Markdown. */
export function tableTitle(table: string): string {
  return plain(table.split("/").at(-1) ?? table);
}
