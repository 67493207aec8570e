import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main } from "../src/cli/main.ts";
import { readDecision } from "../src/cli/questions.ts";
import { block, jsonLine } from "../src/cli/visible.ts";
import { writeLock } from "../src/lock-file.ts";
import { TOKEN } from "./fake-core.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { ScriptedTerminal } from "./scripted-terminal.ts";

const SUMMARY = { runId: "run_1", number: 1, model: "rehearsal/rehearsal", createdAt: 0, firstSequence: 5 };
const FINISHED = { type: "run_finished", status: "completed", runDigest: "d1", artifacts: [], answer: "All done." };
const QUESTION = {
  approvalId: "q1",
  kind: "tool",
  risk: "runs_program",
  sentence: "Let Developer run `node`?",
  exact: "node -e 1\u001b[2J",
  why: "it is outside the bundle",
  ifNo: "the task goes on without",
  adds: ["run:node"],
  labels: [],
  scopes: ["once", "task", "run"],
};

let folder: string;
let server: RunningServer;
let terminal: ScriptedTerminal;
let running: Promise<number>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "openwrap-cli-"));
  for (const name of ["home", "project"]) mkdirSync(join(folder, name));
  server = await startServer();
  writeLock(join(folder, "home"), { pid: process.pid, port: server.port, token: TOKEN, url: "http://localhost:1" });
  terminal = new ScriptedTerminal(join(folder, "home"));
  server.core.handlers.set("project.open", () => ({ projectId: "p1" }));
  server.core.handlers.set("run.create", () => SUMMARY);
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(...options: string[]): Promise<void> {
  running = main(
    ["run", "the goal", "--project", join(folder, "project"), "--model", "rehearsal", ...options],
    terminal,
  );
  await expect.poll(() => server.core.readers.size).toBe(1);
}

function say(sequence: number, event: object, runId = "run_1"): void {
  server.core.send(`id: ${sequence}\ndata: ${JSON.stringify({ at: 1000, runId, ...event })}\n\n`);
}

const decisions = () =>
  server.core.calls.filter((call) => call.method === "approval.resolve").map((call) => call.params);

describe("openwrap run --json", () => {
  it("prints the run's events, and run_finished last; the exit status is 0 when it completed", async () => {
    await start("--approve", "all", "--json", "--slots", "4", "--allow-read=a,b", "--allow-run=node");
    expect(server.core.calls.find((call) => call.method === "run.create")?.params).toMatchObject({
      projectId: "p1",
      goal: "the goal",
      model: "rehearsal",
      approve: "all",
      slots: 4,
      allow: ["read:a", "read:b", "run:node"],
    });
    expect([...server.core.readers.values()]).toEqual([{ after: 4 }]);
    say(5, { type: "run_created", goal: "the goal" });
    say(6, { type: "run_finished", status: "failed" }, "run_of_another");
    server.core.send('event: text\ndata: {"text":"id: 9"}\n\n');
    say(7, FINISHED);
    expect(await running).toBe(0);
    expect(terminal.lines.map((line) => JSON.parse(line).type)).toEqual(["run_created", "run_finished"]);
    expect(terminal.lines[1]).toMatch(
      /^\{"type":"run_finished","runId":"run_1","status":"completed","runDigest":"d1","artifacts":\[\]/,
    );
  });

  it("fails when the run did, with a digest of null", async () => {
    await start("--approve", "all", "--json");
    say(5, { type: "run_finished", status: "failed", artifacts: [] });
    expect(await running).toBe(1);
    expect(JSON.parse(terminal.lines.at(-1) ?? "")).toMatchObject({ status: "failed", runDigest: null });
  });

  it("takes a broken stream up where it was", async () => {
    await start("--approve", "all", "--json");
    say(5, { type: "run_created" });
    await expect.poll(() => terminal.lines.length).toBe(1);
    server.streams.endAll();
    await expect.poll(() => [...server.core.readers.values()]).toEqual([{ after: 5 }]);
    say(6, FINISHED);
    expect(await running).toBe(0);
    expect(terminal.lines.length).toBe(2);
  });
});

describe("stopping", () => {
  it("stops the run first, then ends as the signal says", async () => {
    await start("--approve", "all", "--json");
    terminal.signal("SIGINT");
    await expect.poll(() => server.core.calls.at(-1)?.method).toBe("run.stop");
    say(6, { type: "run_finished", status: "canceled", artifacts: [] });
    expect(await running).toBe(130);
    expect(JSON.parse(terminal.lines.at(-1) ?? "")).toMatchObject({ type: "run_finished", status: "canceled" });
  });
});

describe("questions", () => {
  const ask = { type: "approval_requested", question: QUESTION };

  it("are asked in the terminal, with everything a terminal would act on spelled out", async () => {
    terminal.interactive = true;
    terminal.typed.push("what?", "task");
    await start();
    say(5, ask);
    await expect
      .poll(decisions)
      .toEqual([expect.objectContaining({ approvalId: "q1", decision: { allow: true, scope: "task" } })]);
    expect(terminal.errors.join("\n")).toContain("| node -e 1[U+001B][2J");
    expect([...terminal.errors, ...terminal.lines].join("\n")).not.toContain("\u001b");
    say(6, FINISHED);
    expect(await running).toBe(0);
    expect(terminal.lines.join("\n")).toContain("All done.");
  });

  it("that somebody else answers are not waited for", async () => {
    terminal.interactive = true;
    await start();
    say(5, ask);
    await expect.poll(() => terminal.errors.join()).toContain("Developer");
    say(6, { type: "approval_resolved", approvalId: "q1", decision: { allow: true, scope: "once" } });
    await expect.poll(() => terminal.errors.at(-1)).toBe("(needs no answer any more)");
    terminal.typed.push("no because it is not needed");
    say(7, { ...ask, question: { ...QUESTION, approvalId: "q2" } });
    await expect.poll(decisions).toEqual([
      expect.objectContaining({
        approvalId: "q2",
        decision: { allow: false, scope: "once", reason: "it is not needed" },
      }),
    ]);
    say(8, FINISHED);
    await running;
  });

  it.each([
    ["bundle", false],
    ["all", true],
  ])("are answered without a person under --approve %s", async (approve, allow) => {
    await start("--approve", approve, "--json");
    say(5, { ...ask, question: { ...QUESTION, kind: "outcome_unknown" } });
    await expect.poll(() => decisions().length).toBe(1);
    expect(decisions()[0]).toMatchObject({ decision: { allow } });
    say(6, FINISHED);
    await running;
  });

  it.each([
    ["y", { allow: true, scope: "once" }],
    [" YES ", { allow: true, scope: "once" }],
    ["run", { allow: true, scope: "run" }],
    ["n", { allow: false, scope: "once" }],
    ["no", { allow: false, scope: "once" }],
    ["no, because of costs", { allow: false, scope: "once", reason: "of costs" }],
    ["no use the table", { allow: false, scope: "once", reason: "use the table" }],
    ["", undefined],
    ["node", undefined],
    ["always", undefined],
  ])("%j is read as %j", (typed, decision) => {
    expect(readDecision(typed, { scopes: ["once", "task", "run"] })).toEqual(decision);
  });
});

describe("text of models", () => {
  const hostile = "a\u001b[2J\u0007\u202eb\u200bc\u009b1m\ufeff\u{e0041}";

  it("cannot reach the terminal", () => {
    expect(block(`${hostile}\n\td`)).toBe("a[U+001B][2J[U+0007][U+202E]b[U+200B]c[U+009B]1m[U+FEFF][U+E0041]\n\td");
    expect(block("Größe 数据 é 😀")).toBe("Größe 数据 é 😀");
  });

  it("is the same value in JSON, spelled so that a terminal shows it", () => {
    const text = jsonLine({ hostile });
    expect(text).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(text)).toEqual({ hostile });
  });
});

