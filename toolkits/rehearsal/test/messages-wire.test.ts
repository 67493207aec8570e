// The provider's own client against the wire of messages.

import Anthropic from "@anthropic-ai/sdk";
import { afterEach, expect, test } from "vitest";
import type { ServerConfig } from "../src/app.ts";
import type { FaultRule } from "../src/faults.ts";
import type { Scenario, Turn } from "../src/scenario.ts";
import { postMessages, type RunningRehearsal, request, startRehearsal } from "./running-rehearsal.ts";

const running: RunningRehearsal[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((rehearsal) => rehearsal.close()));
});

async function start(config: Partial<ServerConfig> = {}): Promise<RunningRehearsal> {
  const rehearsal = await startRehearsal(config);
  running.push(rehearsal);
  return rehearsal;
}

function saying(turn: Turn): Scenario {
  return { name: "one", matches: () => true, answer: () => turn };
}

const CALLS: Turn = {
  say: "Zwölf Boxkämpfer 👩\u200d🚀 jagen,\n  Viktor.",
  calls: [
    { tool: "file.read", arguments: { path: "ä 😀.csv", n: 1 } },
    { tool: "file.write", arguments: { path: "b", content: "😀é".repeat(3000) } },
    { tool: "note.list", arguments: {} },
  ],
};
const PROMPT = "# Goal\ng\n\n# Your task\nid: a\ntitle: A\n\n# Run date\n2026-03-01\n";
const BODY: Anthropic.MessageCreateParamsNonStreaming = {
  model: "rehearsal",
  max_tokens: 8192,
  system: "Role: developer\nWork.",
  messages: [{ role: "user", content: PROMPT }],
  tools: ["file_read", "file_write", "note_list"].map((name) => ({ name, input_schema: { type: "object" } })),
};

function said({ content }: Anthropic.Message) {
  const text = content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");
  const calls = content.flatMap((block) => (block.type === "tool_use" ? [[block.name, block.input]] : []));
  const ids = content.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
  return { text, calls, ids };
}

const RIGHT = {
  text: CALLS.say,
  calls: CALLS.calls?.map(({ tool, arguments: given }) => [tool.replace(".", "_"), given]),
};

test("models are listed as the client reads them", async () => {
  const { anthropic, client } = await start({ models: ["rehearsal", "other"] });
  const ids = [];
  for await (const model of anthropic.models.list()) ids.push([model.id, model.type]);
  expect(ids).toEqual([
    ["rehearsal", "model"],
    ["other", "model"],
  ]);
  expect((await anthropic.models.retrieve("other")).display_name).toBe("other");
  await expect(anthropic.models.retrieve("none")).rejects.toThrow(Anthropic.NotFoundError);
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["rehearsal", "other"]);
});

test.each([undefined, 1, 7])(
  "parallel calls arrive whole, in writes of %s bytes, streamed or not",
  async (chunkBytes) => {
    const { anthropic } = await start({ scenarios: [saying(CALLS)], ...(chunkBytes ? { chunkBytes } : {}) });
    const streamed = await anthropic.messages.stream(BODY).finalMessage();
    const whole = await anthropic.messages.create(BODY);
    for (const message of [streamed, whole]) {
      const { ids, ...rest } = said(message);
      expect(rest).toEqual(RIGHT);
      expect(new Set(ids).size).toBe(3);
      expect(message.stop_reason).toBe("tool_use");
    }
    expect(streamed.usage).toEqual(whole.usage);
    expect(streamed.usage.output_tokens).toBeGreaterThan(4000);
  },
);

test("a conversation with results goes on; what was read before comes from the cache", async () => {
  const { anthropic } = await start({ scenarios: [saying({ say: "hello" })] });
  const cache = { cache_control: { type: "ephemeral" } } as const;
  const begin = `${PROMPT}\n${"word ".repeat(3000)}`;
  const first: Anthropic.MessageParam = { role: "user", content: [{ type: "text", text: begin, ...cache }] };
  const one = await anthropic.messages.create({ ...BODY, messages: [first] });
  expect(one.usage.cache_read_input_tokens).toBe(0);
  expect(one.usage.cache_creation_input_tokens).toBeGreaterThan(3000);
  const two = await anthropic.messages.create({
    ...BODY,
    messages: [
      first,
      { role: "assistant", content: [{ type: "tool_use", id: "a", name: "note_list", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "[]", ...cache }] },
    ],
  });
  expect(two.usage.cache_read_input_tokens).toBe(one.usage.cache_creation_input_tokens);
  expect(two.usage.cache_creation_input_tokens).toBeGreaterThan(0);
  expect(said(two).text).toBe("hello");
});

