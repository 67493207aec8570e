// What programs of a worker cannot do, tried through the whole product: a model that asks for them, a run, the kernel's answer in
// its events. In each of the ways the server may be started.

import { randomUUID } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import type { EventOf, RunSummary } from "@openwrap/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanEnvironment, startChild } from "../kit/child.ts";
import { temporaryFolder } from "../kit/folders.ts";
import { goneAfter, marked } from "../kit/marked.ts";
import { type ModelServer, startModelServer } from "../kit/model-server.ts";
import { processTree } from "../kit/processes.ts";
import {
  addScriptedModel,
  blobText,
  eventsOf,
  type ScriptedTask,
  startRun,
  until,
  waitFinished,
  writeScenario,
} from "../kit/scripted-run.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { prepareWay, WAYS, type Way } from "../kit/ways.ts";

const STOPPED_WITHIN_MS = 250;
const KILLED_WITHIN_MS = 1_000;
/** Children of `childrenTask`, its shells included. */
const CHILDREN = 6;

const SHELL_ATTEMPTS = `
cat "$1/.ssh/id_rsa" || echo "read: refused"
echo x > "$1/planted" || echo "write: refused"
cat "$2/ledger.db" || echo "ledger: refused"
cat "$2/vault.key" || echo "vault: refused"
cat "/proc/$3/environ" || echo "environ: refused"
`;

/** Everything a test of one way has: the server, and outside its views what must stay as it is. */
interface Stage {
  server: TestServer;
  model: ModelServer;
  project: string;
  person: string;
  outside: string;
  /** Where a page lies that a plan may name. */
  pagePort: number;
  /** What arrived at sockets that no tool may reach. */
  arrived: string[];
  close(): Promise<void>;
}

async function listeners(unixPath: string, arrived: string[]) {
  const listen = (name: string, where: object): Promise<Server> =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        arrived.push(name);
        socket.destroy();
      });
      server.on("error", reject).listen(where, () => resolve(server));
    });
  const tcp = await listen("TCP", { port: 0, host: "::" });
  const unix = await listen("UNIX", { path: unixPath });
  // Nobody is kept from it by its mode.
  chmodSync(unixPath, 0o777);
  const udp: Socket = createSocket("udp6").on("message", () => arrived.push("UDP"));
  await new Promise<void>((bound) => udp.bind(0, "::", bound));
  const page = createHttpServer((_request, response) => response.end("the page"));
  await new Promise<void>((bound) => page.listen(0, "127.0.0.1", bound));
  return {
    tcpPort: (tcp.address() as AddressInfo).port,
    udpPort: udp.address().port,
    pagePort: (page.address() as AddressInfo).port,
    close: () => {
      page.close();
      tcp.close();
      unix.close();
      udp.close();
    },
  };
}

function openToAll(base: string, name: string, uid: number | undefined): string {
  const path = join(base, name);
  mkdirSync(path);
  chmodSync(path, 0o777);
  if (uid !== undefined) chownSync(path, uid, uid);
  return path;
}

/** A child of each kind: in its own session, forked twice, deaf to signals, and without any stream. */
function childrenTask(marker: string): ScriptedTask {
  const daemon = `use POSIX; fork && exit; setsid; fork && exit; close STDIN; close STDOUT; close STDERR; exec "sleep", "${marker}"`;
  const script = `
setsid sleep ${marker} &
setsid sh -c "setsid sleep ${marker} & exit" &
setsid sh -c 'trap "" TERM HUP INT; sleep ${marker}; sleep ${marker}' &
perl -e '${daemon}' &
sleep ${marker}`;
  const call = { tool: "shell.exec", arguments: { command: ["sh", "-c", script] } };
  return { taskId: "children", needs: ["run:sh"], turns: [{ say: "Starting them.", calls: [call] }, { say: "Over." }] };
}

function attemptsTask(person: string, home: string, server: number): ScriptedTask {
  const run = (command: string[], stdin?: string) => ({
    tool: "shell.exec",
    arguments: { command, ...(stdin === undefined ? {} : { stdin }) },
  });
  const calls = [
    run(["sh", "-s", person, home, String(server)], SHELL_ATTEMPTS),
    run(["node", "attempts.mjs"]),
    run(["perl", "attempts.pl", String(server)]),
  ];
  return {
    taskId: "attempts",
    needs: ["read:.", "run:sh", "run:node", "run:perl"],
    // What the view keeps of the attempts is the task's own, inside.
    writes: ["allowed.txt"],
    turns: [{ say: "Looking for a way out.", calls }, { say: "There is none." }],
  };
}

