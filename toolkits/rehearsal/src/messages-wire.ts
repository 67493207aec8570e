// The wire of Anthropic messages (`POST /v1/messages`), as far as this server speaks it.
// Source: Anthropic's API reference (versions 2023-06-01 and 2026-10-21), and what its client for Node reads.

import { type Answer, type Completion, type Fitted, fragments, withinTokens, words } from "./answer-pieces.ts";
import type { ChatRequest, ImagePart, TextPart, WireMessage } from "./chat-wire.ts";
import { tokensOfPart } from "./token-count.ts";

export interface CacheControl {
  type: "ephemeral";
  ttl?: "5m" | "1h";
}

export interface TextBlock {
  type: "text";
  text: string;
  cache_control?: CacheControl | null;
}

export interface ImageBlock {
  type: "image";
  source: { type: "base64"; media_type: string; data: string };
  cache_control?: CacheControl | null;
}

export interface ToolUseBlock {
  type: "tool_use";
  id: string;
  name: string;
  input: Record<string, unknown>;
  cache_control?: CacheControl | null;
}

export interface ToolResultBlock {
  type: "tool_result";
  tool_use_id: string;
  content?: string | readonly (TextBlock | ImageBlock)[];
  is_error?: boolean;
  cache_control?: CacheControl | null;
}

export type Block = TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock;

export interface TurnMessage {
  role: "user" | "assistant";
  content: string | readonly Block[];
}

/** A request that was checked. */
export interface MessagesRequest {
  model: string;
  max_tokens: number;
  messages: readonly TurnMessage[];
  system?: string | readonly TextBlock[];
  tools?: readonly { name: string; description?: string; input_schema: Record<string, unknown> }[];
  stream?: boolean;
}

interface Usage {
  input_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
  output_tokens: number;
}

/** Shorter begins are not kept by the provider. */
const CACHE_TOKENS_MIN = 1_024;
const MALFORMED = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":\n\n';
const ERROR = event({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });

type EventData = { type: string } & Record<string, unknown>;

function event(data: EventData): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