test("an answer over its limit is cut there", async () => {
  const { anthropic } = await start({ scenarios: [saying(CALLS)] });
  const cut = await anthropic.messages.stream({ ...BODY, max_tokens: 20 }).finalMessage();
  expect(cut.stop_reason).toBe("max_tokens");
  expect(cut.usage.output_tokens).toBeLessThanOrEqual(40);
});

test("keys, versions and request ids are as the client knows them", async () => {
  const { url } = await start({ apiKey: "sk-right" });
  const origin = url.replace(/\/v1$/, "");
  const right = new Anthropic({ baseURL: origin, apiKey: "sk-right", maxRetries: 0 });
  const { request_id: id, response } = await right.messages.create({ ...BODY, tools: [] }).withResponse();
  expect(response.headers.get("request-id")).toMatch(/^req_[0-9a-f]{24}$/);
  expect(id).toBe(response.headers.get("request-id"));
  const wrong = new Anthropic({ baseURL: origin, apiKey: "sk-wrong-key", maxRetries: 0 });
  const refused = await wrong.messages.create(BODY).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Anthropic.AuthenticationError);
  expect(String(refused)).not.toContain("sk-wrong-key");
  expect(refused).toMatchObject({ requestID: expect.stringMatching(/^req_/), type: "authentication_error" });
  expect((await postMessages(url, BODY, { "x-api-key": "", authorization: "Bearer sk-right" })).status).toBe(200);
});

type ErrorClass = new (...args: never[]) => Error;
const FAULTS: [string, FaultRule["fault"], ErrorClass, string][] = [
  ["429", { kind: "status", status: 429, retryAfter: "0" }, Anthropic.RateLimitError, "rate_limit_error"],
  ["500", { kind: "status", status: 500 }, Anthropic.InternalServerError, "api_error"],
  ["529", { kind: "status", status: 529 }, Anthropic.InternalServerError, "overloaded_error"],
  ["error in the stream", { kind: "error", after: 3 }, Anthropic.APIError, "overloaded_error"],
];

test.each(FAULTS)("fault: %s, once, then the same request succeeds", async (_, fault, kind, type) => {
  const { anthropic } = await start({ scenarios: [saying(CALLS)], faults: [{ match: { task: "a" }, fault }] });
  const failed = await anthropic.messages
    .stream(BODY)
    .finalMessage()
    .catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(kind);
  expect(JSON.stringify((failed as InstanceType<typeof Anthropic.APIError>).error)).toContain(type);
  expect(said(await anthropic.messages.stream(BODY).finalMessage()).text).toBe(CALLS.say);
});

test.each<FaultRule["fault"]>([
  { kind: "cut", after: 4 },
  { kind: "malformed", after: 2 },
])("a stream that is no whole answer is none: $kind", async (fault) => {
  const { anthropic } = await start({ scenarios: [saying(CALLS)], faults: [{ fault }] });
  await expect(anthropic.messages.stream(BODY).finalMessage()).rejects.toThrow();
  expect(said(await anthropic.messages.stream(BODY).finalMessage()).calls).toEqual(RIGHT.calls);
});

test("the client retries by itself after 429 and 529", async () => {
  const faults: FaultRule[] = [
    { fault: { kind: "status", status: 429, retryAfter: "0" } },
    { fault: { kind: "status", status: 529, retryAfter: "0" } },
  ];
  const { url } = await start({ scenarios: [saying({ say: "hello" })], faults });
  const client = new Anthropic({ baseURL: url.replace(/\/v1$/, ""), apiKey: "k", maxRetries: 2 });
  expect(said(await client.messages.create(BODY)).text).toBe("hello");
});