function writeScenarios(
  folder: string,
  person: string,
  home: string,
  server: TestServer,
  { pagePort, tcpPort }: { pagePort: number; tcpPort: number },
): void {
  writeScenario(folder, "Get out", [attemptsTask(person, home, server.child.pid)]);
  const ports = { page: pagePort, other: tcpPort, own: server.port };
  writeScenario(folder, "Fetch", [fetchTask(ports, ["page", "own"])]);
  writeScenario(folder, "Be stopped", [childrenTask(markerOf("stop", server))]);
  writeScenario(folder, "Be killed", [childrenTask(markerOf("kill", server))]);
}

async function setStage(way: Way): Promise<Stage> {
  const options = prepareWay(way);
  const { base, home } = options.folders;
  const scenarios = join(base, "scenarios");
  mkdirSync(scenarios);
  const person = openToAll(base, "person", way.uid);
  openToAll(person, ".ssh", way.uid);
  const outside = openToAll(base, "outside", way.uid);
  const project = openToAll(base, "project", way.uid);
  for (const path of [join(person, ".ssh/id_rsa"), join(outside, "notes.txt")]) {
    writeFileSync(path, "secret of the person", { mode: 0o666 });
    if (way.uid !== undefined) chownSync(path, way.uid, way.uid);
    chmodSync(path, 0o644);
  }
  const arrived: string[] = [];
  const unixPath = join(outside, "socket");
  const sockets = await listeners(unixPath, arrived);
  const server = await startServer({ ...options, env: { HOME: person, SECRET: "of the server" } });
  const targets = {
    folders: {
      person,
      outside,
      project,
      home,
      work: options.folders.work,
      tmp: "/tmp",
      etc: "/etc",
      root: "/",
      shm: "/dev/shm",
    },
    files: {
      key: join(person, ".ssh/id_rsa"),
      "real key": join(homedir(), ".ssh/id_rsa"),
      notes: join(outside, "notes.txt"),
      ledger: join(home, "ledger.db"),
      "vault key": join(home, "vault.key"),
      vault: join(home, "vault.json"),
      head: join(home, "head"),
      lock: join(home, "server.json"),
      shadow: "/etc/shadow",
    },
    server: server.child.pid,
    serverPort: server.port,
    tcpPort: sockets.tcpPort,
    udpPort: sockets.udpPort,
    unixPath,
  };
  writeFileSync(join(project, "targets.json"), JSON.stringify(targets));
  for (const name of ["attempts.mjs", "attempts.pl"])
    copyFileSync(join(import.meta.dirname, "confined", name), join(project, name));
  writeScenarios(scenarios, person, home, server, sockets);
  const model = await startModelServer({ scenarios });
  await addScriptedModel(server, model.url);
  return {
    server,
    model,
    project,
    person,
    outside,
    arrived,
    pagePort: sockets.pagePort,
    close: async () => {
      await server.dispose();
      await model.stop();
      sockets.close();
      options.folders.remove();
    },
  };
}

const FETCH = `
const outcomes = {};
for (const [name, port] of Object.entries(JSON.parse(process.argv[1]))) {
  const fetched = fetch("http://127.0.0.1:" + port + "/").then((answer) => answer.text());
  outcomes[name] = await fetched.catch((error) => error.cause?.code ?? String(error));
}
const named = fetch("http://ungranted.example/").then(() => "DONE");
outcomes.name = await named.catch((error) => error.cause?.code ?? String(error));
console.log(JSON.stringify(outcomes));`;

/** Fetches from each port; the plan names those in `granted`. */
function fetchTask(ports: Record<string, number>, granted: string[]): ScriptedTask {
  const command = ["node", "--input-type=module", "-e", FETCH, JSON.stringify(ports)];
  const needs = ["run:node", ...granted.map((name) => `net:127.0.0.1:${ports[name]}`)];
  const call = { tool: "shell.exec", arguments: { command } };
  return { taskId: "fetch", needs, turns: [{ say: "Fetching.", calls: [call] }, { say: "Fetched." }] };
}

/** A time to sleep that nobody else sleeps. */
function markerOf(what: "stop" | "kill", { child }: TestServer): string {
  return `300.${what === "stop" ? 1 : 2}${String(child.pid).padStart(8, "0")}`;
}

async function toolOutputs(server: TestServer, run: RunSummary) {
  const events = await eventsOf(server, run);
  const finished = events.filter((event): event is EventOf<"tool_finished"> => event.type === "tool_finished");
  const outputs = finished.map(async ({ resultHash, preview }) => {
    const result = JSON.parse(await blobText(server, resultHash)) as { stdout: string; stderr: string };
    return { preview, ...result };
  });
  return { events, outputs: await Promise.all(outputs) };
}

