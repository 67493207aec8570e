import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import type { ServerConfig } from "../src/app.ts";
import type { FaultRule } from "../src/faults.ts";
import type { Scenario, Turn } from "../src/scenario.ts";
import { post, type RunningRehearsal, request, startRehearsal } from "./running-rehearsal.ts";
import { ask } from "./workforce.ts";

const running: RunningRehearsal[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((rehearsal) => rehearsal.close()));
});

async function start(config: Partial<ServerConfig> = {}): Promise<RunningRehearsal> {
  const rehearsal = await startRehearsal(config);
  running.push(rehearsal);
  return rehearsal;
}

/** Says the same to every worker. */
function saying(turn: Turn): Scenario {
  return { name: "one", matches: () => true, answer: () => turn };
}

const WORKER: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: "Role: developer\nWork." },
  { role: "user", content: "# Goal\ng\n\n# Your task\nid: a\ntitle: A\n\n# Run date\n2026-03-01\n" },
];
const TOOLS: OpenAI.ChatCompletionTool[] = ["file_read", "file_write"].map((name) => ({
  type: "function",
  function: { name, parameters: { type: "object" } },
}));
const CALLS: Turn = {
  say: "Zwölf Boxkämpfer 👩\u200d🚀 jagen,\n  Viktor.",
  calls: [
    { tool: "file.read", arguments: { path: "ä 😀.csv", n: 1 } },
    { tool: "file.write", arguments: { path: "b", content: "😀é".repeat(3000) } },
  ],
};

test("models are listed as the client reads them", async () => {
  const { client } = await start({ models: ["rehearsal", "other"] });
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids).toEqual(["rehearsal", "other"]);
  expect((await client.models.retrieve("other")).object).toBe("model");
});

test.each([undefined, 1, 7])(
  "a streamed answer with parallel calls arrives whole, in writes of %s bytes",
  async (chunkBytes) => {
    const { client } = await start({ scenarios: [saying(CALLS)], ...(chunkBytes ? { chunkBytes } : {}) });
    const { text, calls } = await ask(client, WORKER, TOOLS);
    expect(text).toBe(CALLS.say);
    expect(calls.map(({ name, arguments: given }) => ({ name, arguments: given }))).toEqual([
      { name: "file_read", arguments: CALLS.calls?.[0]?.arguments },
      { name: "file_write", arguments: CALLS.calls?.[1]?.arguments },
    ]);
    expect(new Set(calls.map((call) => call.id)).size).toBe(2);
  },
);

test("the client's own assembly gives the same, with usage", async () => {
  const { client } = await start({ scenarios: [saying(CALLS)] });
  const body = { model: "rehearsal", messages: WORKER, tools: TOOLS };
  const stream = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } });
  const [streamed, whole] = [await stream.finalChatCompletion(), await client.chat.completions.create(body)];
  const told = (completion: OpenAI.ChatCompletion) => {
    const [choice] = completion.choices;
    const calls = choice?.message.tool_calls?.map(
      (call) => call.type === "function" && [call.function.name, call.function.arguments],
    );
    return { finish: choice?.finish_reason, content: choice?.message.content, calls };
  };
  expect(told(streamed)).toEqual(told(whole));
  expect(told(whole).finish).toBe("tool_calls");
  expect(whole.usage?.total_tokens).toBe((whole.usage?.prompt_tokens ?? 0) + (whole.usage?.completion_tokens ?? 0));
  expect(whole.usage?.completion_tokens).toBeGreaterThan(4000);
  expect(streamed.usage?.completion_tokens).toBe(whole.usage?.completion_tokens);
});

test("an answer over its limit is cut there", async () => {
  const { client } = await start({ scenarios: [saying(CALLS)] });
  const answer = await client.chat.completions.create({
    model: "rehearsal",
    messages: WORKER,
    tools: TOOLS,
    max_completion_tokens: 30,
  });
  expect(answer.choices[0]?.finish_reason).toBe("length");
  expect(answer.usage?.completion_tokens).toBeLessThanOrEqual(40);
});

test("the same request gets the same bytes; how long it takes depends on the seed", async () => {
  const body = request("hi", { stream: true });
  const [a, b] = [await start({ seed: "a", latencyMs: [0, 20] }), await start({ seed: "b", latencyMs: [0, 20] })];
  const bytes = await Promise.all([a, a, b].map(async ({ url }) => (await post(url, body)).text()));
  expect(new Set(bytes).size).toBe(1);
});

