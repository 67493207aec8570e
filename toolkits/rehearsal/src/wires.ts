// The two wires side by side: keys, questions, lists of models and refusals as each provider has them.

import type { Answer, Completion } from "./answer-pieces.ts";
import { type ChatRequest, complete } from "./chat-wire.ts";
import { checkMessages, checkVersion } from "./messages-check.ts";
import { asChat, completeMessage } from "./messages-wire.ts";
import { Refusal } from "./refusal.ts";
import { checkRequest } from "./request-check.ts";

export type HeaderOf = (name: string) => string | undefined;

/** A question that was checked. */
export interface Asked {
  /** As scenarios read it. */
  chat: ChatRequest;
  stream: boolean;
  complete(answer: Answer, hash: string): Completion;
}

export interface Wire {
  name: "chat" | "messages";
  /** Header that names a request. */
  idHeader: string;
  keyOf(header: HeaderOf): string;
  noKey: string;
  wrongKey(shown: string): Refusal;
  /** @throws {Refusal} */
  checkHeaders(header: HeaderOf): void;
  /** @throws {Refusal} */
  read(body: unknown, models: readonly string[], header: HeaderOf): Asked;
  refusal(refusal: Refusal, requestId: string): object;
  models(ids: readonly string[]): object;
  model(id: string): object;
  noModel(id: string): Refusal;
  /** Words for a fault on demand. */
  faultWords(status: number): { message: string; kind?: string; code?: string };
}

function bearer(header: HeaderOf): string {
  return /^Bearer (.+)$/i.exec(header("authorization") ?? "")?.[1]?.trim() ?? "";
}

const CHAT: Wire = {
  name: "chat",
  idHeader: "x-request-id",
  keyOf: bearer,
  noKey: "You didn't provide an API key. You need to provide your API key in an Authorization header.",
  wrongKey: (shown) => new Refusal(401, `Incorrect API key provided: ${shown}.`, { code: "invalid_api_key" }),
  checkHeaders: () => undefined,
  read: (body, models) => {
    const chat = checkRequest(body, models);
    return { chat, stream: chat.stream === true, complete: (answer, hash) => complete(chat, answer, hash) };
  },
  refusal: (refusal) => refusal.body(),
  models: (ids) => ({ object: "list", data: ids.map((id) => CHAT.model(id)) }),
  model: (id) => ({ id, object: "model", created: 0, owned_by: "open-wrap" }),
  noModel: (id) => new Refusal(404, `The model '${id}' does not exist`, { param: "model", code: "model_not_found" }),
  faultWords: (status) =>
    status === 429
      ? { message: "Rate limit reached for requests.", kind: "requests", code: "rate_limit_exceeded" }
      : { message: "The server had an error while processing your request." },
};

const MESSAGES: Wire = {
  name: "messages",
  idHeader: "request-id",
  keyOf: (header) => header("x-api-key")?.trim() || bearer(header),
  noKey: "x-api-key header is required",
  wrongKey: (shown) => new Refusal(401, `invalid x-api-key (${shown})`),
  checkHeaders: (header) => checkVersion(header("anthropic-version")),
  read: (body, models, header) => {
    const request = checkMessages(body, models, header("anthropic-version") ?? "");
    return {
      chat: asChat(request),
      stream: request.stream === true,
      complete: (answer, hash) => completeMessage(request, answer, hash),
    };
  },
  refusal: (refusal, requestId) => refusal.messagesBody(requestId),
  models: (ids) => ({
    data: ids.map((id) => MESSAGES.model(id)),
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
    has_more: false,
  }),
  model: (id) => ({ type: "model", id, display_name: id, created_at: "1970-01-01T00:00:00Z" }),
  noModel: (id) => new Refusal(404, `model: ${id}`),
  faultWords: (status) => {
    if (status === 429)
      return { message: "This request would exceed your account's rate limit. Please try again later." };
    return { message: status === 529 ? "Overloaded" : "Internal server error" };
  },
};

/** The wire of a request: by its path, and where both have one, by the headers that only one of them sends. */
export function wireOf(path: string, header: HeaderOf): Wire {
  if (path.startsWith("/v1/messages")) return MESSAGES;
  if (path.startsWith("/v1/chat/")) return CHAT;
  return header("anthropic-version") === undefined && header("x-api-key") === undefined ? CHAT : MESSAGES;
}
