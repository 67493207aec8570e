// A workforce in small: asks the server as the core does, runs the tools it calls in a folder a task, and keeps to the plan's
// permissions. Prompts have the form of `native/agent/src/prompt.rs`.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import type OpenAI from "openai";
import { makeDeck } from "../../documents/src/deck/deck.ts";
import { type DeckArguments, deckArguments } from "../../documents/src/deck/schema.ts";

export interface PlannedTask {
  taskId: string;
  title: string;
  description: string;
  role: string;
  dependsOn: string[];
  deliverables: { path: string }[];
  needs: string[];
  writes: string[];
}

export interface Plan {
  summary: string;
  tasks: PlannedTask[];
}

/** One grey pixel, where a chart would be. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCAWlRBEwAAAABJRU5ErkJggg==",
  "base64",
);

type Messages = OpenAI.ChatCompletionMessageParam[];
interface Call {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}

export interface Job {
  plan: Plan;
  /** Result texts by task. */
  results: Map<string, string>;
  answer: string;
  /** Files after the run, by path. */
  files: Map<string, string>;
  /** Arguments of every `excel.create`. */
  workbooks: Record<string, unknown>[];
  /** Arguments of every `docx.create`. */
  documents: Record<string, unknown>[];
  /** Arguments of every `pptx.create`; each was made into a deck, so that all of it fits. */
  decks: DeckArguments[];
  /** Paths a person was asked about. */
  asked: string[];
}

/** What a person says to a write outside the plan: yes, or why not. */
export type Person = (path: string) => true | string;

const TOOL_NAMES =
  "file_read file_write shell_exec excel_create docx_create pptx_create note_create web_deploy media_analyzeImage browser_open browser_snapshot " +
  "browser_extractTable browser_screenshot task_fail";
const TOOLS: OpenAI.ChatCompletionTool[] = TOOL_NAMES.split(" ").map((name) => ({
  type: "function",
  function: { name, parameters: { type: "object" } },
}));
const PLAN_TOOL: OpenAI.ChatCompletionTool[] = [
  { type: "function", function: { name: "plan_submit", parameters: { type: "object" } } },
];

/** One streamed answer, put together from its pieces. */
export async function ask(
  client: OpenAI,
  messages: Messages,
  tools: OpenAI.ChatCompletionTool[],
  signal?: AbortSignal,
) {
  const stream = await client.chat.completions.create(
    {
      model: "rehearsal",
      messages,
      ...(tools.length > 0 ? { tools } : {}),
      max_completion_tokens: 8192,
      stream: true,
      stream_options: { include_usage: true },
    },
    signal === undefined ? {} : { signal },
  );
  let text = "";
  let finish: string | null = null;
  const pieces: { id: string; name: string; json: string }[] = [];
  for await (const chunk of stream) {
    const [choice] = chunk.choices;
    text += choice?.delta.content ?? "";
    finish = choice?.finish_reason ?? finish;
    for (const delta of choice?.delta.tool_calls ?? []) {
      const piece = pieces[delta.index] ?? { id: "", name: "", json: "" };
      pieces[delta.index] = piece;
      piece.id += delta.id ?? "";
      piece.name += delta.function?.name ?? "";
      piece.json += delta.function?.arguments ?? "";
    }
  }
  if (finish === "length") throw new Error("the answer was cut");
  const calls: Call[] = pieces.map(({ id, name, json }) => ({ id, name, arguments: JSON.parse(json) }));
  return { text, calls };
}

function filesText(title: string, folder: string): string {
  const lines = listed(folder).map((path) => `${path} (${statSync(join(folder, path)).size} bytes)\n`);
  return lines.length === 0 ? "" : `\n# ${title}\n${lines.join("")}`;
}

function listed(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => relative(folder, join(parentPath, name))).sort();
}

export function plannerMessages(goal: string, files: string, happened?: string): Messages {
  const again = happened === undefined ? "" : `\n# What happened\n${happened}\n`;
  return [
    { role: "system", content: "Role: planner\nPlan.\n\n# Roles\n- developer: d. Tools: shell.exec.\n" },
    { role: "user", content: `# Goal\n${goal}\n\n# Run date\n2026-03-01\n${files}${again}` },
  ];
}

