// What a request says, as a scenario sees it. Read from the prompts of `native/agent/src/prompt.rs`; a request of any other
// program is a conversation of kind `other`.

import { type ChatRequest, textOf, type WireMessage } from "./chat-wire.ts";
import type { Picture } from "./picture.ts";

/** `picture`: a question about one, outside of any task's conversation. */
export type Kind = "planner" | "worker" | "answer" | "picture" | "other";

/** Result of a tool call. */
export interface ToolResult {
  /** Name on the wire, as `file_read`. */
  tool: string;
  /** As the model reads it. */
  text: string;
  /** The parsed text, or the text itself where it is no JSON. */
  value: unknown;
}

export interface ProjectFile {
  path: string;
  /** Bytes. */
  size: number;
}

export interface Conversation {
  kind: Kind;
  /** From `Role: NAME`, else empty. */
  role: string;
  goal: string;
  /** The worker's task; empty for others. */
  task: { id: string; title: string; description: string };
  /** Result texts of earlier tasks, by id. */
  results: ReadonlyMap<string, string>;
  files: readonly ProjectFile[];
  /** Why the planner is asked again. */
  happened: string | undefined;
  runDate: string;
  /** 1 for the first answer asked of this conversation. */
  turn: number;
  /** Of all tool calls so far, in order. */
  toolResults: readonly ToolResult[];
  /** Wire names of the tools on offer. */
  tools: readonly string[];
  /** Of the last message. */
  pictures: readonly Picture[];
}

const PLAN_TOOL = "plan_submit";

export function readConversation(request: ChatRequest): Conversation {
  const { messages } = request;
  const tools = (request.tools ?? []).map((tool) => tool.function.name);
  const system = messages.find((message) => message.role === "system" || message.role === "developer");
  const user = messages.find((message) => message.role === "user");
  const role = /^Role: (\S+)/.exec(system === undefined ? "" : textOf(system))?.[1] ?? "";
  const prompt = user === undefined ? "" : textOf(user);
  const sections = new Sections(prompt);
  const pictures = picturesOf(messages.at(-1));
  const kind = pictures.length > 0 ? "picture" : kindOf(role, sections, tools);
  return {
    kind,
    role,
    goal: kind === "other" || kind === "picture" ? prompt.trim() : sections.first("Goal"),
    task: taskOf(sections.first("Your task")),
    results: resultsOf(
      kind === "answer" ? sections.first("Results of tasks") : sections.first("Results of earlier tasks"),
    ),
    files: filesOf(kind === "answer" ? sections.last("Delivered files") : sections.last("Project files")),
    happened: kind === "planner" ? sections.optional("What happened") : undefined,
    runDate: sections.last("Run date"),
    turn: messages.filter((message) => message.role === "assistant").length + 1,
    toolResults: toolResultsOf(messages),
    tools,
    pictures,
  };
}

function picturesOf(message: WireMessage | undefined): Picture[] {
  if (message === undefined || typeof message.content === "string") return [];
  return (message.content ?? []).flatMap((part) => {
    const [, mediaType, data] =
      part.type === "image_url" ? (/^data:([^;,]+);base64,(.+)$/.exec(part.image_url.url) ?? []) : [];
    return mediaType === undefined || data === undefined ? [] : [{ mediaType, bytes: Buffer.from(data, "base64") }];
  });
}

function kindOf(role: string, sections: Sections, tools: readonly string[]): Kind {
  if (role === "" || sections.optional("Goal") === undefined) return "other";
  if (tools.includes(PLAN_TOOL)) return "planner";
  if (sections.optional("Your task") !== undefined) return "worker";
  return sections.optional("Results of tasks") === undefined ? "other" : "answer";
}

const TITLES =
  "Goal|Your task|Deliverables|Results of earlier tasks|Results of tasks|Earlier try|Run date|Project files|Delivered files|What happened";

/** Parts of a prompt, each under its own heading. Text of people and of results may hold such a heading too. */
class Sections {
  readonly #found: { title: string; text: string }[];

  constructor(prompt: string) {
    const heads = [...prompt.matchAll(new RegExp(`^# (${TITLES})$`, "gm"))];
    this.#found = heads.map((head, index) => ({
      title: head[1] ?? "",
      text: prompt.slice(head.index + head[0].length, heads[index + 1]?.index ?? prompt.length).trim(),
    }));
  }

  optional(title: string): string | undefined {
    return this.#found.find((section) => section.title === title)?.text;
  }

  first(title: string): string {
    return this.optional(title) ?? "";
  }

  last(title: string): string {
    return this.#found.findLast((section) => section.title === title)?.text ?? "";
  }
}

function taskOf(text: string): Conversation["task"] {
  const [, id = "", title = "", description = ""] = /^id: (\S+)\ntitle: (.*)\n?([\s\S]*)$/.exec(text) ?? [];
  return { id, title, description: description.trim() };
}

/** `## ID` or `## ID (TITLE)`, then the text. */
function resultsOf(text: string): Map<string, string> {
  const heads = [...text.matchAll(/^## ([a-z0-9][a-z0-9_-]{0,63})(?: \(.*\))?$/gm)];
  const results = new Map<string, string>();
  for (const [index, head] of heads.entries()) {
    const body = text.slice(head.index + head[0].length, heads[index + 1]?.index ?? text.length);
    results.set(head[1] ?? "", body.trim());
  }
  return results;
}

function filesOf(text: string): ProjectFile[] {
  return text.split("\n").flatMap((line) => {
    const [, path, size] = /^(.+) \((\d+) bytes\)$/.exec(line) ?? [];
    return path === undefined ? [] : [{ path, size: Number(size) }];
  });
}

function toolResultsOf(messages: readonly WireMessage[]): ToolResult[] {
  const names = new Map<string, string>();
  const results: ToolResult[] = [];
  for (const message of messages) {
    for (const call of message.tool_calls ?? []) names.set(call.id, call.function.name);
    if (message.role !== "tool") continue;
    const text = textOf(message);
    results.push({ tool: names.get(message.tool_call_id ?? "") ?? "", text, value: parsed(text) });
  }
  return results;
}

/** JSON, or the text itself. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
