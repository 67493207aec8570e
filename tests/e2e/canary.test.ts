// A provider's key is nowhere but in the sealed vault: set by the command line, used in runs, and repeated by the provider.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesWith, processesWith, spelledIn, spellingsOf } from "../kit/canary.ts";
import type { Ended } from "../kit/child.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { askedDirectly, CanaryWatch, PROGRAM, type Watched, WORKER } from "./canary-watch.ts";

/** As providers make them; and one that reads differently in every spelling. */
const KEYS = [
  `sk-canary-${randomBytes(24).toString("hex")}`,
  `sk-"${randomBytes(9).toString("base64")}"\\<&>%+/=?~${randomBytes(9).toString("base64")}`,
] as const;

let server: TestServer;
let project: string;
let scenarios: string;
let watch: CanaryWatch;

function tasks() {
  const calls = [{ tool: "shell.exec", arguments: { command: ["node", "-e", PROGRAM] } }];
  const turns = [{ say: "Looking at what there is.", calls }, { say: "That was all." }];
  return [{ taskId: "look", needs: ["read:.", "run:node"], writes: ["environment.txt"], turns }];
}

beforeAll(async () => {
  server = await startServer();
  project = join(server.folders.base, "project");
  scenarios = join(server.folders.base, "scenarios");
  mkdirSync(project, { mode: 0o755 });
  writeFileSync(join(project, "notes.txt"), "nothing secret\n");
  writeScenario(scenarios, "Look around", tasks());
  watch = new CanaryWatch(server, KEYS, [project]);
});
afterAll(async () => {
  await watch?.end();
  await server?.dispose();
});

/** Adds a provider with its key on standard input. */
async function add(providerId: string, model: ModelServer, key: string, kind = "openai"): Promise<void> {
  const words = ["provider", "add", providerId, "--kind", kind, "--base-url", model.url, "--model", "rehearsal"];
  const added = await watched([...words, "--key-stdin"], `${key}\n`);
  expect(added.value.status, added.value.stderr).toBe(0);
  expect(added.hits).toEqual([]);
}

/** The command line, looked at all the time. */
async function watched(words: string[], input?: string): Promise<Watched<Ended>> {
  const found = await watch.during(server.cli(words, input === undefined ? {} : { input }));
  watch.said.push(found.value.stdout, found.value.stderr);
  return found;
}

async function run(provider: string): Promise<Watched<Ended>> {
  const model = `${provider}/rehearsal`;
  return await watched(["run", "Look around", "--project", project, "--model", model, "--approve", "bundle", "--json"]);
}

/** Everything there is at the end of a run, and what was seen while it ran. */
async function traces({ value, hits }: Watched<Ended>): Promise<{ hits: string[]; blobs: number; files: number }> {
  for (const words of [["provider", "list"], ["doctor"]]) watch.said.push((await server.cli(words)).stdout);
  const found = await watch.traces(/"runId":"([^"]+)"/.exec(value.stdout)?.[1] ?? "");
  return { ...found, hits: [...hits, ...found.hits] };
}

async function withModel<T>(options: Parameters<typeof startModelServer>[0], use: (model: ModelServer) => Promise<T>) {
  const model = await startModelServer({ scenarios, ...options });
  try {
    return await use(model);
  } finally {
    await model.stop();
  }
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
      expect(done.value.status, done.value.stdout.slice(-2000)).toBe(0);
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
      expect(spelledIn(await askedDirectly(model.url, key), [key]).length).toBeGreaterThanOrEqual(4);
      await add(`answers-${kind}-${place}`, model, key, kind);
      const done = await run(`answers-${kind}-${place}`);
      expect(model.requests().length).toBeGreaterThan(0);
      expect(watch.liveTexts().some((text) => text.includes("[redacted]"))).toBe(true);
      expect((await traces(done)).hits).toEqual([]);
      expect(done.value.status, done.value.stdout.slice(-2000)).toBe(0);
    });
  });

  it("is taken out of the error of a provider that repeats it", async () => {
    await withModel({ apiKey: other, echoKey: "error" }, async (model) => {
      expect(spelledIn(await askedDirectly(model.url, key), [key]).length).toBeGreaterThanOrEqual(4);
      await add(`errors-${kind}-${place}`, model, key, kind);
      const done = await run(`errors-${kind}-${place}`);
      expect(done.value.status).toBe(1);
      // What is left of the provider's words is shown.
      expect(done.value.stdout).toMatch(/Incorrect API key|invalid x-api-key/);
      expect((await traces(done)).hits).toEqual([]);
    });
  });

  it("goes with its provider", async () => {
    await withModel({ apiKey: key }, async (model) => {
      await add(`gone-${kind}-${place}`, model, key, kind);
      const removed = await watched(["provider", "remove", `gone-${kind}-${place}`]);
      expect(removed.value.status).toBe(0);
      expect(removed.hits).toEqual([]);
      expect(readFileSync(join(server.folders.home, "vault.json"), "utf8")).not.toContain(
        `provider:gone-${kind}-${place}`,
      );
      expect(watch.look(true).hits).toEqual([]);
    });
  });
});

it("the end of the server leaves no key behind either, nor does the command line by itself", async () => {
  const ended = await server.stop();
  expect(ended.status).toBe(0);
  await withModel({ apiKey: KEYS[1], echoKey: "answer" }, async (model) => {
    await add("alone", model, KEYS[1]);
    const done = await run("alone");
    expect(done.value.status, done.value.stdout.slice(-2000)).toBe(0);
    expect(done.hits).toEqual([]);
  });
  const { home, work } = server.folders;
  expect(filesWith([home, work, project], KEYS).hits).toEqual([]);
  expect(
    spelledIn(watch.said.join("") + watch.streamed + watch.liveTexts().join("\n") + ended.stdout + ended.stderr, KEYS),
  ).toEqual([]);
});
