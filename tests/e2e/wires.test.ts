// The same job over the wires of two providers, with a key; what is sent is what the providers' own packages would let through.

import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Artifact, ProviderConfig, ProviderKind } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines } from "../kit/cli.ts";
import { ROOT, temporaryFolder } from "../kit/folders.ts";
import { type ModelServer, type Received, startModelServer } from "../kit/model-server.ts";
import { factsOf, runFacts } from "../kit/run-events.ts";
import { eventsOf, startRun, waitFinished, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";
import { judgeDelivery } from "./analysis.ts";

const GOAL = "Analyse this data and give me a workbook, a report and a deck.";
const KEY = "sk-wires-0123456789abcdefghij";
const KINDS = ["openai", "anthropic"] as const;
type Wire = (typeof KINDS)[number];

interface Line {
  type: string;
  runId?: string;
  status?: string;
  artifacts?: Artifact[];
}

let server: TestServer;
let model: ModelServer;
const done = new Map<Wire, { artifacts: Artifact[]; received: Received[] }>();

beforeAll(async () => {
  // One after the other: when the first does not start, nobody would end the second.
  server = await startServer();
  model = await startModelServer({ apiKey: KEY });
});
afterAll(async () => {
  await model?.stop();
  await server?.dispose();
});

describe.each(KINDS)("over the wire of %s", (kind) => {
  it("the job is done, with the person's key", async () => {
    const before = model.received().length;
    const { path, table } = projectWith(join(server.folders.base, kind), "missing");
    // With `/v1` and without.
    const url = kind === "anthropic" ? model.url.replace(/\/v1$/, "") : model.url;
    const words = ["provider", "add", kind, "--kind", kind, "--base-url", url, "--model", "rehearsal", "--key-stdin"];
    expect(await server.cli(words, { input: `${KEY}\n` })).toMatchObject({ status: 0, stderr: "" });
    const run = ["run", GOAL, "--project", path, "--model", `${kind}/rehearsal`, "--approve", "all", "--json"];
    const ended = await server.cli(run);
    expect(ended.status, ended.stdout.slice(-2000)).toBe(0);
    const last = jsonLines<Line>(ended.stdout).at(-1);
    expect(last).toMatchObject({ type: "run_finished", status: "completed" });
    await judgeDelivery(path, table);
    const received = model.received().slice(before);
    expect(received.length).toBeGreaterThan(10);
    expect(new Set(received.map((request) => request.path))).toEqual(
      new Set([kind === "anthropic" ? "/v1/messages" : "/v1/chat/completions"]),
    );
    expect(model.requests<{ status: number }>().every(({ status }) => status === 200)).toBe(true);
    const finished = factsOf(await runFacts(server, last?.runId ?? ""), "model_finished");
    expect(finished.every(({ usage }) => usage.inputTokens > 0 && usage.outputTokens > 0)).toBe(true);
    expect(finished.some(({ usage }) => (usage.cacheReadTokens ?? 0) > 0)).toBe(kind === "anthropic");
    done.set(kind, { artifacts: last?.artifacts ?? [], received });
  });
});

it("the files are the same, byte for byte, whatever the wire", () => {
  const [one, two] = KINDS.map((kind) => done.get(kind)?.artifacts.map(({ path, checksum }) => `${path} ${checksum}`));
  expect(one?.length).toBeGreaterThanOrEqual(2);
  expect(one).toEqual(two);
});

const CUTS = 24;
const PICTURE = join(ROOT, "toolkits/samples/seattle-weather/chart-photo.png");

describe.each(KINDS)("a streamed answer with two calls, cut over the wire of %s", (kind) => {
  it("is asked again, and nothing is done twice, wherever the cut was", async () => {
    const scenarios = join(server.folders.base, `cuts-${kind}`);
    const names = Array.from({ length: CUTS + 1 }, (_, place) => `cut-${place}`);
    const append = (path: string, content: string) => ({ tool: "file.append", arguments: { path, content } });
    writeScenario(scenarios, `Cut ${kind}`, [
      ...names.map((name) => ({
        taskId: name,
        needs: [`write:${name}.txt`],
        writes: [`${name}.txt`],
        turns: [
          { say: "Größe, twice.", calls: [append(`${name}.txt`, "one ü\n"), append(`${name}.txt`, "two\n")] },
          { say: "Both are there." },
        ],
      })),
      // A picture, and a call that fails: requests of other forms.
      {
        taskId: "look",
        role: "multi-modal",
        needs: ["read:."],
        turns: [
          {
            say: "",
            calls: [
              { tool: "media.analyzeImage", arguments: { imagePath: "picture.png", prompt: "What is it?" } },
              { tool: "file.read", arguments: { path: "none.txt" } },
            ],
          },
          { say: "Seen." },
        ],
      },
    ]);
    const faults = names.map((task, place) => ({
      match: { task, turn: 1 },
      fault: { kind: "cut", part: place / CUTS },
    }));
    const cutting = await startModelServer({ apiKey: KEY, scenarios, faults });
    try {
      const add = ["provider", "add", `cut-${kind}`, "--kind", kind, "--base-url", cutting.url, "--model", "rehearsal"];
      expect(await server.cli([...add, "--key-stdin"], { input: `${KEY}\n` })).toMatchObject({ status: 0 });
      const project = temporaryFolder();
      try {
        copyFileSync(PICTURE, join(project, "picture.png"));
        const run = await startRun(server, project, `Cut ${kind}`, `cut-${kind}/rehearsal`);
        expect((await waitFinished(server, run)).status).toBe("completed");
        expect(names.map((name) => readFileSync(join(project, `${name}.txt`), "utf8"))).toEqual(
          names.map(() => "one ü\ntwo\n"),
        );
        const finished = (await eventsOf(server, run)).filter(({ type }) => type === "tool_finished");
        expect(finished.length).toBe(2 * names.length + 2);
      } finally {
        rmSync(project, { recursive: true, force: true });
      }
      const asked = cutting
        .requests<{ task: string; turn: number; fault?: unknown }>()
        .filter(({ turn }) => turn === 1);
      for (const [place, name] of names.entries()) {
        const own = asked.filter(({ task }) => task === name);
        expect(own.filter(({ fault }) => fault !== undefined).length).toBe(1);
        // What was whole before the cut need not be asked again: the last part of a stream counts tokens only.
        if (place < CUTS * 0.75) expect(own.length).toBe(2);
        else expect([1, 2]).toContain(own.length);
      }
      const pictured = cutting.received().filter(({ body }) => /"type":"image(_url)?"/.test(body));
      expect(pictured.length).toBe(1);
      done.get(kind)?.received.push(...cutting.received());
    } finally {
      await cutting.stop();
    }
  });
});

const TYPES: Record<Wire, string> = {
  openai: 'import type { ChatCompletionCreateParamsStreaming as Body } from "openai/resources/chat/completions";',
  anthropic: 'import type { MessageCreateParamsStreaming as Body } from "@anthropic-ai/sdk/resources/messages";',
};
/** Changes that no such request may have: the check finds each. */
const WRONG: Record<Wire, ((body: Record<string, unknown>) => unknown)[]> = {
  openai: [
    (body) => ({ ...body, frobnicate: 1 }),
    ({ messages, ...rest }) => rest,
    (body) => ({ ...body, messages: [{ role: "tool", content: "x" }] }),
    (body) => ({ ...body, messages: [{ role: "user", content: [{ type: "image_url", image_url: { href: "x" } }] }] }),
    (body) => ({ ...body, messages: [{ role: "assistant", tool_calls: [{ id: "x", type: "function" }] }] }),
    (body) => ({ ...body, tool_choice: "any" }),
    (body) => ({ ...body, messages: [{ role: "robot", content: "x" }] }),
    (body) => ({ ...body, tools: [{ type: "function", function: { parameters: {} } }] }),
  ],
  anthropic: [
    (body) => ({ ...body, frobnicate: 1 }),
    ({ max_tokens, ...rest }) => rest,
    (body) => ({ ...body, system: [{ type: "txt", text: "x" }] }),
    (body) => ({ ...body, messages: [{ role: "user", content: [{ type: "tool_result", content: "x" }] }] }),
    (body) => ({ ...body, messages: [{ role: "assistant", content: [{ type: "tool_use", id: "x", name: "y" }] }] }),
    (body) => ({ ...body, tools: [{ name: "x", parameters: {} }] }),
    (body) => ({ ...body, messages: [{ role: "tool", content: "x" }] }),
    (body) => ({ ...body, messages: [{ role: "user", content: [{ type: "image_url", url: "x" }] }] }),
  ],
};

it("every request is one that the types of the providers' packages take", () => {
  const folder = temporaryFolder();
  try {
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const options = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      module: "nodenext",
      moduleResolution: "nodenext",
      target: "es2023",
      lib: ["es2023", "dom", "dom.iterable"],
      types: ["node"],
    };
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
    for (const kind of KINDS) {
      const bodies = done.get(kind)?.received.map(({ body }) => body) ?? [];
      expect(bodies.length).toBeGreaterThan(10);
      const right = bodies.map((body, place) => `export const right${place}: Body = ${body};`);
      const first = JSON.parse(bodies[0] ?? "{}") as Record<string, unknown>;
      const wrong = WRONG[kind].map(
        (change, place) => `// @ts-expect-error\nexport const wrong${place}: Body = ${JSON.stringify(change(first))};`,
      );
      writeFileSync(join(folder, `${kind}.ts`), [TYPES[kind], ...right, ...wrong, ""].join("\n"));
    }
    const checked = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { cwd: folder, encoding: "utf8" });
    expect(`${checked.stdout}${checked.stderr}`.slice(0, 4000)).toBe("");
    expect(checked.status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe("trying a provider out", () => {
  function provider(kind: ProviderKind, more: Partial<ProviderConfig> = {}): ProviderConfig {
    return { providerId: "tried", kind, baseUrl: model.url, modelIds: ["rehearsal"], ...more };
  }
  /** Code and hint of what is wrong. */
  async function wrongWith(config: ProviderConfig, sealed?: string): Promise<{ code: string; hint: string }> {
    const told = await server.client.provider
      .test({ provider: config, ...(sealed === undefined ? {} : { sealed }) })
      .catch((error: unknown) => error);
    if (!(told instanceof ApiFault)) throw new Error(`nothing was wrong: ${JSON.stringify(told)}`);
    return { code: told.code, hint: told.hint };
  }
  async function sealedAs(name: string, key: string): Promise<string> {
    const { seal } = await import("../../server/src/seal.ts");
    const { publicKey } = await server.client.secret.publicKey();
    return seal(name, Buffer.from(key), publicKey);
  }

  it.each(KINDS)("%s: what is right is said, with its models", async (kind) => {
    const sealed = await sealedAs("tried", KEY);
    const told = await server.client.provider.test({ provider: provider(kind, { authRef: "tried" }), sealed });
    expect(told).toMatchObject({ modelId: "rehearsal", modelIds: ["rehearsal"] });
    const saved = provider(kind, { providerId: kind, authRef: `provider:${kind}` });
    expect(await server.client.provider.test({ provider: saved })).toMatchObject({ modelId: "rehearsal" });
  });

  it.each(KINDS)("%s: what is wrong is named exactly", async (kind) => {
    const wrongKey = await sealedAs("tried", "sk-wrong-0123456789");
    const rightKey = await sealedAs("tried", KEY);
    const withKey = { authRef: "tried" };
    const place = `127.0.0.1:${model.port}`;
    expect(await wrongWith(provider(kind, withKey), wrongKey)).toMatchObject({
      code: "MODEL_AUTH",
      hint: `${place} does not know the key of \`tried\`: put the right one in again.`,
    });
    expect(await wrongWith(provider(kind))).toMatchObject({
      code: "MODEL_AUTH",
      hint: `${place} asks for a key: add the one of \`tried\`.`,
    });
    expect(await wrongWith(provider(kind, { ...withKey, modelIds: ["none"] }), rightKey)).toMatchObject({
      code: "MODEL_UNKNOWN",
      hint: "It has: rehearsal.",
    });
    const elsewhere = await wrongWith(provider(kind, { ...withKey, baseUrl: `http://${place}/elsewhere` }), rightKey);
    expect(elsewhere.code).toBe("MODEL_ADDRESS");
    expect(elsewhere.hint).toContain(`http://${place}/elsewhere/`);
    const tls = await wrongWith(provider(kind, { ...withKey, baseUrl: `https://${place}` }), rightKey);
    expect(tls.code).toBe("EGRESS_TLS");
    expect(tls.hint).toContain("write http://");
    const nobody = await wrongWith(provider(kind, { ...withKey, baseUrl: "http://127.0.0.1:1/v1" }), rightKey);
    expect(nobody.code).toBe("MODEL_UNAVAILABLE");
    expect(nobody.hint).toContain("Nothing listens at 127.0.0.1:1");
    const own = await wrongWith(provider(kind, { ...withKey, baseUrl: server.url }), rightKey);
    expect(own.code).toBe("EGRESS_DENIED");
  });

  it("a kept key goes to no other address", async () => {
    const moved = provider("openai", {
      providerId: "openai",
      authRef: "provider:openai",
      baseUrl: "http://127.0.0.1:2/v1",
    });
    expect((await wrongWith(moved)).code).toBe("INVALID_ARGUMENTS");
    const borrowed = provider("local", { authRef: "provider:openai" });
    expect((await wrongWith(borrowed)).code).toBe("INVALID_ARGUMENTS");
  });

  it("servers of this machine are looked for when asked", async () => {
    const { servers } = await server.client.provider.find();
    for (const found of servers) expect(found.baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
  });
});
