// What Anthropic refuses, refused here too, with its own words where they are known.

import { type Block, blocksOf, type MessagesRequest, type TurnMessage, tokensIn } from "./messages-wire.ts";
import { Refusal } from "./refusal.ts";
import { topProblem } from "./schema-check.ts";

type Json = Record<string, unknown>;

/** Both are spoken; the later one no longer takes what its predecessor did. */
const VERSIONS = ["2023-06-01", "2026-10-21"];
const REMOVED = ["temperature", "top_p", "top_k"];

const ID = /^[a-zA-Z0-9_-]+$/;
const NAME = /^[a-zA-Z0-9_-]{1,128}$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const OUTPUT_TOKENS_MAX = 64_000;
const CONTEXT_TOKENS_MAX = 1_000_000;
const CACHE_MARKS_MAX = 4;
/** Counted in its base64. */
const IMAGE_CHARS_MAX = 5 * 1024 * 1024;
const IMAGES_MAX = 100;
/** First bytes of a picture by its type. */
const SIGNATURES: Record<string, string> = {
  "image/png": "89504e47",
  "image/jpeg": "ffd8ff",
  "image/gif": "47494638",
  "image/webp": "52494646",
};

const KNOWN = names(
  "model messages max_tokens system tools tool_choice stream stop_sequences temperature top_p top_k metadata thinking service_tier " +
    "container output_config cache_control inference_geo",
);
const TOOL_KNOWN = names(
  "type name description input_schema cache_control strict eager_input_streaming input_examples",
);
const BLOCKS: Record<string, { roles: readonly string[]; known: ReadonlySet<string> }> = {
  text: { roles: ["user", "assistant"], known: names("type text cache_control citations") },
  image: { roles: ["user"], known: names("type source cache_control") },
  tool_use: { roles: ["assistant"], known: names("type id name input cache_control") },
  tool_result: { roles: ["user"], known: names("type tool_use_id content is_error cache_control") },
};

