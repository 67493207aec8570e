// `npm run container -- check`: starts both images as the documents say and tries what they must do. One line a check, with its figure.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, imageMegabytes, TARGETS, type Target } from "./engine.ts";
import { checkPublished } from "./published.ts";
import { confinedArguments, type Mode, type Ran, type Running, removeVolume, startHere } from "./running.ts";
import { writeDockerRules } from "./seccomp.ts";
import { checkTests } from "./tests.ts";

const MODES: readonly Mode[] = [
  { name: "PUID:PGID, no capability", user: 1234, capabilities: [] },
  { name: "root with SETUID and SETGID", user: 0, capabilities: ["SETUID", "SETGID"] },
];
const HEALTH_MS_MAX = 2_000;
const TABLE = "/opt/openwrap/toolkits/samples/seattle-weather/seattle-weather.csv";
const PROJECTS = "/data/projects";
/** All four kinds of worker take part, a browser too. */
const GOAL =
  "Analyse this data and give me a workbook, a report and a deck; compare it with the local reference page, look at the chart photo.";
const DELIVERED = ["analysis.xlsx", "report.docx", "deck.pptx"];

/** Says what came of a check, and keeps whether all went well. */
export class Findings {
  ok = true;

  say(where: string, what: string, good: boolean, figure: string): void {
    if (!good) this.ok = false;
    console.log(`${good ? "ok    " : "FAILED"} ${where}: ${what}: ${figure}`);
  }
}

interface Place {
  where: string;
  mode: Mode;
  running: Running;
  findings: Findings;
}

/** What the kernel says of the server's process, and what cannot be written. */
async function checkConfinement({ where, mode, running, findings }: Place): Promise<void> {
  const { stdout } = await running.exec("cat", "/proc/1/status");
  const of = (field: string): string => new RegExp(`^${field}:\\s*(.+)$`, "m").exec(stdout)?.[1] ?? "?";
  const wanted = mode.capabilities.length === 0 ? 0n : (1n << 6n) | (1n << 7n);
  const held = ["CapEff", "CapBnd"].map((field) => BigInt(`0x${of(field)}`));
  const users = of("Uid").split("\t");
  findings.say(
    where,
    "user",
    users.every((uid) => uid === String(mode.user)),
    `uid ${users[0]}`,
  );
  findings.say(
    where,
    "capabilities",
    held.every((set) => set === wanted),
    `0x${wanted.toString(16)}`,
  );
  findings.say(
    where,
    "system call filter, no new privileges",
    of("Seccomp") === "2" && of("NoNewPrivs") === "1",
    `Seccomp ${of("Seccomp")}, NoNewPrivs ${of("NoNewPrivs")}`,
  );
  const tried = ["/opt/openwrap/x", "/etc/x", "/usr/local/bin/x", "/x"];
  const wrote = await Promise.all(tried.map(async (path) => (await running.exec("touch", path)).status));
  findings.say(where, "root is read-only", !wrote.includes(0), `${wrote.length} places tried`);
}

interface DoctorAnswer {
  sandbox: { level: string; uidMode: string; usable: boolean; effects: { name: string; refused: boolean }[] };
}

async function checkDoctor({ where, mode, running, findings }: Place, emulated: boolean): Promise<void> {
  const { stdout, stderr } = await running.exec("openwrap", "doctor", "--json");
  const { sandbox } = JSON.parse(stdout || "{}") as Partial<DoctorAnswer>;
  if (sandbox === undefined) {
    findings.say(where, "doctor", false, stderr.trim());
    return;
  }
  const { level, effects, uidMode } = sandbox;
  const refused = effects.filter((effect) => effect.refused).length;
  const filter = emulated ? "Docker's rules made from Podman's file" : "the engine's own";
  findings.say(
    where,
    "sandbox",
    level === "B" && refused === effects.length,
    `level ${level} (${filter}), ${refused} of ${effects.length} forbidden acts refused`,
  );
  findings.say(where, "programs run as", uidMode === (mode.user === 0 ? "two_uids" : "same_uid"), uidMode);
}

/** A link and a code for the first other device, in the log and once. */
function checkPairing({ where, running, findings }: Place): void {
  const links = [...running.log().matchAll(/^Other devices: https:\/\/\S+\/pair\/\S+$/gm)].length;
  const codes = [...running.log().matchAll(/^ {2}Code \d{3} \d{3} /gm)].length;
  findings.say(where, "pairing in the log", links > 0 && codes === 1, `${links} link, ${codes} code`);
}

