// Scenario files: JSON scripts, or modules whose default export is a scenario. The form is described in ../README.md.

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Conversation } from "./conversation.ts";
import { evaluate } from "./expression.ts";
import { type FaultRule, readFaultRules } from "./faults.ts";
import { failed, type Scenario, type Turn } from "./scenario.ts";

interface ScriptTurn {
  /** Taken when this expression is neither null nor false nor empty. */
  if?: string;
  say?: string;
  calls?: { tool: string; arguments?: unknown }[];
}

/** One turn, or the first of several whose `if` holds. */
type ScriptStep = ScriptTurn | ScriptTurn[];

interface Script {
  name: string;
  /** Regular expression over the goal, without case. */
  goal: string;
  /** The plan, or words instead of one. */
  plan: object | string;
  replans?: { happened: string; plan: object | string }[];
  /** Turns by task id; `*` is for every other task. */
  tasks: Record<string, ScriptStep[]>;
  answer: string;
  faults?: unknown;
}

/** All scenarios of a folder, by file name. @throws {Error} naming the file that is wrong. */
export async function readScenarios(folder: string): Promise<Scenario[]> {
  const scenarios: Scenario[] = [];
  for (const name of readdirSync(folder).sort()) {
    const path = resolve(join(folder, name));
    if (name.endsWith(".json")) scenarios.push(fromScript(readFileSync(path, "utf8"), name));
    else if (name.endsWith(".mjs")) scenarios.push(await fromModule(path, name));
  }
  return scenarios;
}

async function fromModule(path: string, where: string): Promise<Scenario> {
  const loaded: { default?: Partial<Scenario> } = await import(pathToFileURL(path).href);
  const scenario = loaded.default;
  if (
    typeof scenario?.name !== "string" ||
    typeof scenario.matches !== "function" ||
    typeof scenario.answer !== "function"
  )
    throw new Error(`${where}: the default export has no name, matches(conversation) and answer(conversation)`);
  return scenario as Scenario;
}

/** A scenario from a script. @throws {Error} naming what is wrong. */
export function fromScript(text: string, where: string): Scenario {
  const script = checked(JSON.parse(text), where);
  const goal = new RegExp(script.goal, "i");
  const faults: FaultRule[] = readFaultRules(script.faults ?? [], where);
  return {
    name: script.name,
    faults,
    matches: (conversation) => goal.test(conversation.goal),
    answer: (conversation) => turnOf(script, conversation),
  };
}

function checked(value: unknown, where: string): Script {
  const script = value as Partial<Script> | null;
  const problem = (what: string) => new Error(`${where}: ${what}`);
  if (typeof script !== "object" || script === null) throw problem("a scenario is an object");
  for (const key of ["name", "goal", "answer"] as const)
    if (typeof script[key] !== "string") throw problem(`\`${key}\` is not a text`);
  if (typeof script.plan !== "string" && (typeof script.plan !== "object" || script.plan === null))
    throw problem("`plan` is neither a plan nor a text");
  if (typeof script.tasks !== "object" || script.tasks === null) throw problem("`tasks` is no object");
  for (const [id, steps] of Object.entries(script.tasks))
    if (!Array.isArray(steps)) throw problem(`the turns of task ${id} are no list`);
  return script as Script;
}

function turnOf(script: Script, conversation: Conversation): Turn {
  if (conversation.kind === "answer") return { say: textOf(evaluate(script.answer, conversation)) };
  if (conversation.kind === "planner") return plannedBy(script, conversation);
  const { id } = conversation.task;
  const steps = Object.hasOwn(script.tasks, id) ? script.tasks[id] : script.tasks["*"];
  const step = steps?.[conversation.turn - 1];
  if (step === undefined) return failed(`the scenario ${script.name} has no turn ${conversation.turn} for task ${id}`);
  const turn = Array.isArray(step) ? step.find((one) => holds(one.if, conversation)) : step;
  if (turn === undefined)
    return failed(`the scenario ${script.name}: no case of turn ${conversation.turn} of ${id} holds`);
  return {
    say: textOf(evaluate(turn.say ?? "", conversation)),
    calls: (turn.calls ?? []).map((call) => ({
      tool: call.tool,
      arguments: evaluate(call.arguments ?? {}, conversation),
    })),
  };
}

function plannedBy(script: Script, conversation: Conversation): Turn {
  const { happened, turn } = conversation;
  const again = script.replans?.find((replan) => new RegExp(replan.happened, "i").test(happened ?? ""));
  const plan = happened === undefined ? script.plan : (again?.plan ?? script.plan);
  if (typeof plan === "string") return { say: textOf(evaluate(plan, conversation)) };
  if (turn > 1)
    return { say: `The plan of the scenario ${script.name} was not taken: ${conversation.toolResults.at(-1)?.text}` };
  return { say: "Here is the plan.", calls: [{ tool: "plan.submit", arguments: evaluate(plan, conversation) }] };
}

function holds(condition: string | undefined, conversation: Conversation): boolean {
  if (condition === undefined) return true;
  const value = evaluate(condition, conversation);
  return value !== null && value !== false && value !== "";
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