export async function planOf(client: OpenAI, goal: string, files: string, happened?: string): Promise<Plan | string> {
  const { text, calls } = await ask(client, plannerMessages(goal, files, happened), PLAN_TOOL);
  return calls.length === 0 ? text : (calls[0]?.arguments as unknown as Plan);
}

/** Carries a goal to its end. Throws when the planner refuses, a task fails, or something is written that nobody allowed. */
export async function carryOut(
  client: OpenAI,
  goal: string,
  project: string,
  person: Person = () => true,
): Promise<Job> {
  const plan = await planOf(client, goal, filesText("Project files", project));
  if (typeof plan === "string") throw new Error(plan);
  const job: Job = {
    plan,
    results: new Map(),
    answer: "",
    files: new Map(),
    workbooks: [],
    documents: [],
    decks: [],
    asked: [],
  };
  const changes = new Map<string, string>();
  try {
    for (const task of plan.tasks) {
      const view = mkdtempSync(join(tmpdir(), "rehearsal-view-"));
      changes.set(task.taskId, view);
      cpSync(project, view, { recursive: true });
      for (const id of task.dependsOn) cpSync(changes.get(id) ?? "", view, { recursive: true });
      job.results.set(task.taskId, await new Attempt(client, goal, task, view, job, person).run());
    }
    for (const view of changes.values())
      for (const path of listed(view)) job.files.set(path, readFileSync(join(view, path), "utf8"));
    job.answer = await finalAnswer(client, goal, job);
  } finally {
    for (const view of changes.values()) rmSync(view, { recursive: true, force: true });
  }
  return job;
}

async function finalAnswer(client: OpenAI, goal: string, job: Job): Promise<string> {
  const results = job.plan.tasks.map(({ taskId, title }) => `## ${taskId} (${title})\n${job.results.get(taskId)}\n\n`);
  const files = [...job.files].map(([path, text]) => `${path} (${text.length} bytes)\n`);
  const content = `# Goal\n${goal}\n\n# Results of tasks\n${results.join("")}\n# Delivered files\n${files.join("")}`;
  const messages: Messages = [
    { role: "system", content: "Role: answer\nAnswer." },
    { role: "user", content },
  ];
  return (await ask(client, messages, [])).text;
}

function tableOf(html: string): { columns: string[]; rows: string[][] } {
  const rows = [...html.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = ""]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = ""]) => cell),
  );
  return { columns: rows[0] ?? [], rows: rows.slice(1) };
}

class Attempt {
  constructor(client: OpenAI, goal: string, task: PlannedTask, view: string, job: Job, person: Person) {
    this.#client = client;
    this.#goal = goal;
    this.#task = task;
    this.#view = view;
    this.#job = job;
    this.#person = person;
  }

  readonly #client: OpenAI;
  readonly #goal: string;
  readonly #task: PlannedTask;
  readonly #view: string;
  readonly #job: Job;
  readonly #person: Person;

