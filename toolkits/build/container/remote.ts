// The end-to-end tests of devices beyond this machine, with the server in a container in place of this machine's: from a network
// namespace of their own, over HTTPS.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../source-hash.ts";
import type { Findings } from "./check.ts";
import { type Engine, imageOf } from "./engine.ts";
import type { Mode } from "./running.ts";

const TESTS = ["tests/e2e/devices.test.ts", "tests/e2e/devices-tablet.test.ts", "tests/e2e/take-over.test.ts"];

interface Report {
  testResults: { message?: string; assertionResults: { fullName: string; status: string; duration?: number }[] }[];
}

export function checkRemote(engine: Engine, mode: Mode, confined: string[], findings: Findings): void {
  const folder = mkdtempSync(join(tmpdir(), "open-wrap-remote-"));
  const report = join(folder, "report.json");
  const container = { client: engine.client, confined, image: imageOf("browser"), user: mode.user };
  const program = [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--config", "tests/e2e/vitest.config.ts"];
  // One file after the other: a browser on the other machine gives up when networks come and go.
  const options = ["--no-file-parallelism", "--reporter=json", `--outputFile=${report}`];
  try {
    const { stderr } = spawnSync(process.execPath, [...program, ...options, ...TESTS], {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, OPENWRAP_TEST_CONTAINER: JSON.stringify(container) },
    });
    let tests = 0;
    const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
    for (const { message, assertionResults } of testResults) {
      if (assertionResults.length === 0) findings.say("remote", "tests", false, message ?? stderr.slice(-1_000));
      for (const { fullName, status, duration = 0 } of assertionResults) {
        tests += 1;
        findings.say("remote", fullName, status === "passed", `${status} in ${Math.round(duration)} ms`);
      }
    }
    findings.say("remote", "tests", tests > 0, String(tests));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