/** What the kernel may answer; a name that begins like a row takes it, the rest must be `EACCES` or `EPERM`. */
const OTHER_ANSWERS: [name: string, answers: string[]][] = [
  ["hard link ", ["EXDEV"]],
  ["move ", ["EXDEV"]],
  ["io_uring", ["ENOSYS"]],
  // The filter's answer: programs then do without a network, instead of ending.
  ["TCP", ["EAFNOSUPPORT"]],
  ["UDP", ["EAFNOSUPPORT"]],
  ["socket ", ["EAFNOSUPPORT"]],
  // A person's own namespace has no root at all.
  ["become root", ["errno 22"]],
];

function wrong(outcomes: [name: string, outcome: string][]): string[] {
  return outcomes
    .filter(([name, outcome]) => {
      const others = OTHER_ANSWERS.filter(([start]) => name.startsWith(start)).flatMap(([, answers]) => answers);
      return ![...others, "EACCES", "EPERM"].includes(outcome);
    })
    .map(([name, outcome]) => `${name}: ${outcome}`);
}

describe("the attempts", () => {
  it("succeed where nothing confines them, so that a refusal means something", async () => {
    const base = temporaryFolder();
    const arrived: string[] = [];
    const unixPath = join(base, "socket");
    const { tcpPort, udpPort, close } = await listeners(unixPath, arrived);
    try {
      const [inside, outside] = [openToAll(base, "inside", undefined), openToAll(base, "outside", undefined)];
      const key = join(outside, "key");
      writeFileSync(key, "secret");
      const ports = { serverPort: tcpPort, tcpPort, udpPort, unixPath };
      const targets = { folders: { outside }, files: { key }, server: process.pid, ...ports };
      writeFileSync(join(inside, "targets.json"), JSON.stringify(targets));
      const script = join(import.meta.dirname, "confined/attempts.mjs");
      const { stdout } = await startChild(process.execPath, [script], cleanEnvironment(), inside).ended;
      const outcomes = JSON.parse(stdout) as Record<string, string>;
      const files = ["write outside", "make folder outside", "list outside", "read key", "append key", "truncate key"];
      const others = ["remove key", "read server environ", "read own environ", "signal server", "signal parent"];
      const sockets = ["TCP server", "TCP", "TCP by ::1", "UDP", "UDP by ::1", "UNIX"];
      const tried = [...files, ...others, ...sockets].map((name) => [name, outcomes[name]]);
      expect(tried.filter(([, outcome]) => outcome !== "DONE")).toEqual([]);
      await until("all that was sent", () => (new Set(arrived).size === 3 ? true : undefined));
    } finally {
      close();
      rmSync(base, { recursive: true, force: true });
    }
  });
});

