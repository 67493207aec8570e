// Entry `model-fabric`: its switches, and the class over the built addon, against the scripted model server.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ModelServer, startModelServer } from "../../tests/kit/model-server.ts";
import { describeSwitches, faultOf } from "./entry-switches.ts";
import type { ModelFabric } from "./model-fabric/fabric.ts";
import * as browser from "./model-fabric/index.ts";
import { error as loadError, native as loaded } from "./model-fabric/node.ts";

describeSwitches({
  feature: "model-fabric",
  className: "ModelFabric",
  browser,
  browserFiles: ["index.ts", "fabric.ts"],
  ids: { off: "AS-070", override: "AS-071", browser: "AS-072" },
});

const KEY = "sk-model-fabric-Zq81";

interface Usage {
  eventId: string;
  providerId: string;
  modelId: string;
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  costUsd?: number;
}

interface Answer {
  text: string;
  toolCalls: { tool: string }[];
  stop: string;
  usage: Usage;
}

/** A fabric with values, and the secrets it has asked for. */
class Fabric {
  readonly face: ModelFabric;
  readonly asked: string[] = [];

  constructor(secrets: Record<string, string> = { key: KEY }) {
    if (loaded === null) throw loadError;
    this.face = new loaded.ModelFabric(async (name) => {
      this.asked.push(name);
      const secret = secrets[name];
      if (secret === undefined) throw new Error(`no ${name}, but ${JSON.stringify(secrets)}`);
      return secret;
    });
  }

  providers(...records: object[]): void {
    this.face.loadProviders(JSON.stringify(records));
  }

  routes(...rules: object[]): void {
    this.face.loadRoutes(JSON.stringify(rules));
  }

  async complete(request: object = {}, context?: object): Promise<Answer> {
    const given = context && JSON.stringify(context);
    return JSON.parse(await this.face.complete(JSON.stringify({ ...question(), ...request }), given));
  }

  usage(after?: number, limit?: number): Usage[] {
    return JSON.parse(this.face.drainUsageEvents(after, limit));
  }

  snapshot(): { providers: { providerId: string }[]; routes: { ruleId: string }[]; usageCursor: number } {
    return JSON.parse(this.face.getSnapshot());
  }
}

function question(): object {
  const origin = { source: "person", name: "test" };
  return {
    system: "Role: answer",
    messages: [{ role: "user", parts: [{ type: "text", text: "# Goal\nSay it.", origin, labels: [] }] }],
  };
}

let server: ModelServer;
let flaky: ModelServer;

beforeAll(async () => {
  server = await startModelServer({ models: ["one", "two"], apiKey: KEY, echoKey: "answer" });
  flaky = await startModelServer({
    models: ["down"],
    faults: [{ times: 1_000, fault: { kind: "status", status: 503, retryAfter: "0" } }],
  });
});

afterAll(async () => {
  await server.stop();
  await flaky.stop();
});

function provider(more: object = {}): object {
  return {
    providerId: "own",
    kind: "openai",
    authRef: "key",
    baseUrl: server.url,
    modelIds: ["one", "two"],
    defaultModelId: "one",
    ...more,
  };
}

function down(more: object = {}): object {
  return provider({ providerId: "down", baseUrl: flaky.url, modelIds: ["down"], defaultModelId: "down", ...more });
}

describe("providers and routes", () => {
  let fabric: Fabric;
  beforeEach(() => {
    fabric = new Fabric();
  });

  test("AS-001 AS-010 providers are listed by id, routes by priority, then id", () => {
    fabric.providers(provider({ providerId: "z" }), provider({ providerId: "a" }));
    const rule = (ruleId: string, priority: number): object => ({ ruleId, priority, modelId: "a/one" });
    fabric.routes(rule("b", 1), rule("c", 5), rule("a", 1));
    const { providers, routes } = fabric.snapshot();
    expect(providers.map(({ providerId }) => providerId)).toEqual(["a", "z"]);
    expect(routes.map(({ ruleId }) => ruleId)).toEqual(["c", "a", "b"]);
  });

  test("AS-002 AS-003 AS-014 AS-073 what cannot be is refused, and leaves everything as it was", async () => {
    fabric.providers(provider());
    fabric.routes({ ruleId: "r", priority: 0, modelId: "own/one" });
    const before = fabric.snapshot();
    const { authRef: _, ...keyless } = provider() as { authRef: string };
    const wrong: [string, object[]][] = [
      ["INVALID_ARGUMENTS", [provider({ modelIds: [] })]],
      ["INVALID_ARGUMENTS", [keyless]],
      ["INVALID_ARGUMENTS", [provider({ kind: "local", baseUrl: undefined })]],
      ["INVALID_ARGUMENTS", [provider({ maxRetries: 9 })]],
      ["INVALID_ARGUMENTS", [provider({ organizationId: "a\nb: c" })]],
      ["ALREADY_EXISTS", [provider(), provider()]],
    ];
    for (const [code, records] of wrong) {
      const fault = await faultOf(() => fabric.providers(...records));
      expect([fault.code, fault.hint !== ""]).toEqual([code, true]);
    }
    const unknown = await faultOf(() => fabric.routes({ ruleId: "x", priority: 0, modelId: "own/three" }));
    expect(unknown.code).toBe("NO_ROUTE");
    expect(fabric.snapshot()).toEqual(before);
    // Only a local server has no usual address.
    fabric.providers(
      provider({ kind: "gemini", baseUrl: undefined }),
      provider({ providerId: "b", baseUrl: undefined }),
    );
  });

  test("AS-011 AS-012 every filter that is given must match; without a match the default answers, else nobody", async () => {
    fabric.providers(provider());
    fabric.routes(
      { ruleId: "both", priority: 9, workerId: "w", taskType: "planner", modelId: "own/two" },
      { ruleId: "type", priority: 5, taskType: "planner", modelId: "own/one" },
    );
    const model = async (context?: object): Promise<string> => (await fabric.complete({}, context)).usage.modelId;
    expect(await model({ workerId: "w", taskType: "planner" })).toBe("two");
    expect(await model({ workerId: "v", taskType: "planner" })).toBe("one");
    expect(await model({ workerId: "w" })).toBe("one");
    expect((await fabric.complete({ modelId: "own/two" })).usage.modelId).toBe("two");
    fabric.providers(provider({ defaultModelId: undefined }));
    fabric.routes();
    expect((await faultOf(() => fabric.complete())).code).toBe("NO_ROUTE");
  });
});

