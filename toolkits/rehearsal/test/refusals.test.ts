import { afterAll, beforeAll, expect, test } from "vitest";
import { post, type RunningRehearsal, request, startRehearsal } from "./running-rehearsal.ts";

let rehearsal: RunningRehearsal;
beforeAll(async () => {
  rehearsal = await startRehearsal();
});
afterAll(() => rehearsal.close());

const user = { role: "user", content: "hi" };
const call = (id: string, name = "file_read", args = "{}") => ({
  id,
  type: "function",
  function: { name, arguments: args },
});
const asked = (...calls: object[]) => ({ role: "assistant", content: null, tool_calls: calls });
const result = (id: string) => ({ role: "tool", tool_call_id: id, content: "r" });
const messages = (...list: unknown[]) => ({ model: "rehearsal", messages: list });
const tool = (name: unknown, parameters: unknown = { type: "object" }) => ({
  type: "function",
  function: { name, parameters },
});
const tools = (...list: unknown[]) => request("hi", { tools: list });
const schema = (parameters: unknown) => tools(tool("t", parameters));
const property = (value: unknown) => schema({ type: "object", properties: { a: value } });

const REFUSED: [string, unknown, number, string | null][] = [
  ["no JSON", "{", 400, null],
  ["a list", [], 400, null],
  ["an argument nobody knows", request("hi", { frobnicate: 1 }), 400, null],
  ["no model", { messages: [user] }, 400, null],
  ["an unknown model", { model: "gpt-0", messages: [user] }, 404, null],
  ["no messages", { model: "rehearsal" }, 400, "messages"],
  ["empty messages", messages(), 400, "messages"],
  ["messages that are no list", { model: "rehearsal", messages: "hi" }, 400, "messages"],
  ["a message that is no object", messages("hi"), 400, "messages[0]"],
  ["an unknown role", messages({ role: "robot", content: "hi" }), 400, "messages[0].role"],
  ["a role no longer taken", messages({ role: "function", name: "f", content: "" }), 400, "messages[0].role"],
  ["a user without content", messages({ role: "user", content: null }), 400, "messages[0].content"],
  ["an assistant without anything", messages(user, { role: "assistant" }), 400, "messages[1].content"],
  ["content of another type", messages({ role: "user", content: 7 }), 400, "messages[0].content"],
  ["an empty list of parts", messages({ role: "user", content: [] }), 400, "messages[0].content"],
  [
    "a part of another type",
    messages({ role: "user", content: [{ type: "input_audio" }] }),
    400,
    "messages[0].content[0].type",
  ],
  ["a tool result out of nowhere", messages(user, result("a")), 400, "messages[1].role"],
  [
    "a tool result without an id",
    messages(user, asked(call("a")), { role: "tool", content: "r" }),
    400,
    "messages[2].tool_call_id",
  ],
  ["the result of another call", messages(user, asked(call("a")), result("b")), 400, "messages[2].role"],
  ["two results of one call", messages(user, asked(call("a")), result("a"), result("a")), 400, "messages[3].role"],
  ["a call without a result", messages(user, asked(call("a"), call("b")), result("a"), user), 400, "messages[3].role"],
  ["a call without a result at the end", messages(user, asked(call("a"))), 400, "messages[2].role"],
  ["one id twice", messages(user, asked(call("a"), call("a")), result("a")), 400, "messages[1].tool_calls"],
  [
    "one id in two turns",
    messages(user, asked(call("a")), result("a"), asked(call("a")), result("a")),
    400,
    "messages[3].tool_calls",
  ],
  ["an empty list of calls", messages(user, asked()), 400, "messages[1].tool_calls"],
  ["a user with calls", messages({ ...user, tool_calls: [call("a")] }), 400, "messages[0].tool_calls"],
  [
    "a call with a dotted name",
    messages(user, asked(call("a", "file.read")), result("a")),
    400,
    "messages[1].tool_calls[0].function.name",
  ],
  [
    "arguments that are no JSON",
    messages(user, asked(call("a", "f", "{oops")), result("a")),
    400,
    "messages[1].tool_calls[0].function.arguments",
  ],
  ["an empty list of tools", tools(), 400, "tools"],
  ["too many tools", tools(...Array.from({ length: 129 }, (_, at) => tool(`t${at}`))), 400, "tools"],
  ["a tool of another type", tools({ type: "web" }), 400, "tools[0].type"],
  ["a tool with a dotted name", tools(tool("file.read")), 400, "tools[0].function.name"],
  ["a tool with a long name", tools(tool("a".repeat(65))), 400, "tools[0].function.name"],
  ["a tool without a name", tools(tool("")), 400, "tools[0].function.name"],
  ["two tools of one name", tools(tool("a"), tool("a")), 400, "tools[1].function.name"],
  ["a choice without tools", request("hi", { tool_choice: "auto" }), 400, "tool_choice"],
  ["a choice of no tool", request("hi", { tools: [tool("a")], tool_choice: "maybe" }), 400, "tool_choice"],
  ["a schema that is a text", schema("object"), 400, "tools[0].function.parameters"],
  ["a schema of no object", schema({ type: "array", items: {} }), 400, "tools[0].function.parameters"],
  ["a choice at the top of a schema", schema({ type: "object", anyOf: [{}] }), 400, "tools[0].function.parameters"],
  ["an unknown type", property({ type: "strnig" }), 400, "tools[0].function.parameters"],
  ["a list without items", property({ type: "array" }), 400, "tools[0].function.parameters"],
  ["an empty enum", property({ enum: [] }), 400, "tools[0].function.parameters"],
  ["a limit that is a text", property({ type: "string", maxLength: "9" }), 400, "tools[0].function.parameters"],
  ["a broken pattern", property({ type: "string", pattern: "(" }), 400, "tools[0].function.parameters"],
  ["a reference to nothing", property({ $ref: "#/$defs/a" }), 400, "tools[0].function.parameters"],
  ["required that is no list", schema({ type: "object", required: "a" }), 400, "tools[0].function.parameters"],
  ["temperature over 2", request("hi", { temperature: 2.1 }), 400, "temperature"],
  ["temperature below 0", request("hi", { temperature: -0.1 }), 400, "temperature"],
  ["temperature as text", request("hi", { temperature: "1" }), 400, "temperature"],
  ["top_p over 1", request("hi", { top_p: 1.5 }), 400, "top_p"],
  ["no tokens", request("hi", { max_tokens: 0 }), 400, "max_tokens"],
  ["half a token", request("hi", { max_completion_tokens: 1.5 }), 400, "max_completion_tokens"],
  ["both limits", request("hi", { max_tokens: 1, max_completion_tokens: 1 }), 400, null],
  ["two answers", request("hi", { n: 2 }), 400, "n"],
  ["stream as text", request("hi", { stream: "yes" }), 400, "stream"],
  [
    "stream options without a stream",
    request("hi", { stream_options: { include_usage: true } }),
    400,
    "stream_options",
  ],
  ["more than the context holds", request("a".repeat(4_100_000)), 400, "messages"],
];

