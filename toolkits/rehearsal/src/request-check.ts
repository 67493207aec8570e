// What a real provider refuses, refused here too, with the provider's own words where they are known.

import type { ChatRequest, WireMessage } from "./chat-wire.ts";
import { tokensOfMessages } from "./chat-wire.ts";
import { Refusal, wrong } from "./refusal.ts";
import { checkParameters } from "./schema-check.ts";

type Json = Record<string, unknown>;

const ROLES = ["system", "assistant", "user", "function", "tool", "developer"];
const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const TOOLS_MAX = 128;
const CONTEXT_TOKENS_MAX = 1_000_000;
const DESCRIPTION_CHARS_MAX = 4096;
/** Parameters the provider knows; any other one is refused. */
const KNOWN = new Set(
  (
    "model messages tools tool_choice parallel_tool_calls stream stream_options max_completion_tokens max_tokens temperature " +
    "top_p n stop presence_penalty frequency_penalty logit_bias logprobs top_logprobs response_format seed user metadata store " +
    "service_tier reasoning_effort verbosity modalities prediction prompt_cache_key safety_identifier"
  ).split(" "),
);

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws {Refusal} naming the first thing that is wrong. */
export function checkRequest(body: unknown, models: readonly string[]): ChatRequest {
  if (!isObject(body)) throw new Refusal(400, "We could not parse the JSON body of your request: it is not an object.");
  const unknown = Object.keys(body).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw new Refusal(400, `Unrecognized request argument supplied: ${unknown}`);
  const { model, messages } = body;
  if (typeof model !== "string" || model === "") throw new Refusal(400, "you must provide a model parameter");
  if (messages === undefined)
    throw wrong("messages", "Missing required parameter: 'messages'.", "missing_required_parameter");
  if (!Array.isArray(messages)) throw ofType("messages", "an array of objects", messages);
  if (messages.length === 0) {
    const why = "Expected an array with minimum length 1, but got an empty array instead.";
    throw wrong("messages", `Invalid 'messages': empty array. ${why}`, "empty_array");
  }
  for (const [index, message] of messages.entries()) checkMessage(message, `messages[${index}]`);
  checkTurns(messages);
  checkTools(body);
  checkNumbers(body);
  checkStream(body);
  const tokens = tokensOfMessages(messages);
  if (tokens > CONTEXT_TOKENS_MAX) {
    const why = `This model's maximum context length is ${CONTEXT_TOKENS_MAX} tokens. However, your messages resulted in ${tokens} tokens.`;
    throw wrong("messages", why, "context_length_exceeded");
  }
  if (!models.includes(model)) {
    const why = `The model \`${model}\` does not exist or you do not have access to it.`;
    throw new Refusal(404, why, { code: "model_not_found" });
  }
  return body as unknown as ChatRequest;
}

function ofType(param: string, wanted: string, got: unknown): Refusal {
  const kind = got === null ? "null" : Array.isArray(got) ? "an array" : `a ${typeof got}`;
  return wrong(param, `Invalid type for '${param}': expected ${wanted}, but got ${kind} instead.`, "invalid_type");
}

function checkMessage(message: unknown, param: string): asserts message is WireMessage {
  if (!isObject(message)) throw ofType(param, "an object", message);
  const { role, content } = message;
  if (typeof role !== "string" || !ROLES.includes(role)) {
    const names = ROLES.map((name) => `'${name}'`);
    const supported = `${names.slice(0, -1).join(", ")}, and ${names.at(-1)}`;
    throw wrong(
      `${param}.role`,
      `Invalid value: ${JSON.stringify(role ?? null)}. Supported values are: ${supported}.`,
      "invalid_value",
    );
  }
  if (role === "function") throw wrong(`${param}.role`, "Messages with role 'function' are no longer supported.");
  const mayBeNull = role === "assistant" && (message.tool_calls !== undefined || typeof message.refusal === "string");
  if (content === undefined || content === null) {
    if (!mayBeNull) {
      const why = `Invalid value for 'content': expected a string, got null.`;
      throw wrong(`${param}.content`, why, "invalid_value");
    }
  } else checkContent(content, `${param}.content`, role === "user");
  if (message.tool_calls !== undefined) {
    if (role !== "assistant")
      throw wrong(`${param}.tool_calls`, `Unknown parameter: '${param}.tool_calls'.`, "unknown_parameter");
    checkCalls(message.tool_calls, `${param}.tool_calls`);
  }
  if (role === "tool" && (typeof message.tool_call_id !== "string" || message.tool_call_id === "")) {
    throw wrong(
      `${param}.tool_call_id`,
      `Missing required parameter: '${param}.tool_call_id'.`,
      "missing_required_parameter",
    );
  }
}

