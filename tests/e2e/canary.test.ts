// A provider's key is nowhere but in the sealed vault: set by the command line, used in runs, and repeated by the provider.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "@openwrap/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesWith, processesWith, spelledIn, spellingsOf } from "../kit/canary.ts";
import type { Ended } from "../kit/child.ts";
import { marked } from "../kit/marked.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { processTree } from "../kit/processes.ts";
import { runFacts } from "../kit/run-events.ts";
import { blobText, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";

const SAMPLE_MS = 15;
const FILES_EVERY = 8;

/** As providers make them; and one that reads differently in every spelling. */
const KEYS = [
  `sk-canary-${randomBytes(24).toString("hex")}`,
  `sk-"${randomBytes(9).toString("base64")}"\\<&>%+/=?~${randomBytes(9).toString("base64")}`,
] as const;

/** What a worker runs: it keeps its whole environment, and stays long enough to be looked at. */
const PROGRAM = `
require("node:fs").writeFileSync("environment.txt", JSON.stringify(process.env));
setTimeout(() => console.log(Object.keys(process.env).length), 250);`;
/** Among the names of programs: the worker's own was seen. */
const WORKER = "worker's program";

/** What a run left, and what was seen while it ran. */
interface Traces {
  ended: Ended;
  runId: string;
  samples: number;
  /** Names of the programs that were seen. */
  seen: Set<string>;
  hits: string[];
}

let server: TestServer;
let project: string;
let scenarios: string;
/** Everything any program said. */
const said: string[] = [];
/** The whole event stream. */
let streamed = "";
const stream = new AbortController();
let streaming: Promise<void>;

function tasks() {
  const calls = [{ tool: "shell.exec", arguments: { command: ["node", "-e", PROGRAM] } }];
  const turns = [{ say: "Looking at what there is.", calls }, { say: "That was all." }];
  return [{ taskId: "look", needs: ["read:.", "run:node"], writes: ["environment.txt"], turns }];
}

async function listen(): Promise<void> {
  const headers = { authorization: `Bearer ${server.token}` };
  const response = await fetch(`${server.url}/api/stream?after=0`, { headers, signal: stream.signal });
  const decoder = new TextDecoder();
  for await (const part of response.body ?? []) streamed += decoder.decode(part as Uint8Array, { stream: true });
}

beforeAll(async () => {
  server = await startServer();
  project = join(server.folders.base, "project");
  scenarios = join(server.folders.base, "scenarios");
  mkdirSync(project, { mode: 0o755 });
  writeFileSync(join(project, "notes.txt"), "nothing secret\n");
  writeScenario(scenarios, "Look around", tasks());
  streaming = listen().catch((error: unknown) => {
    if (!stream.signal.aborted) throw error;
  });
});
afterAll(async () => {
  stream.abort();
  await streaming;
  await server?.dispose();
});

/** Adds a provider with its key on standard input. */
async function add(providerId: string, model: ModelServer, key: string, kind = "openai"): Promise<void> {
  const words = ["provider", "add", providerId, "--kind", kind, "--base-url", model.url, "--model", "rehearsal"];
  const added = await watched(server.cli([...words, "--key-stdin"], { input: `${key}\n` }));
  expect(added.ended.status, added.ended.stderr).toBe(0);
  expect(added.hits).toEqual([]);
}

function look(files: boolean): { hits: string[]; names: string[] } {
  // The command line is a child of this process, as the server is; the model server has the key by right, on its standard input.
  const tree = processTree(process.pid);
  const pids = tree.map(({ pid }) => pid).filter((pid) => pid !== process.pid);
  const { home, work } = server.folders;
  return {
    hits: [...processesWith(pids, KEYS), ...(files ? filesWith([home, work, project], KEYS).hits : [])],
    names: tree.map(({ name }) => name),
  };
}

/** Looks at processes and files all the time that something takes. */
async function watched(work: Promise<Ended>): Promise<Omit<Traces, "runId">> {
  const hits: string[] = [];
  const seen = new Set<string>();
  let done = false;
  let samples = 0;
  const watching = (async () => {
    while (!done) {
      const found = look(samples % FILES_EVERY === 0);
      hits.push(...found.hits);
      for (const name of found.names) seen.add(name);
      if (marked(PROGRAM).length > 0) seen.add(WORKER);
      samples += 1;
      await new Promise((wait) => setTimeout(wait, SAMPLE_MS));
    }
  })();
  const ended = await work.finally(() => {
    done = true;
  });
  await watching;
  said.push(ended.stdout, ended.stderr);
  return { ended, samples, seen, hits };
}

async function run(provider: string): Promise<Traces> {
  const words = [
    "run",
    "Look around",
    "--project",
    project,
    "--model",
    `${provider}/rehearsal`,
    "--approve",
    "bundle",
    "--json",
  ];
  const traces = await watched(server.cli(words));
  const runId = /"runId":"([^"]+)"/.exec(traces.ended.stdout)?.[1] ?? "";
  return { ...traces, runId };
}

