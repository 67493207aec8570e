// What 64 workers need at the least: a plain program that sends the same model calls in the same order and reads the same streams.
// A program of its own; does a round for each line of standard input and prints its milliseconds.

import { Agent, request } from "node:http";
import { createInterface } from "node:readline";

const base = new URL(process.argv[2] ?? "");
const agent = new Agent({ keepAlive: true });

interface Chunk {
  choices: {
    delta: { content?: string; tool_calls?: { function?: { name?: string; arguments?: string } }[] };
    finish_reason: string | null;
  }[];
}

interface Answer {
  text: string;
  arguments: string;
}

function take(answer: Answer, line: string): void {
  if (!line.startsWith("data: ") || line === "data: [DONE]") return;
  for (const { delta } of (JSON.parse(line.slice("data: ".length)) as Chunk).choices) {
    answer.text += delta.content ?? "";
    for (const call of delta.tool_calls ?? []) answer.arguments += call.function?.arguments ?? "";
  }
}

function call(body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const path = `${base.pathname}/chat/completions`;
    const sent = request({ agent, host: base.hostname, port: base.port, path, method: "POST", headers }, (incoming) => {
      const answer: Answer = { text: "", arguments: "" };
      let rest = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (part: string) => {
        const lines = (rest + part).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) take(answer, line);
      });
      incoming.on("end", () => resolve(answer));
      incoming.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

async function seen(): Promise<Map<string, string>> {
  const answer = await fetch(new URL("/seen", base));
  return new Map(Object.entries((await answer.json()) as Record<string, string>));
}

async function chain(bodies: string[]): Promise<void> {
  for (const body of bodies) {
    const answer = await call(body);
    if (answer.arguments !== "") JSON.parse(answer.arguments);
  }
}

/** The tasks' calls, in the order of their turns. */
function chainsOf(bodies: Map<string, string>): string[][] {
  const chains = new Map<string, string[]>();
  for (const name of bodies.keys()) {
    const [task = "", turn] = name.split(".");
    if (turn === undefined) continue;
    const chain = chains.get(task) ?? [];
    chain[Number(turn) - 1] = bodies.get(name) ?? "";
    chains.set(task, chain);
  }
  return [...chains.values()];
}

async function round(bodies: Map<string, string>): Promise<number> {
  const chains = chainsOf(bodies);
  const started = performance.now();
  await call(bodies.get("plan") ?? "");
  await Promise.all(chains.map(chain));
  await call(bodies.get("answer") ?? "");
  return performance.now() - started;
}

const bodies = await seen();
console.log(`ready with ${bodies.size} calls`);
for await (const _ of createInterface({ input: process.stdin })) console.log(`round ${await round(bodies)}`);
