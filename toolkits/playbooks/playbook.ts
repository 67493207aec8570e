// The shape of a playbook. Types only: the engine takes them away, and a playbook imports the `.ts` files beside it.

import type { Plan, PlaybookOption } from "@openwrap/contracts";

interface Asked {
  title: string;
  about?: string;
  /** May be left out; one with a default may be too. */
  optional?: boolean;
}

/** One thing a playbook asks for: a field of its form. */
export type Input =
  | (Asked & { kind: "file"; extensions?: readonly string[]; default?: string })
  | (Asked & { kind: "text"; lines?: boolean; default?: string })
  | (Asked & { kind: "number"; min?: number; max?: number; integer?: boolean; default?: number })
  | (Asked & { kind: "choice"; options: readonly PlaybookOption[]; default?: string })
  | (Asked & { kind: "yes_no"; default?: boolean });

export type Inputs = Record<string, Input>;

type Given<One> = One extends { kind: "number" }
  ? number
  : One extends { kind: "yes_no" }
    ? boolean
    : One extends { kind: "choice"; options: readonly { value: infer Value }[] }
      ? Value
      : string;

/** What a run was started with, by the inputs' own declaration. */
export type GivenBy<Shape extends Inputs> = {
  [Name in keyof Shape]: Shape[Name] extends { optional: true } ? Given<Shape[Name]> | undefined : Given<Shape[Name]>;
};

export interface FileEntry {
  path: string;
  size: number;
}

/** What every part of a playbook gets. */
export interface Job<Shape extends Inputs = Inputs> {
  inputs: GivenBy<Shape>;
  /** Files the part sees, by path. */
  files: FileEntry[];
  /** `YYYY-MM-DD`. */
  runDate: string;
}

export interface TaskJob<Shape extends Inputs = Inputs> extends Job<Shape> {
  task: string;
  /** What the tasks it depends on returned, by their ids. */
  results: Record<string, unknown>;
  tools: Tools;
}

export interface AnswerJob<Shape extends Inputs = Inputs> extends Job<Shape> {
  /** In the order they settled. */
  results: { taskId: string; title: string; result: unknown }[];
}

type PlannedTask = Pick<Plan["tasks"][number], "taskId" | "title" | "role"> & Partial<Plan["tasks"][number]>;

/** The default export of a playbook's own file. */
export interface Playbook<Shape extends Inputs> {
  title: string;
  about: string;
  inputs: Shape;
  /** The graph of tasks, with what each needs and writes: what a person approves. */
  plan(job: Job<Shape>): { summary: string; tasks: PlannedTask[] };
  /** By task id. Each runs in its own view, with the tools of its role; what it returns is its result. */
  tasks: Record<string, (job: TaskJob<Shape>) => Promise<unknown>>;
  answer?(job: AnswerJob<Shape>): string;
}

export interface Artifact {
  path: string;
  size: number;
}

/** A cell as `table.read` gives it. */
export type Cell = string | number | boolean | null;

export interface TablePage {
  format: "csv" | "xlsx";
  separator?: string;
  encoding?: string;
  sheets?: string[];
  sheet?: string;
  rows: Cell[][];
  rowsTotal: number;
  width: number;
  nextOffset?: number;
}

/** A refused or failed call. */
export interface ToolError extends Error {
  readonly code: string;
  readonly hint: string;
}

type Arguments = Record<string, unknown>;

/** Tools a playbook calls: those of the task's role, of which these are typed. */
export interface Tools {
  file: {
    read(given: {
      path: string;
      offset?: number;
      limit?: number;
    }): Promise<{ text?: string; size: number; nextOffset?: number }>;
    write(given: { path: string; content: string }): Promise<Artifact>;
    append(given: { path: string; content: string }): Promise<Artifact>;
  };
  table: { read(given: { path: string; sheet?: string; offset?: number; limit?: number }): Promise<TablePage> };
  excel: { create(given: Arguments): Promise<unknown> };
  docx: { create(given: Arguments): Promise<unknown> };
  pptx: { create(given: Arguments): Promise<unknown> };
}