/** Live text by step, put together: what was cut into frames can be read again. */
function liveTexts(): string[] {
  const steps = new Map<string, string>();
  for (const [, data = ""] of streamed.matchAll(/^event: text\ndata: (.*)$/gm)) {
    const { runId, stepId, text } = JSON.parse(data) as { runId: string; stepId: string; text: string };
    steps.set(`${runId} ${stepId}`, (steps.get(`${runId} ${stepId}`) ?? "") + text);
  }
  return [...steps.values()];
}

/** Every hash that an event names, wherever it stands. */
function hashesIn(events: Event[]): string[] {
  return [...new Set(JSON.stringify(events).match(/\b[0-9a-f]{64}\b/g) ?? [])];
}

/** All answers about a run, with every blob that there is. */
async function answersAbout(runId: string): Promise<{ text: string; blobs: number }> {
  const { client } = server;
  const events = (await runFacts(server, runId)).map(({ event }) => event);
  const blobs = await Promise.all(hashesIn(events).map((hash) => blobText(server, hash).catch(() => undefined)));
  const { projectId = "" } = events.find((event) => event.type === "run_created") ?? {};
  const others = [
    await client.overview.get(),
    await client.run.get({ runId }),
    await client.run.record({ runId }).catch(String),
    await client.project.files({ projectId: projectId ?? "" }),
    await client.doctor.get(),
    await client.health.get(),
    await client.secret.publicKey(),
    await client.audit.verify(),
    (await server.cli(["provider", "list"])).stdout,
    (await server.cli(["doctor"])).stdout,
  ];
  const there = blobs.filter((text) => text !== undefined);
  return { text: JSON.stringify([events, others]) + there.join("\n"), blobs: there.length };
}

/** Everything there is at the end of a run: files, streams, answers, logs. */
async function traces({ runId, hits }: Traces): Promise<{ hits: string[]; blobs: number; files: number }> {
  const { text, blobs } = await answersAbout(runId);
  const { home, work } = server.folders;
  const { hits: inFiles, files } = filesWith([home, work, project], KEYS);
  const { stdout, stderr } = server.child.said();
  const texts = {
    answers: text,
    said: said.join(""),
    streamed,
    "live text": liveTexts().join("\n"),
    "server's output": stdout + stderr,
  };
  const inTexts = Object.entries(texts).flatMap(([name, found]) =>
    spelledIn(found, KEYS).map((how) => `${name}: ${how}`),
  );
  return { hits: [...hits, ...inFiles, ...inTexts], blobs, files };
}

async function withModel<T>(options: Parameters<typeof startModelServer>[0], use: (model: ModelServer) => Promise<T>) {
  const model = await startModelServer({ scenarios, ...options });
  try {
    return await use(model);
  } finally {
    await model.stop();
  }
}