interface LastLine {
  type?: string;
  status?: string;
  error?: { message?: string } | null;
}

function lastLine({ stdout, stderr }: Ran): LastLine & { said: string } {
  const lines = stdout.trim().split("\n");
  const line = lines.findLast((text) => text.includes('"run_finished"')) ?? "{}";
  const last = JSON.parse(line) as LastLine;
  return { ...last, said: (last.error?.message || stderr || lines.at(-1) || "").trim().slice(0, 400) };
}

/** Runs a job by the command line inside, and looks at what it made. */
async function checkJob({ where, running, findings }: Place, what: string, args: string[]): Promise<void> {
  const project = `${PROJECTS}/${what}`;
  await running.exec("mkdir", "-p", project);
  await running.exec("cp", "-r", join(TABLE, "..", "."), project);
  const from = performance.now();
  const ran = await running.exec("openwrap", "run", ...args, "--project", project, "--approve", "all", "--json");
  const seconds = ((performance.now() - from) / 1000).toFixed(1);
  const last = lastLine(ran);
  const completed = last.status === "completed";
  findings.say(where, `${what} job`, completed, `${completed ? "completed" : last.said} in ${seconds} s`);
  const sizes = await running.exec("stat", "--format", "%n %s", ...DELIVERED.map((name) => `${project}/${name}`));
  const bytes = [...sizes.stdout.matchAll(/ (\d+)$/gm)].map(([, size]) => Number(size));
  findings.say(
    where,
    `${what} job's files`,
    bytes.length === DELIVERED.length && bytes.every((size) => size > 5_000),
    `${DELIVERED.join(", ")}: ${bytes.join(", ")} bytes`,
  );
}

async function checkTarget(
  engine: Engine,
  target: Target,
  mode: Mode,
  seccomp: string | undefined,
  findings: Findings,
): Promise<void> {
  const where = `${target} as ${mode.name}`;
  const volume = `open-wrap-check-${process.pid}-${target}-${mode.user}`;
  const confined = confinedArguments(engine, mode.capabilities, seccomp);
  const healthMs: number[] = [];
  try {
    const running = await startHere(engine, target, volume, mode, confined);
    try {
      const place = { where, mode, running, findings };
      healthMs.push(running.healthMs);
      await checkConfinement(place);
      await checkDoctor(place, seccomp !== undefined);
      checkPairing(place);
      if (target === "plain")
        await checkJob(place, "playbook", ["--playbook", "report-from-a-table", "--input", TABLE]);
      else await checkJob(place, "rehearsal", [GOAL]);
    } finally {
      findings.say(where, "ends when asked to", await running.stop(), "status 0");
    }
    // Once after its end, once after a crash: on the same volume, as the first process of the container again.
    for (const what of ["an end", "a crash"]) {
      const again = await startHere(engine, target, volume, mode, confined);
      const verified = await again.exec("openwrap", "audit", "verify");
      const [chain = ""] = verified.stdout.trim().split("\n");
      findings.say(where, `the chain after ${what}`, verified.status === 0, chain);
      healthMs.push(again.healthMs);
      await again.kill();
    }
    // A busy machine is slow, not wrong: the best counts.
    const figures = healthMs.map((ms) => Math.round(ms)).join(", ");
    findings.say(where, "health", Math.min(...healthMs) <= HEALTH_MS_MAX, `${figures} ms after a start`);
  } catch (error) {
    findings.say(where, "works", false, error instanceof Error ? error.message.slice(0, 1_000) : String(error));
  } finally {
    await removeVolume(engine, volume);
  }
}

/** True when all went well. */
export async function check(engine: Engine): Promise<boolean> {
  const findings = new Findings();
  const folder = mkdtempSync(join(tmpdir(), "open-wrap-check-"));
  const seccomp = engine.kind === "docker" ? undefined : join(folder, "seccomp.json");
  try {
    if (seccomp !== undefined) writeDockerRules(seccomp);
    for (const target of TARGETS) {
      findings.say(target, "image", true, `${imageMegabytes(engine, target)} MB (${engine.name})`);
      for (const mode of MODES) await checkTarget(engine, target, mode, seccomp, findings);
    }
    await checkPublished(engine, seccomp, findings);
    for (const mode of MODES) checkTests(engine, mode, confinedArguments(engine, mode.capabilities, seccomp), findings);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(findings.ok ? "container: all went well" : "container: see what FAILED");
  return findings.ok;
}
