// The wire of OpenAI chat completions (`POST /v1/chat/completions`), as far as this server speaks it.
// Source: the API reference of OpenAI, and what its client for Node reads.

import { type Answer, type Completion, type Fitted, fragments, withinTokens, words } from "./answer-pieces.ts";
import { tokensOf, tokensOfPart } from "./token-count.ts";

export interface WireCall {
  id: string;
  type: "function";
  /** `arguments` is JSON text. */
  function: { name: string; arguments: string };
}

export interface TextPart {
  type: "text";
  text: string;
}

/** A picture of a user's message, as a `data:` address. */
export interface ImagePart {
  type: "image_url";
  image_url: { url: string };
}

export interface WireMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | readonly (TextPart | ImagePart)[] | null;
  tool_calls?: readonly WireCall[];
  tool_call_id?: string;
}

export interface WireTool {
  type: "function";
  function: { name: string; description?: string; parameters?: Record<string, unknown> };
}

/** A request that was checked. */
export interface ChatRequest {
  model: string;
  messages: readonly WireMessage[];
  tools?: readonly WireTool[];
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  max_completion_tokens?: number | null;
  max_tokens?: number | null;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

const MALFORMED = '{"id":"chatcmpl-broken","choices":[{"delta":{"content":';
const ERROR = JSON.stringify({
  error: {
    message: "The server had an error while processing your request.",
    type: "server_error",
    param: null,
    code: null,
  },
});

/** Text of a message whose content may come in parts. */
export function textOf(message: WireMessage): string {
  const { content } = message;
  if (content === undefined || content === null) return "";
  return typeof content === "string"
    ? content
    : content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

export function tokensOfMessages(messages: unknown): number {
  return tokensOfPart(messages, { picture: "image_url" });
}

function event(data: string): string {
  return `data: ${data}\n\n`;
}

/** Builds the answer to a request. `hash` names it: the same request gets the same bytes. */
export function complete(request: ChatRequest, answer: Answer, hash: string): Completion {
  const limit = request.max_completion_tokens ?? request.max_tokens ?? Number.POSITIVE_INFINITY;
  const fitted = withinTokens(answer, limit);
  const calls = callsOf(fitted, hash);
  const { text } = fitted;
  const prompt = tokensOfMessages(request.messages) + tokensOf(JSON.stringify(request.tools ?? []));
  const completion = fitted.tokens;
  const usage: Usage = {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  };
  const finish = fitted.wasCut ? "length" : calls.length > 0 ? "tool_calls" : "stop";
  const head = { id: `chatcmpl-${hash.slice(0, 29)}`, created: 0, model: request.model };
  const message = {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
    refusal: null,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
  const whole = JSON.stringify({
    ...head,
    object: "chat.completion",
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    usage,
  });
  return {
    whole,
    events: chunksOf({ request, text, calls, finish, head, usage }).map(event),
    last: event("[DONE]"),
    malformed: event(MALFORMED),
    error: event(ERROR),
  };
}

function callsOf({ calls }: Fitted, hash: string): WireCall[] {
  return calls.map(({ name, json }, index) => ({
    id: `call_${hash.slice(0, 22)}${String(index).padStart(2, "0")}`,
    type: "function",
    function: { name, arguments: json },
  }));
}

interface Pieces {
  request: ChatRequest;
  text: string;
  calls: WireCall[];
  finish: string;
  head: object;
  usage: Usage;
}

function chunksOf({ request, text, calls, finish, head, usage }: Pieces): string[] {
  const counted = request.stream_options?.include_usage === true;
  const chunk = (choices: readonly object[], used: Usage | null = null): string =>
    JSON.stringify({ ...head, object: "chat.completion.chunk", choices, ...(counted ? { usage: used } : {}) });
  const delta = (content: object, reason: string | null = null): string =>
    chunk([{ index: 0, delta: content, logprobs: null, finish_reason: reason }]);
  const chunks = [delta({ role: "assistant", content: text === "" && calls.length > 0 ? null : "", refusal: null })];
  for (const piece of words(text)) chunks.push(delta({ content: piece }));
  for (const [index, call] of calls.entries()) {
    const { name, arguments: json } = call.function;
    chunks.push(
      delta({ tool_calls: [{ index, id: call.id, type: call.type, function: { name, arguments: "" } }] }),
      ...fragments(json).map((piece) => delta({ tool_calls: [{ index, function: { arguments: piece } }] })),
    );
  }
  chunks.push(delta({}, finish));
  if (counted) chunks.push(chunk([], usage));
  return chunks;
}
