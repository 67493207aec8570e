// Root that may change users and nothing else, as of a container whose other capabilities were dropped: tools have a user of their own,
// and all that is theirs is made, read and removed as that user.

import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EventOf, RunSummary } from "@openwrap/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { addScriptedModel, eventsOf, startRun, until, waitFinished, writeScenario } from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { CHANGING_USERS, prepareWay } from "../kit/ways.ts";

const TOOLS = 60_900;
const SAMPLE = "name,amount\na,1\nb,2\nc,4\n";

/** Leaves what a hostile program leaves: locked folders and files, links out, a pipe, a name of every kind. */
const HOSTILE = `
id -u >whoami.txt
mkdir -p deep/er && echo inside >deep/er/file.txt && chmod 000 deep/er/file.txt deep/er
ln -s /etc/shadow way-out; mkfifo pipe 2>/dev/null; mkdir shut && chmod 000 shut
ln "$1/kept.txt" stolen 2>/dev/null
mkdir -p "$HOME/locked/deeper" && chmod 000 "$HOME/locked"
rm way-out; true`;

describe.skipIf(process.getuid?.() !== 0)(`a server started ${CHANGING_USERS.name}`, () => {
  const options = process.getuid?.() === 0 ? prepareWay(CHANGING_USERS) : undefined;
  let server: TestServer;
  let model: ModelServer;
  let project: string;

  beforeAll(async () => {
    if (!options) return;
    const { base } = options.folders;
    project = join(base, "project");
    mkdirSync(project, { mode: 0o700 });
    writeFileSync(join(project, "table.csv"), SAMPLE, { mode: 0o600 });
    writeFileSync(join(project, "kept.txt"), "the person's", { mode: 0o600 });
    const shell = { tool: "shell.exec", arguments: { command: ["sh", "-c", HOSTILE, "sh", project] } };
    const read = { tool: "file.read", arguments: { path: "kept.txt" } };
    const write = { tool: "file.write", arguments: { path: "made/by/tool.txt", content: "made" } };
    const list = { tool: "file.list", arguments: { path: ".", recursive: true } };
    writeScenario(join(base, "scenarios"), "Be hostile", [
      {
        taskId: "hostile",
        needs: ["read:.", "write:.", "run:sh"],
        writes: ["whoami.txt", "deep/", "shut/", "made/"],
        turns: [{ say: "Working.", calls: [read, write, shell, list] }, { say: "Over." }],
      },
    ]);
    const write2 = { tool: "file.write", arguments: { path: "locked/new.txt", content: "new" } };
    writeScenario(join(base, "scenarios"), "Write where nobody may", [
      {
        taskId: "write",
        needs: ["write:."],
        writes: ["locked/"],
        turns: [{ say: "Writing.", calls: [write2] }, { say: "Over." }],
      },
    ]);
    server = await startServer(options);
    model = await startModelServer({ scenarios: join(base, "scenarios") });
    await addScriptedModel(server, model.url);
  });
  afterAll(async () => {
    await server?.dispose();
    await model?.stop();
    options?.folders.remove();
  });

  const calls = async (run: RunSummary) =>
    (await eventsOf(server, run)).filter((event): event is EventOf<"tool_finished"> => event.type === "tool_finished");

  it("has two users, at a level that starts programs, and says so", async () => {
    const status = readFileSync(`/proc/${server.child.pid}/status`, "utf8");
    expect(status).toMatch(/^CapEff:\t00000000000000c0$/m);
    const { sandbox } = await server.client.doctor.get();
    expect(sandbox).toMatchObject({ usable: true, uidMode: "two_uids", toolsUid: TOOLS });
    expect(["A", "B"]).toContain(sandbox.level);
    const said = await server.cli(["doctor"]);
    expect(said.status).toBe(0);
    expect(said.stdout).toContain(`programs run as a user of their own (uid ${TOOLS})`);
    expect(await server.client.health.get()).toMatchObject({ ok: true });
  });

  it("carries out what programs make as hard as they can, delivers it as the person's, and takes it back", async () => {
    const before = readdirSync(project).sort();
    const run = await startRun(server, project, "Be hostile");
    const finished = await waitFinished(server, run);
    expect(finished.status, JSON.stringify([finished, await calls(run)])).toBe("completed");
    expect(readFileSync(join(project, "whoami.txt"), "utf8")).toBe(`${TOOLS}\n`);
    expect(readFileSync(join(project, "deep/er/file.txt"), "utf8")).toBe("inside\n");
    expect(readFileSync(join(project, "made/by/tool.txt"), "utf8")).toBe("made");
    expect(readdirSync(join(project, "shut"))).toEqual([]);
    for (const path of ["whoami.txt", "deep", "made/by/tool.txt"]) expect(statSync(join(project, path)).uid).toBe(0);
    await server.client.run.undo({ requestId: crypto.randomUUID(), runId: run.runId });
    await until("the project as it was", () =>
      readdirSync(project).sort().join() === before.join() ? true : undefined,
    );
    expect(readFileSync(join(project, "kept.txt"), "utf8")).toBe("the person's");
    expect((await server.client.audit.verify()).ok).toBe(true);
  });

  it("carries out the playbook", async () => {
    const { projectId } = await server.client.project.open({ path: project });
    const { runId } = await server.client.playbook.run({
      requestId: crypto.randomUUID(),
      projectId,
      name: "report-from-a-table",
      approve: "bundle",
      slots: 2,
      inputs: { table: "table.csv" },
    });
    const run = await until("the playbook's end", async () => {
      const run = await server.client.run.get({ runId });
      return run.phase === "finished" ? run : undefined;
    });
    expect(run.status, run.answer ?? "").toBe("completed");
    expect(readdirSync(project)).toEqual(expect.arrayContaining(["analysis.xlsx", "deck.pptx", "report.docx"]));
    expect(await server.client.run.replay({ runId })).toMatchObject({ equal: true, filesEqual: true });
  });

  it("says what to do about a project that its user may not write, and leaves it as it was", async () => {
    const theirs = join(options?.folders.base ?? "", "theirs");
    mkdirSync(join(theirs, "locked"), { recursive: true });
    writeFileSync(join(theirs, "locked/old.txt"), "old");
    for (const path of ["locked/old.txt", "locked", ""]) chownSync(join(theirs, path), 61_234, 61_234);
    const run = await startRun(server, theirs, "Write where nobody may");
    const events = await until("what came of it", async () => {
      const all = await eventsOf(server, run);
      return all.some(({ type }) => type === "run_finished") ? all : undefined;
    });
    const told = JSON.stringify(events);
    expect(told).toContain("PERMISSION_DENIED");
    expect(readdirSync(join(theirs, "locked"))).toEqual(["old.txt"]);
    chmodSync(theirs, 0o700);
    const { projectId } = await server.client.project.open({ path: theirs });
    const denied = { code: "PERMISSION_DENIED", hint: expect.stringContaining("owner") };
    await expect(server.client.file.list({ projectId, path: "" })).rejects.toMatchObject(denied);
  });

  it("leaves no view and no home of a tool behind", async () => {
    const views = join(options?.folders.work ?? "", "views");
    await until("the views are gone", () => (readdirSync(views).length === 0 ? true : undefined));
  });
});