test("another key is refused, and told back only where it is asked for", async () => {
  const body = request("hi");
  const strict = await start({ apiKey: "sk-right" });
  expect((await post(strict.url, body)).status).toBe(401);
  expect((await post(strict.url, body, { authorization: "Bearer sk-right" })).status).toBe(200);
  const refused = await post(strict.url, body, { authorization: "Bearer sk-wrong-key" });
  expect([refused.status, (await refused.text()).includes("sk-wrong-key")]).toEqual([401, false]);
  const careless = await start({ apiKey: "sk-right", echoKey: "error" });
  const error = await (await post(careless.url, body, { authorization: "Bearer sk-wr/ng" })).text();
  for (const spelling of ["sk-wr/ng", "c2std3IvbmU".slice(0, 8), "736b2d77722f6e67", "sk-wr%2Fng"])
    expect(error).toContain(spelling);
  const talking = await start({ echoKey: "answer" });
  const client = new OpenAI({ baseURL: talking.url, apiKey: "sk-mine", maxRetries: 0 });
  expect((await ask(client, WORKER, TOOLS)).text).toContain("sk-mine");
  await expect(new OpenAI({ baseURL: strict.url, apiKey: "sk-no", maxRetries: 0 }).models.list()).rejects.toThrow(
    OpenAI.AuthenticationError,
  );
});

const FAULTS: [string, FaultRule["fault"], RegExp][] = [
  ["429", { kind: "status", status: 429, retryAfter: "0" }, /429 Rate limit/],
  ["500", { kind: "status", status: 500 }, /500 The server had an error/],
  ["cut stream", { kind: "cut", after: 3 }, /terminated|other side closed|aborted|ECONNRESET|socket hang up/i],
  ["cut before anything", { kind: "cut", after: 0 }, /./],
  ["malformed chunk", { kind: "malformed", after: 2 }, /JSON/],
  ["error in the stream", { kind: "error", after: 2 }, /had an error/],
];

test.each(FAULTS)("fault: %s, once, then the same request succeeds", async (_, fault, message) => {
  const { client } = await start({ scenarios: [saying(CALLS)], faults: [{ match: { task: "a" }, fault }] });
  await expect(ask(client, WORKER, TOOLS)).rejects.toThrow(message);
  expect((await ask(client, WORKER, TOOLS)).text).toBe(CALLS.say);
});

test("a client retries by itself after 429 and 500", async () => {
  const faults: FaultRule[] = [
    { fault: { kind: "status", status: 429, retryAfter: "0" } },
    { fault: { kind: "status", status: 500, retryAfter: "0" } },
  ];
  const { url } = await start({ scenarios: [saying({ say: "hello" })], faults });
  const client = new OpenAI({ baseURL: url, apiKey: "k", maxRetries: 2 });
  expect((await ask(client, WORKER, TOOLS)).text).toBe("hello");
});

test.each([-1, 2])("a hang after %s chunks lasts until the client goes", async (after) => {
  const { client } = await start({ scenarios: [saying(CALLS)], faults: [{ fault: { kind: "hang", after } }] });
  const impatient = ask(client, WORKER, TOOLS, AbortSignal.timeout(200));
  expect(
    await impatient.then(
      ({ text }) => text === CALLS.say,
      () => false,
    ),
  ).toBe(false);
  expect((await ask(client, WORKER, TOOLS)).text).toBe(CALLS.say);
});

test("a share of requests has a fault, the same ones each time", async () => {
  const faults: FaultRule[] = [{ match: { share: 0.5 }, times: 100, fault: { kind: "status", status: 503 } }];
  const statuses = async () => {
    const { url } = await start({ faults, seed: "s" });
    return Promise.all(Array.from({ length: 40 }, async (_, at) => (await post(url, request(`hi ${at}`))).status));
  };
  const first = await statuses();
  expect(first).toEqual(await statuses());
  expect(new Set(first)).toEqual(new Set([200, 503]));
});

test("every request leaves one line in the record", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rehearsal-record-"));
  try {
    const record = join(folder, "record.jsonl");
    const faults: FaultRule[] = [{ match: { task: "a" }, fault: { kind: "status", status: 500 } }];
    const { url, client } = await start({ record, faults, scenarios: [saying({ say: "hello" })] });
    await post(url, "{");
    await ask(client, WORKER, TOOLS).catch(() => undefined);
    await ask(client, WORKER, TOOLS);
    const lines = readFileSync(record, "utf8").trim().split("\n");
    const about = lines
      .map((line) => JSON.parse(line))
      .map(({ n, status, role, task, turn, scenario, fault }) => ({ n, status, role, task, turn, scenario, fault }));
    expect(about).toEqual([
      { n: 1, status: 400 },
      { n: 2, status: 500, role: "developer", task: "a", turn: 1, scenario: "one", fault: "status" },
      { n: 3, status: 200, role: "developer", task: "a", turn: 1, scenario: "one" },
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