const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/;

/** Text, or parts of text; in a user's message pictures too. This model reads nothing else. */
function checkContent(content: unknown, param: string, pictures: boolean): void {
  if (typeof content === "string") return;
  if (!Array.isArray(content)) throw ofType(param, "one of a string or array of objects", content);
  if (content.length === 0) throw wrong(param, `Invalid '${param}': empty array.`, "empty_array");
  for (const [index, part] of content.entries()) {
    const place = `${param}[${index}]`;
    if (!isObject(part)) throw ofType(place, "an object", part);
    if (part.type === "image_url" && pictures) {
      checkPicture(part.image_url, `${place}.image_url`);
      continue;
    }
    if (part.type !== "text") {
      const supported = pictures ? "'text' and 'image_url'" : "'text'";
      const why = `Invalid value: ${JSON.stringify(part.type ?? null)}. Supported values are: ${supported}.`;
      throw wrong(`${place}.type`, why, "invalid_value");
    }
    if (typeof part.text !== "string") throw ofType(`${place}.text`, "a string", part.text);
  }
}

function checkPicture(picture: unknown, param: string): void {
  if (!isObject(picture)) throw ofType(param, "an object", picture);
  if (typeof picture.url !== "string") throw ofType(`${param}.url`, "a string", picture.url);
  if (!PICTURE.test(picture.url)) {
    const why = "Invalid image: expected a 'data:' URL with a base64-encoded PNG, JPEG, GIF or WebP.";
    throw wrong(`${param}.url`, why, "invalid_value");
  }
}

function checkCalls(calls: unknown, param: string): void {
  if (!Array.isArray(calls)) throw ofType(param, "an array of objects", calls);
  if (calls.length === 0) {
    const why = `Invalid '${param}': empty array. Expected an array with minimum length 1, but got an empty array instead.`;
    throw wrong(param, why, "empty_array");
  }
  for (const [index, call] of calls.entries()) {
    const place = `${param}[${index}]`;
    if (!isObject(call)) throw ofType(place, "an object", call);
    if (typeof call.id !== "string" || call.id === "") throw ofType(`${place}.id`, "a string", call.id);
    if (call.type !== "function")
      throw wrong(`${place}.type`, `Invalid value: ${JSON.stringify(call.type ?? null)}.`, "invalid_value");
    if (!isObject(call.function)) throw ofType(`${place}.function`, "an object", call.function);
    checkName(call.function.name, `${place}.function.name`);
    if (!isJson(call.function.arguments)) {
      const why = `Invalid '${place}.function.arguments': expected a string that holds JSON.`;
      throw wrong(`${place}.function.arguments`, why, "invalid_value");
    }
  }
}

function isJson(text: unknown): boolean {
  if (typeof text !== "string") return false;
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}

function checkName(name: unknown, param: string): asserts name is string {
  if (typeof name === "string" && TOOL_NAME.test(name)) return;
  const why = `Invalid '${param}': string does not match pattern. Expected a string that matches the pattern '${TOOL_NAME.source}'.`;
  throw wrong(param, why, "invalid_value");
}

/** Every call is answered right after it, once; nothing else is. */
function checkTurns(messages: readonly WireMessage[]): void {
  const seen = new Set<string>();
  let open = new Set<string>();
  const checkAnswered = (index: number): void => {
    if (open.size === 0) return;
    const why =
      "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. " +
      `The following tool_call_ids did not have response messages: ${[...open].join(", ")}`;
    throw wrong(`messages[${index}].role`, why);
  };
  for (const [index, message] of messages.entries()) {
    if (message.role === "tool") {
      if (open.delete(message.tool_call_id ?? "")) continue;
      const why =
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
      throw wrong(`messages[${index}].role`, why);
    }
    checkAnswered(index);
    open = new Set();
    for (const call of message.tool_calls ?? []) {
      if (seen.has(call.id))
        throw wrong(`messages[${index}].tool_calls`, `Duplicate value for 'tool_call_id' of '${call.id}'.`);
      seen.add(call.id);
      open.add(call.id);
    }
  }
  checkAnswered(messages.length);
}

