// A lean model server, a program of its own: 200 ms an answer, streamed, at so little cost that 64 streams do not wait for it.
// It looks at a request's text only as far as its answer needs, and keeps the requests it saw, so that the floor client can send
// the same. Arguments: how many tasks a plan has, and the file they read. The goal says how many answers a task takes; each but the
// last calls `file.read`.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const LATENCY_MS = 200;
/** Part of the latency before the first chunk, as in the rehearsal model. */
const FIRST_PART = 0.4;

const tasks = Number(process.argv[2]);
const file = process.argv[3] ?? "";
const TURNS_MAX = 60;

/** Newest bodies by `plan`, `TASK.TURN` and `answer`. */
const seen = new Map<string, string>();

function sse(delta: object, finish: string | null = null): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finish }];
  return event({ choices, usage: null });
}

function event(more: object): string {
  const chunk = { id: "chatcmpl-paced", object: "chat.completion.chunk", created: 0, model: "paced", ...more };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

/** Chunks of an answer: its words, then its call. */
function answer(words: string, call?: { id: string; name: string; arguments: string }): string[] {
  const chunks = [sse({ role: "assistant", content: "" })];
  for (const word of words.match(/\s*\S+/g) ?? []) chunks.push(sse({ content: word }));
  if (call) {
    const head = { index: 0, id: call.id, type: "function", function: { name: call.name, arguments: "" } };
    chunks.push(sse({ tool_calls: [head] }));
    chunks.push(sse({ tool_calls: [{ index: 0, function: { arguments: call.arguments } }] }));
  }
  chunks.push(sse({}, call ? "tool_calls" : "stop"));
  const usage = { prompt_tokens: 1000, completion_tokens: 20, total_tokens: 1020 };
  chunks.push(`${event({ choices: [], usage })}data: [DONE]\n\n`);
  return chunks;
}

const taskIds = Array.from({ length: tasks }, (_, place) => `t${String(place).padStart(2, "0")}`);
const plan = {
  summary: "Each task reads the table a few times.",
  tasks: taskIds.map((taskId) => ({ taskId, title: `Read ${taskId}`, role: "developer", needs: ["read:."] })),
};
const PLAN = answer("Here is the plan.", { id: "call_plan", name: "plan_submit", arguments: JSON.stringify(plan) });
const DONE = answer("The table was read and looks as it should.");
const END = answer("All tasks read the table.");
const READS = Array.from({ length: TURNS_MAX }, (_, turn) =>
  answer("I read the first part.", {
    id: `call_read_${turn + 1}`,
    name: "file_read",
    arguments: JSON.stringify({ path: file, offset: turn * 64, limit: 64 }),
  }),
);

/** Chunks for a request, and its name. */
function reply(body: string): { name: string; chunks: string[] } {
  const task = /# Your task\\nid: ([a-z0-9]+)/.exec(body)?.[1];
  if (task === undefined)
    return body.includes('"plan_submit"') ? { name: "plan", chunks: PLAN } : { name: "answer", chunks: END };
  const turns = Number(/# Goal\\nRead the table in (\d+) steps/.exec(body)?.[1]);
  const turn = body.split('"role":"assistant"').length;
  return { name: `${task}.${turn}`, chunks: turn < turns ? (READS[turn - 1] ?? DONE) : DONE };
}

function stream(outgoing: ServerResponse, chunks: string[], arrived: number): void {
  outgoing.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  const due = (at: number): number => LATENCY_MS * (FIRST_PART + ((1 - FIRST_PART) * at) / (chunks.length - 1));
  let at = 0;
  // Everything due in this turn of the clock leaves in one write.
  const next = (): void => {
    const now = performance.now() - arrived;
    let text = "";
    while (at < chunks.length && due(at) <= now) text += chunks[at++] ?? "";
    if (at === chunks.length) outgoing.end(text);
    else {
      if (text !== "") outgoing.write(text);
      setTimeout(next, due(at) - now);
    }
  };
  setTimeout(next, due(0));
}

function serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const arrived = performance.now();
  const parts: Buffer[] = [];
  incoming.on("data", (part: Buffer) => parts.push(part));
  incoming.on("end", () => {
    if (incoming.url === "/seen") return void outgoing.end(JSON.stringify(Object.fromEntries(seen)));
    if (incoming.method !== "POST") return void outgoing.writeHead(404).end();
    const body = Buffer.concat(parts).toString("utf8");
    const { name, chunks } = reply(body);
    seen.set(name, body);
    stream(outgoing, chunks, arrived);
    if (name === "answer") console.log("answer");
  });
}

const server = createServer({ keepAliveTimeout: 60_000 }, serve);
server.listen({ host: "127.0.0.1", port: 0, backlog: 512 }, () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) console.log(`ready on http://127.0.0.1:${address.port}/v1`);
});
