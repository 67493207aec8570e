// A scenario: which goals it can do, and what the model says in each turn. A pure function of the conversation.

import type { Answer } from "./answer-pieces.ts";
import type { Conversation } from "./conversation.ts";
import type { FaultRule } from "./faults.ts";
import { wordsAbout } from "./picture.ts";

/** What the model says: words, and calls by the tools' global names (`file.read`). */
export interface Turn {
  say: string;
  calls?: readonly { tool: string; arguments: unknown }[];
}

export interface Scenario {
  name: string;
  /** Whether this goal is one of its own. */
  matches(conversation: Conversation): boolean;
  /** The next turn; a planner's turn without calls is a refusal in words. */
  answer(conversation: Conversation): Turn;
  faults?: readonly FaultRule[];
}

export const SAMPLE_GOAL = "Analyse this data and give me a workbook, a report and a deck.";

const CANNOT =
  "The rehearsal model cannot do this goal. It only shows how Open Wrap works, with one job that needs no key. " +
  `Add a model, or try the sample goal: "${SAMPLE_GOAL}"`;

/** Name of a tool on the wire. Names over 64 characters have another form, which no scenario uses. */
export function wireName(tool: string): string {
  return tool.replace(/[^A-Za-z0-9_-]/g, "_");
}

export function scenarioOf(scenarios: readonly Scenario[], conversation: Conversation): Scenario | undefined {
  if (conversation.kind === "other" || conversation.kind === "picture") return undefined;
  return scenarios.find((scenario) => scenario.matches(conversation));
}

/** The answer of a scenario; without one, plain words (a worker says that it cannot, by its tool). */
export function answerOf(scenario: Scenario | undefined, conversation: Conversation): Answer {
  const turn = scenario?.answer(conversation) ?? cannot(conversation);
  return {
    text: turn.say,
    calls: (turn.calls ?? []).map((call) => ({ name: wireName(call.tool), arguments: call.arguments })),
  };
}

function cannot(conversation: Conversation): Turn {
  if (conversation.kind === "picture") return { say: conversation.pictures.map(wordsAbout).join("\n\n") };
  return conversation.kind === "worker" ? failed(CANNOT) : { say: CANNOT };
}

/** A worker gives up. */
export function failed(reason: string): Turn {
  return { say: "", calls: [{ tool: "task.fail", arguments: { reason } }] };
}