describe("openwrap run --playbook", () => {
  const playbook = {
    name: "report",
    title: "Report",
    about: "",
    origin: "product",
    sourceHash: "",
    inputs: [
      { name: "table", title: "Table", kind: "file", extensions: ["csv"] },
      { name: "copies", title: "Copies", kind: "number" },
      { name: "short", title: "Short", kind: "yes_no" },
    ],
  };
  const play = (...options: string[]): Promise<number> =>
    main(["run", "--playbook", "report", "--project", join(folder, "project"), ...options], terminal);
  const given = () => server.core.calls.find((call) => call.method === "playbook.run")?.params;

  beforeEach(() => {
    server.core.handlers.set("playbook.get", () => ({ playbook, files: [] }));
    server.core.handlers.set("playbook.run", () => SUMMARY);
    writeFileSync(join(folder, "sales.csv"), "a\n1\n");
  });

  it("takes a file into the project, values by name, and what is allowed and denied", async () => {
    running = play(
      ...["--input", join(folder, "sales.csv"), "--input", "copies=2", "--input", "short=true", "--approve", "bundle"],
      ...["--allow-net", "--allow-read=a,b", "--deny-run", "--deny-write=out"],
    );
    await expect.poll(() => server.core.readers.size).toBe(1);
    expect(given()).toMatchObject({
      name: "report",
      inputs: { table: "sales.csv", copies: 2, short: true },
      allow: ["read:a", "read:b", "net:*"],
      deny: ["write:out", "run:*"],
    });
    expect(readFileSync(join(folder, "project", "sales.csv"), "utf8")).toBe("a\n1\n");
    say(7, FINISHED);
    expect(await running).toBe(0);
  });

  it("reads all inputs from a JSON file; never writes over a file of the project", async () => {
    writeFileSync(join(folder, "project", "sales.csv"), "mine");
    writeFileSync(join(folder, "inputs.json"), JSON.stringify({ table: join(folder, "sales.csv") }));
    expect(await play("--input", join(folder, "inputs.json"), "--approve", "bundle")).toBe(1);
    expect(terminal.errors.join("\n")).toContain("ALREADY_EXISTS");
    expect(readFileSync(join(folder, "project", "sales.csv"), "utf8")).toBe("mine");
    expect(given()).toBeUndefined();
  });

  it("says what is wrong before anything starts", async () => {
    for (const [options, why] of [
      [["--input", "copies=x"], "copies: a number is needed"],
      [["--input", "short=1"], "true or false"],
      [["--input", join(folder, "none.csv")], "there is no file"],
      [["--model", "rehearsal"], "no model takes part"],
    ] as const) {
      expect(await play(...options, "--approve", "bundle")).not.toBe(0);
      expect(terminal.errors.join("\n")).toContain(why);
    }
    expect(await main(["run", "--project", folder, "--approve", "all"], terminal)).toBe(2);
    expect(await main(["run", "x", "--playbook", "y", "--project", folder, "--approve", "all"], terminal)).toBe(2);
    expect(given()).toBeUndefined();
  });
});
