// Questions of a run: asked in the terminal one after another, or answered as `--approve` says.

import { randomUUID } from "node:crypto";
import type { ApprovePolicy, Decision, Event, Question, Scope } from "@openwrap/contracts";
import type { Client } from "@openwrap/contracts/client";
import type { Terminal } from "./terminal.ts";
import { block, line } from "./visible.ts";

const SCOPE_WORDS: Record<Scope, string> = {
  once: "once: yes, this time",
  task: "task: yes, for this task",
  run: "run: yes, for the whole run",
};

export class Questions {
  private readonly client: Client;
  private readonly terminal: Terminal;
  private readonly approve: ApprovePolicy;
  private readonly waiting: Question[] = [];
  private asking: { approvalId: string; gone: AbortController } | undefined;
  private closed = false;

  constructor(client: Client, terminal: Terminal, approve: ApprovePolicy) {
    this.client = client;
    this.terminal = terminal;
    this.approve = approve;
  }

  /** Takes note of a question that appeared, or needs no answer any more. */
  look(event: Event): void {
    if (event.type === "approval_requested") {
      if (this.approve === "ask") {
        this.waiting.push(event.question);
        void this.askNext();
      } else void this.answer(event.question, standing(event.question, this.approve));
    }
    if (event.type === "approval_resolved" || event.type === "approval_withdrawn") this.drop(event.approvalId);
  }

  /** Nothing is asked after this. */
  close(): void {
    this.closed = true;
    this.waiting.length = 0;
    this.asking?.gone.abort();
  }

  private drop(approvalId: string): void {
    const at = this.waiting.findIndex((question) => question.approvalId === approvalId);
    if (at !== -1) this.waiting.splice(at, 1);
    if (this.asking?.approvalId === approvalId) this.asking.gone.abort();
  }

  private async askNext(): Promise<void> {
    if (this.asking || this.closed) return;
    const question = this.waiting.shift();
    if (!question) return;
    const gone = new AbortController();
    this.asking = { approvalId: question.approvalId, gone };
    try {
      const decision = await this.ask(question, gone.signal);
      await this.answer(question, decision);
    } catch (error) {
      // Answered elsewhere, or nobody is at the terminal any more: then the question stays open for the page.
      const why = gone.signal.aborted ? "needs no answer any more" : error instanceof Error ? error.message : "";
      if (!this.closed) this.terminal.err(`(${line(why)})`);
    } finally {
      this.asking = undefined;
      void this.askNext();
    }
  }

  private async ask(question: Question, gone: AbortSignal): Promise<Decision> {
    for (const row of described(question)) this.terminal.err(row);
    for (;;) {
      const typed = await this.terminal.ask("> ", gone);
      const decision = readDecision(typed, question);
      if (decision) return decision;
      this.terminal.err(`Type one of: ${question.scopes.join(", ")}, no, no because …`);
    }
  }

  private async answer({ approvalId }: Question, decision: Decision): Promise<void> {
    try {
      await this.client.approval.resolve({ requestId: randomUUID(), approvalId, decision });
    } catch (error) {
      // Somebody was quicker; the stream says what was decided.
      if (error instanceof Error && "code" in error && (error.code === "NOT_FOUND" || error.code === "INVALID_STATE"))
        return;
      this.terminal.err(line(`The answer was not taken: ${error instanceof Error ? error.message : String(error)}`));
    }
  }
}

function described(question: Question): string[] {
  const labels = question.labels.length === 0 ? [] : [`  It has read untrusted text: ${question.labels.join(", ")}`];
  return [
    "",
    line(question.sentence),
    ...block(question.exact)
      .split("\n")
      .map((row) => `  | ${row}`),
    `  Why: ${line(question.why)}`,
    ...labels,
    ...(question.adds.length === 0 ? [] : [`  A yes gives: ${line(question.adds.join(", "))}`]),
    `  ${[...question.scopes.map((scope) => SCOPE_WORDS[scope]), `no [because …]: ${line(question.ifNo)}`].join("\n  ")}`,
  ];
}

/** What was typed, as a decision; nothing when it is none. A bare "yes" takes the narrowest scope. */
export function readDecision(typed: string, { scopes }: Pick<Question, "scopes">): Decision | undefined {
  const text = typed.trim();
  const narrowest = scopes[0] ?? "once";
  const no = /^no?(?:[,:]?\s+(?:because\s+)?(.+))?$/is.exec(text);
  if (no) return { allow: false, scope: narrowest, ...(no[1] === undefined ? {} : { reason: no[1] }) };
  const word = text.toLowerCase();
  if (word === "y" || word === "yes") return { allow: true, scope: narrowest };
  const scope = scopes.find((candidate) => candidate === word);
  return scope === undefined ? undefined : { allow: true, scope };
}

/** What the core asks although the run was started without a person: acts of unknown outcome, conflicts. */
function standing({ kind, scopes }: Question, approve: "bundle" | "all"): Decision {
  const scope = scopes[0] ?? "once";
  // A budget is a limit, not a permission: without a person it holds.
  if (kind === "budget") return { allow: false, scope };
  if (approve === "all" || kind === "plan") return { allow: true, scope };
  return { allow: false, scope, reason: "this run was started with --approve bundle, and nobody is asked" };
}
