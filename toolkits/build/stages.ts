// The stages of `npm test`, one after the other, each with its time and CPU; the last line sums up what the runners counted.
// Names as arguments: only these stages.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./source-hash.ts";

interface Counts {
  passed: number;
  failed: number;
}

interface Stage {
  name: string;
  command: [string, ...string[]];
  /** Reads what the runner counted; a check counts nothing. */
  count?: (output: string) => Counts;
  /** Makes no sense on a build that failed. */
  needsBuild?: true;
}

const script = (file: string, ...args: string[]): [string, ...string[]] => [
  process.execPath,
  "--import",
  "tsx",
  join(import.meta.dirname, file),
  ...args,
];

function vitest(name: string, config: string): Stage {
  const report = join(ROOT, "node_modules/.cache/openwrap", `${name}.json`);
  const program = join(ROOT, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return {
    name,
    command: [process.execPath, program, "run", "--config", config, ...reporters],
    count: () => countVitest(report),
    needsBuild: true,
  };
}

const STAGES: Stage[] = [
  { name: "chromium", command: script("chromium.ts") },
  { name: "judges", command: script("judges.ts") },
  { name: "build", command: script("build.ts") },
  { name: "gen", command: script("gen.ts", "--check"), needsBuild: true },
  { name: "tidy", command: script("tidy.ts") },
  { name: "lint", command: script("lint.ts") },
  {
    name: "cargo",
    command: ["cargo", "test", "--release", "--locked", "--workspace", "--no-fail-fast"],
    count: countCargo,
    needsBuild: true,
  },
  vitest("vitest", "tests/vitest.config.ts"),
  vitest("e2e", "tests/e2e/vitest.config.ts"),
  { name: "tracks", command: script("tracks.ts"), needsBuild: true },
];

function countCargo(output: string): Counts {
  const counts = { passed: 0, failed: 0 };
  for (const match of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed;/gm)) {
    counts.passed += Number(match[1]);
    counts.failed += Number(match[2]);
  }
  return counts;
}

function countVitest(report: string): Counts {
  if (!existsSync(report)) return { passed: 0, failed: 0 };
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, "utf8")) as Record<string, number>;
  rmSync(report);
  return { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0 };
}

/** CPU seconds of all children that have ended; nothing where the kernel does not tell. */
function childrenCpu(): number | undefined {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // The 16th and 17th field, in hundredths on every Linux.
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return undefined;
  }
}

/** Shows the output as it comes, and keeps it. */
function execute([program, ...args]: [string, ...string[]]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
    const parts: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => {
      process.stdout.write(part);
      parts.push(part);
    });
    child.on("error", (error) => resolve({ status: 1, output: `${program}: ${error.message}` }));
    child.on("close", (status) => resolve({ status: status ?? 1, output: Buffer.concat(parts).toString("utf8") }));
  });
}

async function main(names: string[]): Promise<Counts> {
  const total = { passed: 0, failed: 0 };
  const lines: string[] = [];
  let built = true;
  for (const stage of STAGES.filter(({ name }) => names.length === 0 || names.includes(name))) {
    if (stage.needsBuild && !built) {
      lines.push(`${stage.name.padEnd(9)} not run: the build failed`);
      continue;
    }
    console.log(`\n== ${stage.name}`);
    const started = Date.now();
    const before = childrenCpu();
    const { status, output } = await execute(stage.command);
    const after = childrenCpu();
    const counts = stage.count?.(output) ?? { passed: 0, failed: 0 };
    // A runner that failed without a failed test, and a check that failed, count as one.
    if (status !== 0 && counts.failed === 0) counts.failed = 1;
    if (stage.name === "build" && status !== 0) built = false;
    total.passed += counts.passed;
    total.failed += counts.failed;
    const cpu = before === undefined || after === undefined ? "" : `${(after - before).toFixed(1)} s CPU`;
    const tests = stage.count ? `, ${counts.passed} passed, ${counts.failed} failed` : "";
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    lines.push(`${stage.name.padEnd(9)} ${status === 0 ? "ok    " : "FAILED"} ${seconds} s, ${cpu}${tests}`);
  }
  console.log(`\n${lines.join("\n")}\nall       ${childrenCpu()?.toFixed(1) ?? "?"} s CPU`);
  return total;
}

const unknown = process.argv.slice(2).filter((name) => !STAGES.some((stage) => stage.name === name));
if (unknown.length > 0) {
  console.error(
    `test: no stage is named ${unknown.join(", ")}; there are ${STAGES.map(({ name }) => name).join(", ")}`,
  );
  process.exitCode = 2;
} else {
  const { passed, failed } = await main(process.argv.slice(2));
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
