import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { budgetWords, microUsd, readBudget } from "../src/cli/budget.ts";
import { main } from "../src/cli/main.ts";
import { writeLock } from "../src/lock-file.ts";
import { TOKEN } from "./fake-core.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { ScriptedTerminal } from "./scripted-terminal.ts";

let folder: string;
let server: RunningServer;
let terminal: ScriptedTerminal;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "openwrap-cli-"));
  for (const name of ["home", "project"]) mkdirSync(join(folder, name));
  server = await startServer();
  writeLock(join(folder, "home"), { pid: process.pid, port: server.port, token: TOKEN, url: "http://localhost:1" });
  terminal = new ScriptedTerminal(join(folder, "home"));
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const openwrap = (...argv: string[]): Promise<number> => main(argv, terminal);
const paramsOf = (method: string) => server.core.calls.filter((call) => call.method === method).map((c) => c.params);

describe("sums", () => {
  it("are read to the millionth and never otherwise", () => {
    expect(["5", "$2.50", "0.000001", "1234567.5"].map(microUsd)).toEqual([5_000_000, 2_500_000, 1, 1_234_567_500_000]);
    for (const wrong of ["", "-1", "1e3", "0.0000001", "1,5", "12345678", "1 2"])
      expect(microUsd(wrong)).toBeUndefined();
    expect(readBudget(["2.50", "200000t"])).toEqual({ costMicroUsd: 2_500_000, tokens: 200_000 });
    expect(readBudget([])).toBeUndefined();
    for (const wrong of [["0"], ["0t"], ["1", "2"], ["5t", "6tokens"], ["x"]])
      expect(() => readBudget(wrong)).toThrow("--budget");
  });

  it("are shown exactly", () => {
    expect(budgetWords({ costMicroUsd: 2_500_000 })).toBe("$2.50");
    expect(budgetWords({ costMicroUsd: 1, tokens: 7 })).toBe("$0.000001 and 7 tokens");
  });
});

describe("budgets", () => {
  const SUMMARY = { runId: "run_1", number: 1, model: "p/m", createdAt: 0, firstSequence: 5 };

  it.each(["all", "bundle"])("--approve %s never raises one", async (approve) => {
    server.core.handlers.set("project.open", () => ({ projectId: "p1" }));
    server.core.handlers.set("run.create", () => SUMMARY);
    server.core.handlers.set("approval.resolve", () => ({ sequence: 1 }));
    const argv = [
      "run",
      "goal",
      "--project",
      join(folder, "project"),
      "--model",
      "p/m",
      "--budget",
      "2.5",
      "--approve",
      approve,
    ];
    const running = main(argv, terminal);
    await expect.poll(() => server.core.readers.size).toBe(1);
    expect(paramsOf("run.create")).toEqual([expect.objectContaining({ budget: { costMicroUsd: 2_500_000 } })]);
    const say = (sequence: number, event: object): void =>
      server.core.send(`id: ${sequence}\ndata: ${JSON.stringify({ at: 1, runId: "run_1", ...event })}\n\n`);
    const words = { sentence: "Raise it?", exact: "$2.50 to $5.00", why: "It is spent.", ifNo: "The run stops." };
    const question = {
      approvalId: "q",
      kind: "budget",
      risk: "leaves_machine",
      scopes: ["run"],
      labels: [],
      adds: [],
      ...words,
    };
    say(5, { type: "approval_requested", question });
    await expect
      .poll(() => paramsOf("approval.resolve"))
      .toEqual([expect.objectContaining({ approvalId: "q", decision: { allow: false, scope: "run" } })]);
    say(6, { type: "run_finished", status: "canceled", artifacts: [] });
    expect(await running).toBe(1);
  });
});

