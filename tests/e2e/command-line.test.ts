// The command line as people and scripts use it: the built program, the real core, the scripted model on the real wire.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { cleanEnvironment, endChild, startChild } from "../kit/child.ts";
import { jsonLines, openwrap } from "../kit/cli.ts";
import { type Folders, OPENWRAP, temporaryFolders } from "../kit/folders.ts";
import { startModelServer } from "../kit/model-server.ts";
import { startServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";

const GOAL = "Analyse this data and give me a workbook and a report.";
const KEY = "sk-e2e-0123456789abcdefghij";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function folders(): Folders {
  const made = temporaryFolders();
  cleanups.push(() => made.remove());
  return made;
}

interface Line {
  type: string;
  runId?: string;
  status?: string;
  runDigest?: string | null;
  artifacts?: { path: string }[];
}

describe("openwrap serve", () => {
  it("prints one line, is found by other commands, and ends cleanly", async () => {
    const server = await startServer();
    cleanups.push(() => server.dispose());
    const second = await server.cli(["serve", "--port", "0"]);
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`ALREADY_RUNNING: Open Wrap runs on this data folder already, at ${server.url}`);
    const link = await server.cli(["open"]);
    expect(link.stdout).toMatch(new RegExp(`^${server.url}/launch\\?code=[\\w-]+\\n$`));
    const ended = await server.stop();
    expect(ended).toMatchObject({ status: 0, signal: null });
    expect(ended.stdout).toBe(`Open Wrap is ready: ${server.link}\n`);
    expect(readdirSync(server.folders.home)).not.toContain("server.json");
    expect((await openwrap(["open"], { env: server.folders.env })).status).toBe(1);
  });

  it("starts again after a crash, on the same folders", async () => {
    const own = folders();
    const first = await startServer({ folders: own });
    await first.kill();
    const second = await startServer({ folders: own });
    expect((await second.cli(["audit", "verify"])).status).toBe(0);
    expect((await second.stop()).status).toBe(0);
  });
});

describe("openwrap run", () => {
  it("carries a goal out with its own core; replay gives the same, undo the files as before", async () => {
    const { base, env } = folders();
    const { path, table } = projectWith(base, "missing");
    const words = ["run", GOAL, "--project", path, "--model", "rehearsal", "--approve", "bundle", "--json"];
    const run = await openwrap(words, { env });
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
    const lines = jsonLines<Line>(run.stdout);
    const last = lines.at(-1);
    expect(last).toMatchObject({ type: "run_finished", status: "completed" });
    expect(last?.runDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(last?.artifacts?.map((artifact) => artifact.path)).toEqual(
      expect.arrayContaining(["analysis.xlsx", "report.md"]),
    );
    for (const slots of ["1", "8"]) {
      const replayed = await openwrap(["replay", last?.runId ?? "", "--slots", slots, "--json"], { env });
      expect(replayed.status).toBe(0);
      expect(jsonLines(replayed.stdout)[0]).toMatchObject({ runDigest: last?.runDigest, filesEqual: true });
    }
    expect((await openwrap(["undo", "1"], { env })).status).toBe(0);
    expect(readdirSync(path)).toEqual([table.name]);
    expect(readFileSync(join(path, table.name), "utf8")).toBe(table.csv);
  });

  it("stops the run when it is interrupted", async () => {
    const { base, env } = folders();
    const { path } = projectWith(base, "sample");
    const args = [OPENWRAP, "run", GOAL, "--project", path, "--model", "rehearsal", "--approve", "all", "--json"];
    const child = startChild(process.execPath, args, cleanEnvironment(env));
    await child.line(/"type":"tool_requested"/);
    const ended = await endChild(child, "SIGINT", 30_000);
    expect(ended.status).toBe(130);
    expect(jsonLines<Line>(ended.stdout).at(-1)).toMatchObject({ type: "run_finished", status: "canceled" });
  });

  it("uses a provider's key that is nowhere to be read", async () => {
    const model = await startModelServer({ apiKey: KEY });
    cleanups.push(() => model.stop());
    const server = await startServer();
    cleanups.push(() => server.dispose());
    const { path } = projectWith(server.folders.base, "undated");
    const add = ["provider", "add", "mine", "--kind", "local", "--base-url", model.url, "--model", "rehearsal"];
    const added = await server.cli([...add, "--key-stdin"], { input: `${KEY}\n` });
    expect(added).toMatchObject({ status: 0, stderr: "" });
    const run = await server.cli(["run", GOAL, "--project", path, "--approve", "bundle", "--json"]);
    expect(run.status).toBe(0);
    expect(model.requests().length).toBeGreaterThan(5);
    const said = [added.stdout, run.stdout, run.stderr, JSON.stringify(server.child.said())];
    const written = filesBelow(server.folders.home).map((file) => readFileSync(file, "latin1"));
    for (const form of ["utf8", "base64", "hex"] as const) {
      const text = Buffer.from(KEY).toString(form).replace(/=+$/, "");
      for (const part of [...said, ...written]) expect(part.includes(text)).toBe(false);
    }
  });
});

it("audit verify names the first event that was changed behind its back", async () => {
  const { base, home, env } = folders();
  const { path } = projectWith(base, "undated");
  await openwrap(["run", GOAL, "--project", path, "--model", "rehearsal", "--approve", "all", "--json"], { env });
  expect((await openwrap(["audit", "verify"], { env })).status).toBe(0);
  const file = join(home, "ledger.db");
  const bytes = readFileSync(file);
  const at = bytes.indexOf('"goal":"Analyse');
  expect(at).toBeGreaterThan(0);
  bytes.write("X", at + '"goal":"'.length);
  writeFileSync(file, bytes);
  const verified = await openwrap(["audit", "verify", "--json"], { env });
  expect(verified.status).toBe(1);
  expect(jsonLines(verified.stdout)[0]).toMatchObject({ ok: false, firstBadSequence: expect.any(Number) });
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