function checkTools(body: Json): void {
  const { tools, tool_choice, parallel_tool_calls } = body;
  if (tools === undefined) {
    for (const [key, value] of Object.entries({ tool_choice, parallel_tool_calls })) {
      if (value !== undefined)
        throw wrong(key, `Invalid value for '${key}': '${key}' is only allowed when 'tools' are specified.`);
    }
    return;
  }
  if (!Array.isArray(tools)) throw ofType("tools", "an array of objects", tools);
  if (tools.length === 0 || tools.length > TOOLS_MAX) {
    const why = `Invalid 'tools': expected 1 to ${TOOLS_MAX} entries, but got ${tools.length}.`;
    throw wrong("tools", why, tools.length === 0 ? "empty_array" : "array_above_max_length");
  }
  const names = new Set<string>();
  for (const [index, tool] of tools.entries()) {
    const place = `tools[${index}]`;
    if (!isObject(tool)) throw ofType(place, "an object", tool);
    if (tool.type !== "function") {
      const why = `Invalid value: ${JSON.stringify(tool.type ?? null)}. Supported values are: 'function'.`;
      throw wrong(`${place}.type`, why, "invalid_value");
    }
    if (!isObject(tool.function)) throw ofType(`${place}.function`, "an object", tool.function);
    const { name, description, parameters } = tool.function;
    checkName(name, `${place}.function.name`);
    if (names.has(name)) throw wrong(`${place}.function.name`, `Tool names must be unique: '${name}' is there twice.`);
    names.add(name);
    if (description !== undefined && (typeof description !== "string" || description.length > DESCRIPTION_CHARS_MAX)) {
      const why = `Invalid '${place}.function.description': expected a string of at most ${DESCRIPTION_CHARS_MAX} characters.`;
      throw wrong(`${place}.function.description`, why, "string_above_max_length");
    }
    if (parameters !== undefined) checkParameters(name, parameters, `${place}.function.parameters`);
  }
  checkChoice(tool_choice, names);
}

function checkChoice(choice: unknown, names: ReadonlySet<string>): void {
  if (choice === undefined || choice === "none" || choice === "auto" || choice === "required") return;
  const named = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  if (typeof named === "string" && names.has(named)) return;
  throw wrong("tool_choice", "Invalid value for 'tool_choice'.", "invalid_value");
}

function checkNumbers(body: Json): void {
  const ranges: [string, number, number][] = [
    ["temperature", 0, 2],
    ["top_p", 0, 1],
    ["presence_penalty", -2, 2],
    ["frequency_penalty", -2, 2],
  ];
  for (const [key, least, most] of ranges) {
    const value = body[key];
    if (value === undefined || value === null) continue;
    if (typeof value !== "number") throw ofType(key, "a decimal", value);
    if (value < least || value > most) {
      const word = value < least ? `>= ${least}` : `<= ${most}`;
      const code = value < least ? "decimal_below_min_value" : "decimal_above_max_value";
      throw wrong(
        key,
        `Invalid '${key}': decimal out of range. Expected a value ${word}, but got ${value} instead.`,
        code,
      );
    }
  }
  for (const key of ["max_tokens", "max_completion_tokens", "n"]) {
    const value = body[key];
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || !Number.isInteger(value)) throw ofType(key, "an integer", value);
    if (value < 1) {
      const why = `Invalid '${key}': integer below minimum value. Expected a value >= 1, but got ${value} instead.`;
      throw wrong(key, why, "integer_below_min_value");
    }
  }
  if ((body.n ?? 1) !== 1) throw wrong("n", "This model gives one answer a request.", "unsupported_value");
  if (body.max_tokens != null && body.max_completion_tokens != null) {
    throw new Refusal(400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.");
  }
}

function checkStream(body: Json): void {
  const { stream, stream_options: options } = body;
  if (stream !== undefined && stream !== null && typeof stream !== "boolean")
    throw ofType("stream", "a boolean", stream);
  if (options === undefined || options === null) return;
  if (stream !== true) {
    const why = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    throw wrong("stream_options", why);
  }
  if (!isObject(options)) throw ofType("stream_options", "an object", options);
}