function names(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(message: string): Refusal {
  return new Refusal(400, message);
}

/** The header `anthropic-version`. @throws {Refusal} */
export function checkVersion(version: string | undefined): void {
  if (version === undefined) throw bad("anthropic-version: header is required");
  if (!VERSIONS.includes(version))
    throw bad(`anthropic-version: ${JSON.stringify(version)} is not a valid version for this endpoint`);
}

/** @throws {Refusal} naming the first thing that is wrong. */
export function checkMessages(body: unknown, models: readonly string[], version: string): MessagesRequest {
  if (!isObject(body)) throw bad("Input should be a valid dictionary");
  for (const field of ["model", "max_tokens", "messages"])
    if (body[field] === undefined) throw bad(`${field}: Field required`);
  checkExtra(body, KNOWN, "");
  const removed = version === VERSIONS[1] ? REMOVED.find((field) => field in body) : undefined;
  if (removed !== undefined) throw bad(`${removed}: Extra inputs are not permitted`);
  const { model, max_tokens: limit, messages, stream } = body;
  if (typeof model !== "string" || model === "") throw bad("model: Input should be a valid string");
  checkLimit(limit, model);
  if (stream !== undefined && typeof stream !== "boolean") throw bad("stream: Input should be a valid boolean");
  for (const field of ["temperature", "top_p"]) checkShare(body[field], field);
  checkSystem(body.system);
  const tools = checkTools(body.tools);
  checkChoice(body.tool_choice, body.tools === undefined ? undefined : tools);
  if (!Array.isArray(messages)) throw bad("messages: Input should be a valid list");
  if (messages.length === 0) throw bad("messages: at least one message is required");
  for (const [index, message] of messages.entries()) checkMessage(message, `messages.${index}`);
  checkTurns(messages, body.tools !== undefined);
  checkMarks(body);
  const tokens = tokensIn([body.tools, body.system, messages]);
  if (tokens > CONTEXT_TOKENS_MAX) throw bad(`prompt is too long: ${tokens} tokens > ${CONTEXT_TOKENS_MAX} maximum`);
  if (!models.includes(model)) throw new Refusal(404, `model: ${model}`);
  return body as unknown as MessagesRequest;
}

function checkExtra(value: Json, known: ReadonlySet<string>, place: string): void {
  const extra = Object.keys(value).find((key) => !known.has(key));
  if (extra !== undefined) throw bad(`${place}${extra}: Extra inputs are not permitted`);
}

function checkLimit(limit: unknown, model: string): void {
  if (typeof limit !== "number" || !Number.isInteger(limit)) throw bad("max_tokens: Input should be a valid integer");
  if (limit < 1) throw bad("max_tokens: must be greater than or equal to 1");
  if (limit > OUTPUT_TOKENS_MAX) {
    const why = `which is the maximum allowed number of output tokens for ${model}`;
    throw bad(`max_tokens: ${limit} > ${OUTPUT_TOKENS_MAX}, ${why}`);
  }
}

function checkShare(value: unknown, field: string): void {
  if (value === undefined) return;
  if (typeof value !== "number") throw bad(`${field}: Input should be a valid number`);
  if (value < 0 || value > 1) throw bad(`${field}: range: 0..1`);
}

function checkSystem(system: unknown): void {
  if (system === undefined || typeof system === "string") return;
  if (!Array.isArray(system)) throw bad("system: Input should be a valid list");
  for (const [index, block] of system.entries()) {
    const place = `system.${index}`;
    if (!isObject(block) || block.type !== "text") throw bad(`${place}.type: Input should be 'text'`);
    checkBlock(block, "user", place);
  }
}

function checkMessage(message: unknown, place: string): asserts message is TurnMessage {
  if (!isObject(message)) throw bad(`${place}: Input should be a valid dictionary`);
  checkExtra(message, names("role content"), `${place}.`);
  const { role, content } = message;
  if (role === "system") {
    const why = 'The Messages API accepts a top-level `system` parameter, not "system" as an input message role.';
    throw bad(`messages: Unexpected role "system". ${why}`);
  }
  if (role !== "user" && role !== "assistant") throw bad(`${place}.role: Input should be 'user' or 'assistant'`);
  if (content === undefined) throw bad(`${place}.content: Field required`);
  if (typeof content === "string") return checkText(content, `${place}.content`);
  if (!Array.isArray(content)) throw bad(`${place}.content: Input should be a valid list`);
  if (content.length === 0) throw bad(`${place}: ${role} messages must have non-empty content`);
  for (const [index, block] of content.entries()) checkBlock(block, role, `${place}.content.${index}`);
}

function checkText(text: unknown, place: string): void {
  if (typeof text !== "string") throw bad(`${place}.text: Input should be a valid string`);
  if (text === "") throw bad(`${place}: text content blocks must be non-empty`);
  if (text.trim() === "") throw bad(`${place}: text content blocks must contain non-whitespace text`);
}

function checkBlock(block: unknown, role: string, place: string): void {
  if (!isObject(block)) throw bad(`${place}: Input should be a valid dictionary`);
  const kind = typeof block.type === "string" && Object.hasOwn(BLOCKS, block.type) ? BLOCKS[block.type] : undefined;
  if (kind === undefined || !kind.roles.includes(role)) {
    const tags = Object.keys(BLOCKS).filter((tag) => BLOCKS[tag]?.roles.includes(role));
    const why = `does not match any of the expected tags: ${tags.map((tag) => `'${tag}'`).join(", ")}`;
    throw bad(`${place}: Input tag '${block.type}' found using 'type' ${why}`);
  }
  const inside = `${place}.${block.type}`;
  checkExtra(block, kind.known, `${inside}.`);
  if (block.type === "text") checkText(block.text, inside);
  if (block.type === "image") checkImage(block.source, inside);
  if (block.type === "tool_use") checkUse(block, inside);
  if (block.type === "tool_result") checkResult(block, inside);
}

function checkImage(source: unknown, place: string): void {
  if (!isObject(source)) throw bad(`${place}.source: Field required`);
  if (source.type !== "base64") {
    const why = "does not match any of the expected tags: 'base64'";
    throw bad(`${place}.source: Input tag '${source.type}' found using 'type' ${why}`);
  }
  checkExtra(source, names("type media_type data"), `${place}.source.base64.`);
  const { media_type: mediaType, data } = source;
  const signature = typeof mediaType === "string" ? SIGNATURES[mediaType] : undefined;
  if (signature === undefined) {
    const kinds = Object.keys(SIGNATURES).map((kind) => `'${kind}'`);
    throw bad(`${place}.source.base64.media_type: Input should be ${kinds.join(", ")}`);
  }
  const where = `${place}.source.base64.data`;
  if (typeof data !== "string" || data.length % 4 !== 0 || !BASE64.test(data))
    throw bad(`${where}: invalid base64 data`);
  if (data.length > IMAGE_CHARS_MAX)
    throw bad(`${where}: image exceeds 5 MB maximum: ${data.length} bytes > ${IMAGE_CHARS_MAX} bytes`);
  if (!Buffer.from(data.slice(0, 16), "base64").toString("hex").startsWith(signature)) {
    const why = "but the image appears to be of another type";
    throw bad(`${place}: The image was specified using the ${mediaType} media type, ${why}`);
  }
}

function checkUse({ id, name, input }: Json, place: string): void {
  if (typeof id !== "string" || !ID.test(id)) throw bad(`${place}.id: String should match pattern '${ID.source}'`);
  if (typeof name !== "string" || !NAME.test(name))
    throw bad(`${place}.name: String should match pattern '${NAME.source}'`);
  if (!isObject(input)) throw bad(`${place}.input: Input should be a valid dictionary`);
}

function checkResult({ tool_use_id: id, content, is_error: isError }: Json, place: string): void {
  if (typeof id !== "string" || !ID.test(id))
    throw bad(`${place}.tool_use_id: String should match pattern '${ID.source}'`);
  if (isError !== undefined && typeof isError !== "boolean")
    throw bad(`${place}.is_error: Input should be a valid boolean`);
  if (content === undefined || typeof content === "string") return;
  if (!Array.isArray(content)) throw bad(`${place}.content: Input should be a valid list`);
  for (const [index, block] of content.entries()) {
    const at = `${place}.content.${index}`;
    if (!isObject(block) || (block.type !== "text" && block.type !== "image"))
      throw bad(`${at}: Input tag found using 'type' does not match any of the expected tags: 'text', 'image'`);
    checkBlock(block, "user", at);
  }
}

/**
 * Sides take turns, beginning with the user's (servers that speak this wire differ in whether they join two turns of one side; strict ones
 * refuse them). Every call is answered at the begin of the next turn, once; nothing else is.
 */
function checkTurns(messages: readonly TurnMessage[], hasTools: boolean): void {
  if (messages[0]?.role !== "user") throw bad('messages: first message must use the "user" role');
  const seen = new Set<string>();
  let open: string[] = [];
  for (const [index, { role, content }] of messages.entries()) {
    if (role === messages[index - 1]?.role) {
      const why = `but found multiple "${role}" roles in a row`;
      throw bad(`messages: roles must alternate between "user" and "assistant", ${why}`);
    }
    const blocks = blocksOf(content);
    if (!hasTools && blocks.some(({ type }) => type === "tool_use" || type === "tool_result"))
      throw bad("Requests which include `tool_use` or `tool_result` blocks must define tools");
    checkAnswers(blocks, open, index);
    open = [];
    for (const block of blocks) {
      if (block.type !== "tool_use") continue;
      if (seen.has(block.id)) throw bad("messages: `tool_use` ids must be unique");
      seen.add(block.id);
      open.push(block.id);
    }
  }
  if (open.length > 0) throw unanswered(messages.length - 1, open);
  const last = messages.at(-1);
  const end = last?.role === "assistant" ? blocksOf(last.content).at(-1) : undefined;
  if (end?.type === "text" && /\s$/.test(end.text))
    throw bad("messages: final assistant content cannot end with trailing whitespace");
}

function unanswered(index: number, ids: readonly string[]): Refusal {
  const found = `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${ids.join(", ")}.`;
  return bad(`${found} Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`);
}

function checkAnswers(blocks: readonly Block[], open: readonly string[], index: number): void {
  const leading = blocks.findIndex((block) => block.type !== "tool_result");
  const first = blocks.slice(0, leading < 0 ? blocks.length : leading);
  const answered = new Set<string>();
  for (const [place, block] of blocks.entries()) {
    if (block.type !== "tool_result") continue;
    const id = block.tool_use_id;
    if (answered.has(id))
      throw bad(
        `messages.${index}: each tool_use must have a single result. Found multiple \`tool_result\` blocks with id: ${id}`,
      );
    answered.add(id);
    if (!open.includes(id)) {
      const found = `messages.${index}.content.${place}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}.`;
      throw bad(
        `${found} Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
      );
    }
  }
  const early = new Set(first.flatMap((block) => (block.type === "tool_result" ? [block.tool_use_id] : [])));
  const missing = open.filter((id) => !early.has(id));
  if (missing.length > 0) throw unanswered(index - 1, missing);
}

function checkTools(tools: unknown): ReadonlySet<string> {
  const known = new Set<string>();
  if (tools === undefined) return known;
  if (!Array.isArray(tools)) throw bad("tools: Input should be a valid list");
  for (const [index, tool] of tools.entries()) {
    const place = `tools.${index}.custom`;
    if (!isObject(tool)) throw bad(`tools.${index}: Input should be a valid dictionary`);
    if (tool.type !== undefined && tool.type !== "custom")
      throw bad(`tools.${index}: Input tag '${tool.type}' is unknown`);
    checkExtra(tool, TOOL_KNOWN, `${place}.`);
    const { name, description, input_schema: schema } = tool;
    if (typeof name !== "string" || !NAME.test(name))
      throw bad(`${place}.name: String should match pattern '${NAME.source}'`);
    if (known.has(name)) throw bad("tools: Tool names must be unique.");
    known.add(name);
    if (description !== undefined && typeof description !== "string")
      throw bad(`${place}.description: Input should be a valid string`);
    if (!isObject(schema)) throw bad(`${place}.input_schema: Field required`);
    if (["anyOf", "oneOf", "allOf"].some((key) => key in schema))
      throw bad(`${place}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level`);
    const problem = topProblem(schema);
    if (problem !== undefined) {
      const why = "JSON schema is invalid. It must match JSON Schema draft 2020-12";
      throw bad(`${place}.input_schema: ${why} (${problem})`);
    }
  }
  return known;
}

function checkChoice(choice: unknown, tools: ReadonlySet<string> | undefined): void {
  if (choice === undefined) return;
  if (tools === undefined) throw bad("tool_choice: tool_choice may only be specified while providing tools");
  if (!isObject(choice)) throw bad("tool_choice: Input should be a valid dictionary");
  checkExtra(choice, names("type name disable_parallel_tool_use"), "tool_choice.");
  if (choice.type === "tool" && !tools.has(String(choice.name)))
    throw bad(`tool_choice: Tool '${choice.name}' not found in provided tools`);
  if (!["auto", "any", "none", "tool"].includes(String(choice.type)))
    throw bad(`tool_choice: Input tag '${choice.type}' found using 'type' does not match any of the expected tags`);
}

/** Marks for the cache, and pictures, wherever they stand. */
function checkMarks(body: Json): void {
  let marks = 0;
  let pictures = 0;
  const look = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) look(item);
    if (!isObject(value)) return;
    if (value.type === "image") pictures += 1;
    const mark = value.cache_control;
    for (const item of Object.values(value)) look(item);
    if (mark === undefined || mark === null) return;
    const ttl = isObject(mark) ? (mark.ttl ?? "5m") : undefined;
    if (!isObject(mark) || mark.type !== "ephemeral" || (ttl !== "5m" && ttl !== "1h"))
      throw bad("cache_control: Input should be of type 'ephemeral' with a ttl of '5m' or '1h'");
    marks += 1;
  };
  // Schemas and inputs may hold a property of any name.
  const tools = Array.isArray(body.tools)
    ? body.tools.map((tool: Json) => ({ cache_control: tool.cache_control }))
    : [];
  const blocks = (body.messages as TurnMessage[]).flatMap(({ content }) =>
    blocksOf(content).map((block) => (block.type === "tool_use" ? { cache_control: block.cache_control } : block)),
  );
  look([tools, body.system, blocks]);
  if (marks > CACHE_MARKS_MAX)
    throw bad(`A maximum of ${CACHE_MARKS_MAX} blocks with cache_control may be provided. Found ${marks}.`);
  if (pictures > IMAGES_MAX) throw bad(`messages: at most ${IMAGES_MAX} images may be given, found ${pictures}`);
}