describe.each(WAYS)("a worker's programs, server started $name", (way) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage(way);
  });
  afterAll(() => stage?.close());

  it("are refused by the kernel whatever they try, which the run shows", async () => {
    const { server, person, outside, project, arrived } = stage;
    const { sandbox } = await server.client.doctor.get();
    const run = await startRun(server, project, "Get out");
    const finished = await waitFinished(server, run);
    expect(finished.status, JSON.stringify(finished)).toBe("completed");
    const { events, outputs } = await toolOutputs(server, run);
    expect(events.filter((event) => event.type === "tool_refused")).toEqual([]);
    const [shell, node, perl] = outputs;
    if (!shell || !node || !perl) throw new Error(`three programs, not ${outputs.length}`);

    expect(shell.stdout.split("\n")).toEqual([
      "read: refused",
      "write: refused",
      "ledger: refused",
      "vault: refused",
      "environ: refused",
      "",
    ]);
    expect(shell.stderr.match(/Permission denied/g)?.length).toBe(5);
    expect(shell.preview).toContain("Permission denied");
    expect(node.preview).toContain("EACCES");
    expect(perl.preview).toContain("ptrace attach: EPERM");

    const { "set mode key": setMode, ...tried } = JSON.parse(node.stdout) as Record<string, string>;
    expect(Object.keys(tried).length).toBeGreaterThan(100);
    // Older kernels cannot keep programs of one user from signals to each other: `doctor` says so there.
    const signals = sandbox.effects.some(({ name, refused }) => name === "signal_parent" && refused);
    const judged = Object.entries(tried).filter(([name]) => signals || !name.startsWith("signal "));
    expect(wrong(judged)).toEqual([]);
    // Modes are no rule of Landlock: a file of the same user's is the gap that `doctor` names.
    expect(setMode).toBe(sandbox.uidMode === "two_uids" || sandbox.metadataConfined ? "EPERM" : "DONE");
    const calls = perl.stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(": ") as [string, string]);
    expect(calls.length).toBe(30);
    expect(wrong(calls)).toEqual([]);

    expect(arrived).toEqual([]);
    expect(readdirSync(outside).sort()).toEqual(["notes.txt", "socket"]);
    expect(readdirSync(person)).toEqual([".ssh"]);
    expect(readFileSync(join(person, ".ssh/id_rsa"), "utf8")).toBe("secret of the person");
    expect(readFileSync(join(project, "allowed.txt"), "utf8")).toBe("x");
    expect((await server.client.audit.verify()).ok).toBe(true);
  });

  it("are shown by `doctor`, with the gaps", async () => {
    const { server } = stage;
    const { sandbox, notes } = await server.client.doctor.get();
    expect(sandbox.usable).toBe(true);
    const twoUids = way.uid === undefined && process.getuid?.() === 0;
    expect(sandbox.uidMode).toBe(twoUids ? "two_uids" : "same_uid");
    const said = await server.cli(["doctor"]);
    expect(said.status).toBe(0);
    const gap = sandbox.effects.find((effect) => effect.name === "change_mode_outside_view");
    expect(gap?.refused).toBe(sandbox.metadataConfined);
    expect(/Metadata gap/.test([...sandbox.notes, ...notes].join("\n"))).toBe(!sandbox.metadataConfined);
    if (!sandbox.metadataConfined) expect(said.stdout).toContain("Metadata gap");
  });

  it("reach what the plan named, by the broker, and nothing else", async () => {
    const { server, project, arrived } = stage;
    const run = await startRun(server, project, "Fetch");
    const finished = await waitFinished(server, run);
    expect(finished.status, JSON.stringify(finished)).toBe("completed");
    const { events, outputs } = await toolOutputs(server, run);
    const { page, other, own, name } = JSON.parse(outputs[0]?.stdout ?? "{}") as Record<string, string>;
    expect({ page, other, name }).toEqual({ page: "the page", other: "EACCES", name: "ENOTFOUND" });
    // Our own server is nobody's, even where a plan names it.
    expect(["ECONNRESET", "EACCES", "UND_ERR_SOCKET"]).toContain(own);
    expect(arrived).toEqual([]);
    const made = events.filter((event): event is EventOf<"connected"> => event.type === "connected");
    const connected = made.filter(({ purpose }) => purpose === "shell.exec");
    expect(connected.map(({ host, port, taskId }) => [host, port, taskId])).toEqual([
      ["127.0.0.1", stage.pagePort, "fetch"],
    ]);
    const refused = events.filter((event) => event.type === "connection_refused").map(({ host, port }) => [host, port]);
    expect(refused).toContainEqual(["127.0.0.1", server.port]);
    expect(refused).toContainEqual(["ungranted.example", 0]);
  });

  async function startChildren(goal: string, marker: string): Promise<RunSummary> {
    const run = await startRun(stage.server, stage.project, goal);
    await until("all children", () => (marked(marker).length >= CHILDREN ? true : undefined));
    return run;
  }

  it("are gone soon after the run is stopped, wherever they hid", async () => {
    const { server } = stage;
    const marker = markerOf("stop", server);
    const run = await startChildren("Be stopped", marker);
    const from = performance.now();
    const stopping = server.client.run.stop({ requestId: randomUUID(), runId: run.runId });
    const passed = await goneAfter(() => marked(marker), from);
    await stopping;
    expect(passed).toBeLessThanOrEqual(STOPPED_WITHIN_MS);
    expect((await waitFinished(server, run)).status).toBe("canceled");
  });

  it("are gone soon after the server was killed, and so is everything of it", async () => {
    const { server } = stage;
    const marker = markerOf("kill", server);
    await startChildren("Be killed", marker);
    const tree = processTree(server.child.pid).map(({ pid }) => pid);
    expect(tree.length).toBeGreaterThan(2);
    const from = performance.now();
    process.kill(server.child.pid, "SIGKILL");
    const alive = (pid: number): boolean => {
      try {
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      } catch {
        return false;
      }
    };
    const passed = await goneAfter(() => [...marked(marker), ...tree.filter(alive)], from);
    expect(passed).toBeLessThanOrEqual(KILLED_WITHIN_MS);
  });
});
