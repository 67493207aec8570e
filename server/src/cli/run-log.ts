// A run as lines for a person. Everything that came from a model, a tool or a file is shown inert.

import type { Event, EventOf, RunSummary } from "@openwrap/contracts";
import { budgetWords } from "./budget.ts";
import type { Terminal } from "./terminal.ts";
import { block, line, short } from "./visible.ts";

const SUMMARY_CHARS_MAX = 160;

export class RunLog {
  private readonly terminal: Terminal;
  private readonly started: number;
  private readonly titles = new Map<string, string>();
  private retired = 0;

  constructor(terminal: Terminal, run: RunSummary, url: string | undefined) {
    this.terminal = terminal;
    this.started = run.createdAt;
    terminal.out(line(`Run ${run.number} (${run.runId}) with ${run.model}${url ? `, also at ${url}` : ""}`));
  }

  show(event: Event): void {
    const text = this.text(event);
    if (text !== undefined) this.terminal.out(`${this.clock(event.at)}  ${text}`);
    if (event.type === "plan_proposed") this.plan(event);
  }

  finish(event: EventOf<"run_finished">): void {
    const { terminal } = this;
    terminal.out(`${this.clock(event.at)}  ${event.status}`);
    if (event.error) terminal.out(line(`${event.error.code}: ${event.error.message}`));
    if (event.answer) terminal.out(`\n${block(event.answer)}\n`);
    for (const { path, size } of event.artifacts) terminal.out(line(`file    ${path}  ${size} bytes`));
    if (event.runDigest) terminal.out(`digest  ${event.runDigest}`);
  }

  /** Minutes and seconds since the start. */
  private clock(at: number): string {
    const seconds = Math.max(0, Math.floor((at - this.started) / 1000));
    return `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  private title(event: Event): string {
    const id = event.taskId ?? "";
    return short(this.titles.get(id) ?? id, SUMMARY_CHARS_MAX);
  }

  private plan({ plan, bundle }: EventOf<"plan_proposed">): void {
    this.titles.clear();
    for (const { taskId, title, role, dependsOn = [] } of plan.tasks) {
      this.titles.set(taskId, title);
      const after = dependsOn.length === 0 ? "" : `  after ${dependsOn.join(", ")}`;
      this.terminal.out(short(`          ${taskId}: ${title}  (${role})${after}`, SUMMARY_CHARS_MAX));
    }
    if (bundle.length > 0) this.terminal.out(line(`          asks for ${bundle.join(", ")}`));
  }

  private text(event: Event): string | undefined {
    const cut = (text: string): string => short(text, SUMMARY_CHARS_MAX);
    switch (event.type) {
      case "plan_proposed":
        return `plan ${event.version}: ${cut(event.plan.summary)}`;
      case "plan_accepted":
        return `plan ${event.version} accepted`;
      case "plan_rejected":
        return `plan ${event.version} rejected ${cut(event.reason ?? "")}`.trim();
      case "plan_refused":
        return `no plan: ${block(event.message)}`;
      case "task_started":
        return `start   ${this.title(event)}  (attempt ${event.attempt ?? 1})`;
      case "tool_requested":
        return `tool    ${this.title(event)}: ${cut(`${event.tool} ${event.summary}`)}`;
      case "tool_refused":
        return `refused ${this.title(event)}: ${cut(`${event.tool} ${event.summary}`)}  ${event.code}`;
      case "tool_finished":
        return event.isError ? `error   ${this.title(event)}: ${cut(`${event.tool} ${event.preview}`)}` : undefined;
      case "model_finished":
        return event.error
          ? `error   ${this.title(event)}: ${event.error.code} ${cut(event.error.message)}`
          : undefined;
      case "model_fell_back":
        return `other   ${this.title(event)}: ${cut(`${event.from} gave no answer (${event.error.code}), ${event.to} is asked`)}`;
      case "budget_set":
        return `budget  ${event.budget ? budgetWords(event.budget) : "none"}`;
      case "task_completed":
        return `done    ${this.title(event)}`;
      case "task_failed":
        return `failed  ${this.title(event)}: ${event.code} ${cut(event.message)}`;
      case "task_retired":
        this.retired += 1;
        return `settled ${this.title(event)}  (${this.retired} of ${this.titles.size})`;
      case "task_reopened":
        return `again   ${this.title(event)}: ${cut(event.paths.join(", "))} changed meanwhile`;
      case "replan_requested":
        return `replan  ${cut(event.reason)}`;
      case "approval_requested":
        return `asks    ${cut(event.question.sentence)}`;
      case "approval_resolved":
        return `answer  ${event.decision.allow ? `yes, ${event.decision.scope}` : cut(`no ${event.decision.reason ?? ""}`)}`;
      case "connection_refused":
        return `refused connection to ${cut(event.host)}:${event.port}: ${cut(event.reason)}`;
      case "run_paused":
        return "paused";
      case "run_resumed":
        return "resumed";
      case "run_stopping":
        return `stopping: ${cut(event.reason)}`;
      default:
        return undefined;
    }
  }
}