/** What the model server answers to somebody who has the key. */
async function askedDirectly(model: ModelServer, key: string): Promise<string> {
  const response = await fetch(`${model.url}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "rehearsal", messages: [{ role: "user", content: "Hello" }] }),
  });
  return await response.text();
}

describe("the search", () => {
  it("finds a key in every spelling, wherever it was put", () => {
    for (const key of KEYS) {
      for (const [name, text] of spellingsOf(key)) {
        const path = join(project, "planted.bin");
        writeFileSync(path, Buffer.concat([randomBytes(7), text, randomBytes(7)]));
        try {
          expect(filesWith([project], KEYS).hits.join("\n"), name).toContain(path);
        } finally {
          rmSync(path);
        }
      }
      for (const before of ["", "x", "xy", "Bearer "])
        expect(spelledIn(Buffer.from(`${before}${key}zz`).toString("base64"), KEYS).length, before).toBeGreaterThan(0);
      const own = processesWith([process.pid], [`${process.pid}`, process.env.PATH ?? "-"]);
      expect(own.some((hit) => hit.includes("environ"))).toBe(true);
    }
    expect(filesWith([project], KEYS).hits).toEqual([]);
  });
});

describe.each([
  ["made as usual", 0, "openai"],
  ["that every spelling changes", 1, "openai"],
  ["made as usual", 0, "anthropic"],
  ["that every spelling changes", 1, "anthropic"],
] as const)("a key %s (%i, %s)", (_, place, kind) => {
  const key = KEYS[place];
  const other = KEYS[1 - place] ?? "";

  it("is used, and stays in the vault", async () => {
    await withModel({ apiKey: key }, async (model) => {
      await add(`used-${kind}-${place}`, model, key, kind);
      const done = await run(`used-${kind}-${place}`);
      expect(done.ended.status, done.ended.stdout.slice(-2000)).toBe(0);
      expect(model.requests<{ status: number }>().every(({ status }) => status === 200)).toBe(true);
      expect(done.samples).toBeGreaterThan(5);
      expect([...done.seen].sort()).toEqual(expect.arrayContaining(["node", "openwrap-spawne", WORKER]));
      const found = await traces(done);
      expect(found.hits).toEqual([]);
      expect(found.blobs).toBeGreaterThan(5);
      expect(existsSync(join(project, "environment.txt"))).toBe(true);
      const vault = readFileSync(join(server.folders.home, "vault.json"), "utf8");
      expect(vault).toContain(`provider:used-${kind}-${place}`);
    });
  });

  it("is taken out of every answer of a provider that repeats it, however the answer is cut", async () => {
    await withModel({ apiKey: key, echoKey: "answer", chunkBytes: 11 }, async (model) => {
      expect(spelledIn(await askedDirectly(model, key), [key]).length).toBeGreaterThanOrEqual(4);
      await add(`answers-${kind}-${place}`, model, key, kind);
      const done = await run(`answers-${kind}-${place}`);
      expect(model.requests().length).toBeGreaterThan(0);
      expect(liveTexts().some((text) => text.includes("[redacted]"))).toBe(true);
      expect((await traces(done)).hits).toEqual([]);
      expect(done.ended.status, done.ended.stdout.slice(-2000)).toBe(0);
    });
  });

  it("is taken out of the error of a provider that repeats it", async () => {
    await withModel({ apiKey: other, echoKey: "error" }, async (model) => {
      expect(spelledIn(await askedDirectly(model, key), [key]).length).toBeGreaterThanOrEqual(4);
      await add(`errors-${kind}-${place}`, model, key, kind);
      const done = await run(`errors-${kind}-${place}`);
      expect(done.ended.status).toBe(1);
      // What is left of the provider's words is shown.
      expect(done.ended.stdout).toMatch(/Incorrect API key|invalid x-api-key/);
      expect((await traces(done)).hits).toEqual([]);
    });
  });

  it("goes with its provider", async () => {
    await withModel({ apiKey: key }, async (model) => {
      await add(`gone-${kind}-${place}`, model, key, kind);
      const removed = await watched(server.cli(["provider", "remove", `gone-${kind}-${place}`]));
      expect(removed.ended.status).toBe(0);
      expect(removed.hits).toEqual([]);
      expect(readFileSync(join(server.folders.home, "vault.json"), "utf8")).not.toContain(
        `provider:gone-${kind}-${place}`,
      );
      expect(look(true).hits).toEqual([]);
    });
  });
});

it("the end of the server leaves no key behind either, nor does the command line by itself", async () => {
  const ended = await server.stop();
  expect(ended.status).toBe(0);
  await withModel({ apiKey: KEYS[1], echoKey: "answer" }, async (model) => {
    await add("alone", model, KEYS[1]);
    const done = await run("alone");
    expect(done.ended.status, done.ended.stdout.slice(-2000)).toBe(0);
    expect(done.hits).toEqual([]);
  });
  const { home, work } = server.folders;
  expect(filesWith([home, work, project], KEYS).hits).toEqual([]);
  expect(spelledIn(said.join("") + streamed + liveTexts().join("\n") + ended.stdout + ended.stderr, KEYS)).toEqual([]);
});