export function blocksOf(content: string | readonly Block[]): readonly Block[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** The same conversation as the other wire would carry it: scenarios read one form. */
export function asChat(request: MessagesRequest): ChatRequest {
  const system =
    typeof request.system === "string" ? request.system : (request.system ?? []).map((block) => block.text).join("");
  const messages: WireMessage[] = system === "" ? [] : [{ role: "system", content: system }];
  for (const { role, content } of request.messages) {
    const blocks = blocksOf(content);
    if (role === "assistant") messages.push(saidBy(blocks));
    else messages.push(...resultsIn(blocks), ...wordsOf(blocks));
  }
  const tools = (request.tools ?? []).map(({ name, description, input_schema }) => ({
    type: "function" as const,
    function: { name, ...(description === undefined ? {} : { description }), parameters: input_schema },
  }));
  return {
    model: request.model,
    messages,
    ...(tools.length > 0 ? { tools } : {}),
    stream: request.stream === true,
    max_tokens: request.max_tokens,
  };
}

function saidBy(blocks: readonly Block[]): WireMessage {
  const text = blocks.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");
  const calls = blocks.flatMap((block) =>
    block.type === "tool_use"
      ? [
          {
            id: block.id,
            type: "function" as const,
            function: { name: block.name, arguments: JSON.stringify(block.input) },
          },
        ]
      : [],
  );
  return { role: "assistant", content: text, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
}

function resultsIn(blocks: readonly Block[]): WireMessage[] {
  return blocks.flatMap((block) => {
    if (block.type !== "tool_result") return [];
    const parts = typeof block.content === "string" ? [] : (block.content ?? []);
    const text = parts.map((part) => (part.type === "text" ? part.text : "")).join("");
    return [
      {
        role: "tool" as const,
        tool_call_id: block.tool_use_id,
        content: typeof block.content === "string" ? block.content : text,
      },
    ];
  });
}

function wordsOf(blocks: readonly Block[]): WireMessage[] {
  const parts = blocks.flatMap((block): (TextPart | ImagePart)[] => {
    if (block.type === "text") return [{ type: "text", text: block.text }];
    if (block.type !== "image") return [];
    return [{ type: "image_url", image_url: { url: `data:${block.source.media_type};base64,${block.source.data}` } }];
  });
  return parts.length === 0 ? [] : [{ role: "user", content: parts }];
}

/** Tokens of any part of a request; marks for the cache count nothing. */
export function tokensIn(part: unknown): number {
  return tokensOfPart(part, { picture: "source", unseen: "cache_control" });
}

/**
 * What would be counted if every request came once, in order: up to the last mark what the step before had is read from the cache, the
 * rest written into it.
 */
function usageOf({ tools, system, messages }: MessagesRequest, output: number): Usage {
  const marked = (part: unknown): boolean => JSON.stringify(part ?? null).includes('"cache_control":{');
  const head = tokensIn([tools, system]);
  const sizes = messages.map((message) => tokensIn(message));
  const all = head + sizes.reduce((sum, size) => sum + size, 0);
  const lastMark = messages.findLastIndex((message) => marked(message.content));
  const upTo = (count: number): number => head + sizes.slice(0, count).reduce((sum, size) => sum + size, 0);
  const kept = lastMark >= 0 ? upTo(lastMark + 1) : marked([tools, system]) ? head : 0;
  const lastAnswer = messages.findLastIndex((message) => message.role === "assistant");
  const before = lastMark >= 0 && lastAnswer >= 0 ? upTo(lastAnswer) : 0;
  const caches = kept >= CACHE_TOKENS_MIN;
  const read = caches && before >= CACHE_TOKENS_MIN ? before : 0;
  const written = caches ? kept - read : 0;
  return {
    input_tokens: Math.max(all - read - written, 1),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    output_tokens: output,
  };
}

/** Builds the answer to a request. `hash` names it: the same request gets the same bytes. */
export function completeMessage(request: MessagesRequest, answer: Answer, hash: string): Completion {
  const fitted = withinTokens(answer, request.max_tokens);
  const usage = usageOf(request, Math.max(fitted.tokens, 1));
  const stop = fitted.wasCut ? "max_tokens" : fitted.calls.length > 0 ? "tool_use" : "end_turn";
  const head = {
    id: `msg_${hash.slice(0, 24)}`,
    type: "message",
    role: "assistant",
    model: request.model,
  };
  const content = [
    ...(fitted.text === "" ? [] : [{ type: "text", text: fitted.text }]),
    ...fitted.calls.map(({ name, json }, place) => ({
      type: "tool_use",
      id: idOf(hash, place),
      name,
      input: parsed(json),
    })),
  ];
  return {
    whole: JSON.stringify({ ...head, content, stop_reason: stop, stop_sequence: null, usage }),
    events: [
      event({
        type: "message_start",
        message: {
          ...head,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { ...usage, output_tokens: 1 },
        },
      }),
      ...eventsOf(fitted, hash),
      event({ type: "message_delta", delta: { stop_reason: stop, stop_sequence: null }, usage }),
      event({ type: "message_stop" }),
    ],
    last: "",
    malformed: MALFORMED,
    error: ERROR,
  };
}

function idOf(hash: string, place: number): string {
  return `toolu_${hash.slice(24, 46)}${String(place).padStart(2, "0")}`;
}

/** What is left of an input whose end was cut off is no JSON. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}

function eventsOf({ text, calls }: Fitted, hash: string): string[] {
  const events: string[] = [];
  let index = 0;
  const block = (start: object, deltas: readonly object[]): void => {
    events.push(event({ type: "content_block_start", index, content_block: start }));
    if (index === 0) events.push(event({ type: "ping" }));
    for (const delta of deltas) events.push(event({ type: "content_block_delta", index, delta }));
    events.push(event({ type: "content_block_stop", index }));
    index += 1;
  };
  const said = words(text).map((piece) => ({ type: "text_delta", text: piece }));
  if (said.length > 0) block({ type: "text", text: "" }, said);
  for (const [place, { name, json }] of calls.entries()) {
    const pieces = ["", ...fragments(json)].map((piece) => ({ type: "input_json_delta", partial_json: piece }));
    block({ type: "tool_use", id: idOf(hash, place), name, input: {} }, pieces);
  }
  return events;
}
