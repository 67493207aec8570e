// Expressions of scenario files: `{{goal}}`, `{{task}}`, `{{turn}}`, `{{runDate}}`, `{{result N POINTER}}`, `{{earlier TASK POINTER}}`,
// `{{file N}}`. N counts from 0, from the end when negative. POINTER is a JSON pointer (RFC 6901); where it leads into a text, the
// text is read as JSON. A text that is one expression takes its value, typed; inside a longer text the value is written as text.
// What is not there is null.

import { type Conversation, parsed } from "./conversation.ts";

const ONE = /^\{\{([^{}]*)\}\}$/;
const EACH = /\{\{([^{}]*)\}\}/g;

/** Replaces every expression in a JSON value. @throws {Error} for one that is not in the language. */
export function evaluate(value: unknown, conversation: Conversation): unknown {
  if (typeof value === "string") return ofText(value, conversation);
  if (Array.isArray(value)) return value.map((entry) => evaluate(entry, conversation));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, evaluate(entry, conversation)]));
}

function ofText(text: string, conversation: Conversation): unknown {
  const whole = ONE.exec(text)?.[1];
  if (whole !== undefined) return evaluated(whole, conversation);
  return text.replace(EACH, (_, expression: string) => {
    const value = evaluated(expression, conversation);
    return typeof value === "string" ? value : JSON.stringify(value);
  });
}

function evaluated(expression: string, conversation: Conversation): unknown {
  const [word = "", which = "", pointer = ""] = expression.trim().split(/\s+/);
  switch (word) {
    case "goal":
      return conversation.goal;
    case "task":
      return conversation.task.id;
    case "turn":
      return conversation.turn;
    case "runDate":
      return conversation.runDate;
    case "file":
      return conversation.files.at(Number(which))?.path ?? null;
    case "result":
      return pointed(conversation.toolResults.at(Number(which))?.value, pointer);
    case "earlier":
      return pointed(conversation.results.get(which), pointer);
    default:
      throw new Error(`{{${expression}}} is no expression`);
  }
}

function pointed(value: unknown, pointer: string): unknown {
  if (pointer !== "" && !pointer.startsWith("/")) throw new Error(`${JSON.stringify(pointer)} is no JSON pointer`);
  let found = value;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const inner = typeof found === "string" ? parsed(found) : found;
    if (typeof inner !== "object" || inner === null || !Object.hasOwn(inner, key)) return null;
    found = (inner as Record<string, unknown>)[key];
  }
  return found ?? null;
}