const user = { role: "user", content: "hi" };
const use = (id: string, more: object = {}) => ({ type: "tool_use", id, name: "t", input: {}, ...more });
const called = (...blocks: object[]) => ({ role: "assistant", content: blocks });
const result = (id: string, more: object = {}) => ({ type: "tool_result", tool_use_id: id, content: "r", ...more });
const answered = (...blocks: object[]) => ({ role: "user", content: blocks });
const TOOL = { name: "t", input_schema: { type: "object" } };
const base = (more: object) => ({ model: "rehearsal", max_tokens: 9, messages: [user], ...more });
const turns = (...messages: object[]) => base({ messages, tools: [TOOL] });
const tool = (more: object) => base({ tools: [{ ...TOOL, ...more }] });
const picture = (data: string, media_type = "image/png", type = "base64") =>
  base({ messages: [answered({ type: "image", source: { type, media_type, data } })] });
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a]);
const mark = { cache_control: { type: "ephemeral" } };

const REFUSED: [string, unknown, RegExp, number?][] = [
  ["no JSON", "{", /parse/],
  ["a list", [], /dictionary/],
  ["no model", { max_tokens: 9, messages: [user] }, /^model: Field required/],
  ["no max_tokens", { model: "rehearsal", messages: [user] }, /^max_tokens: Field required/],
  ["no messages", { model: "rehearsal", max_tokens: 9 }, /^messages: Field required/],
  ["a field nobody knows", base({ stream_options: {} }), /^stream_options: Extra inputs/],
  ["an unknown model", base({ model: "m0" }), /^model: m0/, 404],
  ["no tokens", base({ max_tokens: 0 }), /^max_tokens/],
  ["more tokens than it writes", base({ max_tokens: 1e6 }), /maximum allowed number of output tokens/],
  ["stream as text", base({ stream: "yes" }), /^stream/],
  ["temperature over 1", base({ temperature: 1.1 }), /^temperature/],
  ["empty messages", base({ messages: [] }), /at least one/],
  ["the system as a message", base({ messages: [{ role: "system", content: "s" }, user] }), /top-level `system`/],
  ["an unknown role", base({ messages: [{ role: "tool", content: "s" }] }), /messages\.0\.role/],
  ["an assistant first", base({ messages: [{ role: "assistant", content: "s" }] }), /first message/],
  ["two turns of one side", base({ messages: [user, user] }), /must alternate/],
  ["an empty system block", base({ system: [{ type: "text", text: "" }] }), /non-empty/],
  ["empty text", base({ messages: [answered({ type: "text", text: "" })] }), /non-empty/],
  ["white text", base({ messages: [answered({ type: "text", text: " \n" })] }), /non-whitespace/],
  ["a turn of nothing", base({ messages: [answered()] }), /non-empty content/],
  ["an unknown block", base({ messages: [answered({ type: "image_url" })] }), /Input tag 'image_url'/],
  ["a field of the other wire", base({ messages: [{ ...user, tool_calls: [] }] }), /tool_calls: Extra inputs/],
  ["a call in a user's turn", turns(answered(use("a"))), /Input tag 'tool_use'/],
  ["a result out of nowhere", turns(answered(result("a"))), /unexpected `tool_use_id`/],
  ["a result of another call", turns(user, called(use("a")), answered(result("a"), result("b"))), /unexpected/],
  ["two results of one call", turns(user, called(use("a")), answered(result("a"), result("a"))), /single result/],
  [
    "a call without a result",
    turns(user, called(use("a"), use("b")), answered(result("a"))),
    /without `tool_result`.*: b\./,
  ],
  ["a call at the end", turns(user, called(use("a"))), /without `tool_result`/],
  [
    "words before the result",
    turns(user, called(use("a")), answered({ type: "text", text: "x" }, result("a"))),
    /without/,
  ],
  ["one id twice", turns(user, called(use("a"), use("a")), answered(result("a"))), /unique/],
  [
    "an id with dots",
    turns(user, called(use("t.1.1.0")), answered(result("t.1.1.0"))),
    /tool_use\.id: String should match/,
  ],
  [
    "an input that is text",
    turns(user, called(use("a", { input: "{}" })), answered(result("a"))),
    /input: Input should/,
  ],
  ["calls without tools", base({ messages: [user, called(use("a")), answered(result("a"))] }), /must define tools/],
  [
    "white space before the answer",
    base({ messages: [user, { role: "assistant", content: "so " }] }),
    /trailing whitespace/,
  ],
  ["a tool without a schema", base({ tools: [{ name: "t" }] }), /input_schema: Field required/],
  ["a dotted tool", tool({ name: "a.b" }), /name: String should match/],
  ["two tools of one name", base({ tools: [TOOL, TOOL] }), /must be unique/],
  ["a tool of the other wire", base({ tools: [{ type: "function", function: TOOL }] }), /Input tag 'function'/],
  ["a choice at the top of a schema", tool({ input_schema: { type: "object", anyOf: [{}] } }), /at the top level/],
  [
    "a broken schema",
    tool({ input_schema: { type: "object", properties: { a: { type: "strnig" } } } }),
    /draft 2020-12/,
  ],
  ["a choice without tools", base({ tool_choice: { type: "auto" } }), /while providing tools/],
  ["a choice of no tool", base({ tools: [TOOL], tool_choice: { type: "tool", name: "x" } }), /not found/],
  [
    "five marks",
    base({ messages: [answered(...Array(5).fill({ type: "text", text: "x", ...mark }))] }),
    /maximum of 4/,
  ],
  [
    "an unknown mark",
    base({ messages: [answered({ type: "text", text: "x", cache_control: { type: "x" } })] }),
    /ephemeral/,
  ],
  ["a picture that is none", picture("AAAA"), /appears to be of another type/],
  ["broken base64", picture("iVBO="), /invalid base64/],
  ["another kind of picture", picture(PNG.toString("base64"), "image/tiff"), /media_type/],
  ["a picture by address", picture("", "image/png", "url"), /Input tag 'url'/],
  [
    "a picture too large",
    picture(Buffer.concat([PNG, Buffer.alloc(4 * 1024 * 1024)]).toString("base64")),
    /image exceeds 5 MB maximum/,
  ],
  ["more than the context holds", base({ messages: [{ role: "user", content: "a".repeat(4_100_000) }] }), /too long/],
];

