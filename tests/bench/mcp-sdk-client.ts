// The same calls with the bare TypeScript client: connect, warm up, call, print what this process spent for one.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const WARM_UP = 100;
const CALLS = 1_000;

const [entry = "", atOnceText = "1"] = process.argv.slice(2);
const atOnce = Number(atOnceText);
const client = new Client({ name: "bench", version: "1.0.0" });
await client.connect(new StdioClientTransport({ command: process.execPath, args: [entry], stderr: "ignore" }));

async function call(step: number): Promise<void> {
  const result = await client.callTool({ name: "echo", arguments: { message: `hello ${step}` } });
  if (!JSON.stringify(result).includes(`hello ${step}`)) throw new Error(JSON.stringify(result));
}

for (let step = 0; step < WARM_UP; step += 1) await call(step);
const before = process.cpuUsage();
const times: number[] = [];
await Promise.all(
  Array.from({ length: atOnce }, async (_, worker) => {
    for (let step = worker; step < CALLS; step += atOnce) {
      const started = performance.now();
      await call(step);
      times.push(performance.now() - started);
    }
  }),
);
const { user, system } = process.cpuUsage(before);
times.sort((a, b) => a - b);
console.log(JSON.stringify({ cpuMs: (user + system) / 1000 / CALLS, p95Ms: times[Math.floor(CALLS * 0.95)] }));
await client.close();