  async run(): Promise<string> {
    const messages: Messages = [
      { role: "system", content: `Role: ${this.#task.role}\nWork.` },
      { role: "user", content: this.#prompt() },
    ];
    for (let turn = 0; turn < 10; turn += 1) {
      const { text, calls } = await ask(this.#client, messages, TOOLS);
      if (calls.length === 0) return text;
      messages.push({
        role: "assistant",
        content: text === "" ? null : text,
        tool_calls: calls.map(({ id, name, arguments: given }) => ({
          id,
          type: "function",
          function: { name, arguments: JSON.stringify(given) },
        })),
      });
      for (const call of calls) {
        messages.push({ role: "tool", tool_call_id: call.id, content: JSON.stringify(await this.#call(call)) });
      }
    }
    throw new Error(`${this.#task.taskId} does not end`);
  }

  #prompt(): string {
    const { taskId, title, description, dependsOn, deliverables } = this.#task;
    const wanted = deliverables.map(({ path }) => `- ${path}: \n`).join("");
    const results = dependsOn.map((id) => `## ${id}\n${this.#job.results.get(id)}\n\n`).join("");
    return (
      `# Goal\n${this.#goal}\n\n# Your task\nid: ${taskId}\ntitle: ${title}\n${description}\n` +
      (wanted === "" ? "" : `\n# Deliverables\n${wanted}`) +
      (results === "" ? "" : `\n# Results of earlier tasks\n${results}`) +
      `\n# Run date\n2026-03-01\n${filesText("Project files", this.#view)}`
    );
  }

  async #call({ name, arguments: given }: Call): Promise<unknown> {
    switch (name) {
      case "file_read":
        return {
          path: given.path,
          text: readFileSync(join(this.#view, String(given.path)), "utf8").slice(0, Number(given.limit ?? 65_536)),
        };
      case "file_write":
        return this.#write(String(given.path), String(given.content));
      case "shell_exec":
        return this.#shell(given);
      case "excel_create":
        this.#job.workbooks.push(given);
        return this.#write(String(given.path), "workbook");
      case "docx_create":
        this.#job.documents.push(given);
        return this.#write(String(given.path), "document");
      case "pptx_create": {
        const deck = deckArguments.parse(given);
        this.#job.decks.push(deck);
        await makeDeck(deck, { read: async () => PIXEL, draw: async () => ({ png: PIXEL, missing: [] }) });
        return this.#write(deck.path, "deck");
      }
      case "note_create":
        return this.#write(`notes/${this.#task.taskId}.md`, String(given.content));
      default:
        return this.#beside(name, given);
    }
  }

  /** A page, a browser and a model that looks at pictures, as small as they can be. */
  #beside(name: string, given: Record<string, unknown>): unknown {
    switch (name) {
      case "web_deploy":
        return { url: "http://127.0.0.1:4321/", files: listed(join(this.#view, String(given.path))).length, bytes: 1 };
      case "browser_open":
        if (given.url !== "http://127.0.0.1:4321/") throw new Error(`another address: ${String(given.url)}`);
        return { tab: 1, url: given.url, title: "The reference", status: 200 };
      case "browser_snapshot":
        return { text: "heading The reference" };
      case "browser_extractTable":
        return tableOf(readFileSync(join(this.#view, "reference/index.html"), "utf8"));
      case "browser_screenshot":
        return this.#write(String(given.path), "picture");
      case "media_analyzeImage":
        return { text: "Rehearsal: two *lines*.", width: 8, height: 4, route: "rehearsal/rehearsal", rehearsal: true };
      default:
        throw new Error(`${this.#task.taskId}: ${name} ${JSON.stringify(given)}`);
    }
  }

  #write(path: string, content: string): unknown {
    if (!this.#task.writes.some((granted) => path === granted || path.startsWith(`${granted}/`))) {
      this.#job.asked.push(path);
      const said = this.#person(path);
      if (said !== true) {
        return {
          error: { code: "PERMISSION_DENIED", message: `a person did not allow \`write:${path}\``, reason: said },
        };
      }
    }
    mkdirSync(dirname(join(this.#view, path)), { recursive: true });
    writeFileSync(join(this.#view, path), content);
    return { path, size: content.length, checksum: "0" };
  }

  #shell({ command, stdin }: Record<string, unknown>): unknown {
    const [program = "", ...args] = command as string[];
    if (!this.#task.needs.includes(`run:${program}`)) throw new Error(`run:${program} is not in the plan`);
    const before = new Set(listed(this.#view));
    const done = spawnSync(program, args, {
      cwd: this.#view,
      input: String(stdin),
      encoding: "utf8",
      env: { PATH: process.env.PATH },
    });
    const strange = listed(this.#view).filter((path) => !before.has(path) && !this.#task.writes.includes(path));
    if (strange.length > 0) throw new Error(`${this.#task.taskId} wrote ${strange.join(", ")} without permission`);
    return { exitCode: done.status, stdout: done.stdout, stderr: done.stderr, truncated: false };
  }
}