test.each(REFUSED)("%s is refused", async (_, body, status, param) => {
  const response = await post(rehearsal.url, body);
  const answer = (await response.json()) as { error: Record<string, unknown> };
  expect({ status: response.status, param: answer.error.param }).toEqual({ status, param });
  expect(Object.keys(answer.error).sort()).toEqual(["code", "message", "param", "type"]);
  expect(answer.error.type).toBe("invalid_request_error");
  expect(answer.error.message).toMatch(/\S/);
});

test("bodies over the limit, other content types, other methods and paths are refused", async () => {
  expect((await post(rehearsal.url, `"${"a".repeat(17 * 1024 * 1024)}"`)).status).toBe(413);
  expect((await post(rehearsal.url, request("hi"), { "content-type": "text/plain" })).status).toBe(415);
  expect((await fetch(`${rehearsal.url}/chat/completions`)).status).toBe(405);
  const unknown = await fetch(`${rehearsal.url}/nothing`);
  expect([unknown.status, Object.keys((await unknown.json()) as object)]).toEqual([404, ["error"]]);
  expect((await fetch(`${rehearsal.url}/models/other`)).status).toBe(404);
});

test("what the core sends is taken", async () => {
  const plan = {
    type: "object",
    $defs: {
      Task: { type: "object", properties: { maxSteps: { type: ["integer", "null"], format: "uint32", minimum: 0 } } },
    },
    properties: { tasks: { type: "array", items: { $ref: "#/$defs/Task" } }, any: true },
    required: ["tasks"],
  };
  const conversation = [user, asked(call("t.1.1.0"), call("t.1.1.1")), result("t.1.1.1"), result("t.1.1.0"), user];
  const body = {
    model: "rehearsal",
    messages: [{ role: "system", content: "Role: developer" }, ...conversation],
    tools: [{ type: "function", function: { name: "plan_submit", description: "d", parameters: plan } }],
    stream: true,
    stream_options: { include_usage: true },
    max_completion_tokens: 8192,
  };
  const response = await post(rehearsal.url, body);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain("data: [DONE]");
});