test("what a provider refuses is refused, with the provider's error", async () => {
  const { url } = await start();
  for (const [name, body, why, status = 400] of REFUSED) {
    const response = await postMessages(url, body);
    const error = (await response.json()) as {
      type: string;
      error: { type: string; message: string };
      request_id: string;
    };
    expect({ name, status: response.status }).toEqual({ name, status });
    expect(error.error.message, name).toMatch(why);
    expect([error.type, error.error.type], name).toEqual([
      "error",
      status === 404 ? "not_found_error" : "invalid_request_error",
    ]);
    expect(error.request_id, name).toBe(response.headers.get("request-id"));
  }
});

test("versions, keys, sizes, methods and paths are checked", async () => {
  const { url } = await start();
  const headers = { "content-type": "application/json", "x-api-key": "k" };
  const plain = (more: object) =>
    fetch(`${url}/messages`, { method: "POST", body: JSON.stringify(BODY), headers: { ...headers, ...more } });
  expect(await (await plain({})).text()).toContain("anthropic-version: header is required");
  expect((await plain({ "anthropic-version": "2020-01-01" })).status).toBe(400);
  const warm = base({ temperature: 1 });
  expect((await postMessages(url, warm)).status).toBe(200);
  expect((await postMessages(url, warm, { "anthropic-version": "2026-10-21" })).status).toBe(400);
  expect((await postMessages(url, `"${"a".repeat(17 * 1024 * 1024)}"`)).status).toBe(413);
  expect((await postMessages(url, BODY, { "content-type": "text/plain" })).status).toBe(415);
  expect((await fetch(`${url}/messages`, { headers: { ...headers, "anthropic-version": "2023-06-01" } })).status).toBe(
    405,
  );
  expect((await postMessages(`${url}/nothing`, BODY)).status).toBe(404);
  expect((await postMessages(url, request("hi", { max_tokens: 9 }))).status).toBe(200);
});