describe("calls", () => {
  test("AS-004 a secret is read for each request and at no other time", async () => {
    const fabric = new Fabric();
    fabric.providers(provider());
    expect(fabric.asked).toEqual([]);
    await fabric.complete();
    await fabric.complete();
    expect(fabric.asked).toEqual(["key", "key"]);
    const lost = new Fabric({ other: KEY });
    lost.providers(provider());
    const fault = await faultOf(() => lost.complete());
    expect(fault.code).toBe("VAULT_LOCKED");
    expect(JSON.stringify(fault)).not.toContain(KEY);
  });

  test.each(["openai", "anthropic", "local"])(
    "AS-020 AS-022 %s: an answer comes back, the key never does",
    async (kind) => {
      const fabric = new Fabric();
      fabric.providers(provider({ kind }));
      const answer = await fabric.complete();
      expect(answer).toMatchObject({ stop: "end", toolCalls: [], usage: { providerId: "own", modelId: "one" } });
      expect(answer.text).not.toBe("");
      const seen = JSON.stringify([answer, fabric.usage(), fabric.snapshot()]);
      for (const spelled of [KEY, Buffer.from(KEY).toString("base64"), Buffer.from(KEY).toString("hex")])
        expect(seen).not.toContain(spelled);
    },
  );

  test("AS-021 words come one after another, and together are the answer", async () => {
    const fabric = new Fabric();
    fabric.providers(provider());
    const heard: string[] = [];
    const answer: Answer = JSON.parse(
      await fabric.face.stream(JSON.stringify(question()), null, (piece) => {
        const { offset, text } = JSON.parse(piece) as { offset: number; text: string };
        expect(offset).toBe(Buffer.byteLength(heard.join("")));
        heard.push(text);
      }),
    );
    await expect.poll(() => heard.join("")).toBe(answer.text);
  });

  test("AS-013 AS-023 who gives no answer is stood in for; the last failure says what to do", async () => {
    const fabric = new Fabric();
    fabric.providers(provider(), down({ maxRetries: 0 }));
    fabric.routes({ ruleId: "r", priority: 1, modelId: "down/down", fallbackModelIds: ["own/two"] });
    expect((await fabric.complete()).usage).toMatchObject({ providerId: "own", modelId: "two" });
    const fault = await faultOf(() => fabric.complete({ modelId: "down/down" }));
    expect(fault.code).toBe("MODEL_UNAVAILABLE");
    expect(fault.hint).not.toBe("");
    expect((await faultOf(() => fabric.complete({ messages: [] }))).code).toBe("INVALID_ARGUMENTS");
  });

  test("AS-005 a provider has its own number of tries, and its organization is told", async () => {
    const fabric = new Fabric();
    fabric.providers(down({ maxRetries: 1, organizationId: "org-7" }));
    const before = flaky.received().length;
    await faultOf(() => fabric.complete());
    const sent = flaky.received().slice(before);
    expect(sent.map(({ headers }) => headers["openai-organization"])).toEqual(["org-7", "org-7"]);
  });
});

describe("usage", () => {
  test("AS-030 AS-031 AS-032 every request is kept, with its price where that is known, until a reset", async () => {
    const fabric = new Fabric();
    const prices = [{ modelId: "one", inputMicroUsd: 2_000_000, outputMicroUsd: 5_000_000 }];
    fabric.providers(provider({ prices }), down({ maxRetries: 0 }));
    const { usage } = await fabric.complete({ modelId: "own/one" });
    await fabric.complete({ modelId: "own/two" });
    await faultOf(() => fabric.complete({ modelId: "down/down" }));
    expect(usage.totalTokens).toBe(usage.inputTokens + usage.outputTokens);
    expect(usage.costUsd).toBeCloseTo((usage.inputTokens * 2 + usage.outputTokens * 5) / 1e6, 9);
    const all = fabric.usage();
    expect(all.map(({ eventId, modelId }) => [eventId, modelId])).toEqual([
      ["usage-1", "one"],
      ["usage-2", "two"],
      ["usage-3", "down"],
    ]);
    expect([all[1]?.costUsd, all[2]?.totalTokens]).toEqual([undefined, 0]);
    expect(fabric.usage(1, 1).map(({ eventId }) => eventId)).toEqual(["usage-2"]);
    expect(fabric.snapshot().usageCursor).toBe(3);
    fabric.face.reset();
    expect(fabric.snapshot()).toEqual({ providers: [], routes: [], usageCursor: 0 });
    expect(fabric.usage()).toEqual([]);
  });
});