it("sets and takes away the budget of new runs", async () => {
  server.core.handlers.set("budget.set", () => ({ sequence: 1 }));
  expect(await openwrap("budget", "set", "2.50,200000t")).toBe(0);
  expect(await openwrap("budget", "set", "none")).toBe(0);
  expect(await openwrap("budget", "set", "much")).toBe(2);
  expect(paramsOf("budget.set")).toEqual([{ budget: { costMicroUsd: 2_500_000, tokens: 200_000 } }, {}]);
  expect(terminal.lines).toEqual([
    "New runs may spend $2.50 and 200000 tokens.",
    "New runs spend as much as it takes.",
  ]);
});

describe("providers and routes", () => {
  const PROVIDER = {
    providerId: "own",
    kind: "local",
    baseUrl: "http://127.0.0.1:1/v1",
    modelIds: ["m"],
    defaultModelId: "m",
  };
  beforeEach(() => server.core.handlers.set("overview.get", () => ({ runs: [], providers: [PROVIDER] })));

  it("tries the kept provider with another model, and knows no other", async () => {
    server.core.handlers.set("provider.test", () => ({ modelId: "n", latencyMs: 12, modelIds: ["m", "n\u001b[2J"] }));
    expect(await openwrap("provider", "test", "own", "--model", "n")).toBe(0);
    const provider = { ...PROVIDER, modelIds: ["m", "n"], defaultModelId: "n" };
    expect(paramsOf("provider.test")).toEqual([{ provider }]);
    expect(terminal.lines[0]).toBe("own/n answered in 12 ms.");
    expect(terminal.lines[1]).not.toContain("\u001b");
    expect(await openwrap("provider", "test", "other")).toBe(1);
    expect(terminal.errors[0]).toBe('NOT_FOUND: there is no provider "other"');
  });

  it("keeps prices beside the models they are for", async () => {
    server.core.handlers.set("provider.add", () => ({ sequence: 1 }));
    const add = ["provider", "add", "own", "--kind", "local", "--base-url", "http://127.0.0.1:1", "--model", "a=b"];
    expect(await openwrap(...add, "--price", "a=b=3/0.25")).toBe(0);
    const prices = [{ modelId: "a=b", inputMicroUsd: 3_000_000, outputMicroUsd: 250_000 }];
    expect(paramsOf("provider.add")).toEqual([expect.objectContaining({ prices })]);
    for (const wrong of ["c=1/2", "a=b=1", "a=b=x/2"]) expect(await openwrap(...add, "--price", wrong)).toBe(2);
  });

  it("finds local servers, and shows none as none", async () => {
    const server1 = { providerId: "ollama", name: "Ollama", kind: "local", baseUrl: "http://127.0.0.1:11434/v1" };
    const servers: object[] = [];
    server.core.handlers.set("provider.find", () => ({ servers }));
    expect(await openwrap("provider", "find")).toBe(0);
    expect(terminal.lines.at(-1)).toBe("No model server was found on this machine.");
    servers.push({ ...server1, modelIds: ["llama"], needsKey: false });
    expect(await openwrap("provider", "find")).toBe(0);
    expect(terminal.lines.at(-1)).toBe("ollama  local  http://127.0.0.1:11434/v1  Ollama: llama");
  });

  it("sets, lists and removes routes", async () => {
    for (const method of ["route.put", "route.remove"]) server.core.handlers.set(method, () => ({ sequence: 1 }));
    expect(await openwrap("route", "set", "planner", "own/m", "--fallback", "own/n", "--priority", "5")).toBe(0);
    const rule = { ruleId: "planner", priority: 5, taskType: "planner", modelId: "own/m", fallbackModelIds: ["own/n"] };
    expect(paramsOf("route.put")).toEqual([rule]);
    expect(await openwrap("route", "set", "No Role", "own/m")).toBe(2);
    server.core.handlers.set("route.list", () => ({ routes: [rule] }));
    expect(await openwrap("route", "list")).toBe(0);
    expect(terminal.lines.at(-1)).toBe("planner  5  planner  own/m, else own/n");
    expect(await openwrap("route", "remove", "planner")).toBe(0);
    expect(paramsOf("route.remove")).toEqual([{ ruleId: "planner" }]);
  });
});
