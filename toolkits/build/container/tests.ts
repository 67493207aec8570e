// End-to-end tests with the server in a container in place of this machine's: the job through the page, and devices beyond this machine,
// from a network namespace of their own, over HTTPS.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../source-hash.ts";
import type { Findings } from "./check.ts";
import { type Engine, imageOf } from "./engine.ts";
import type { Mode } from "./running.ts";

/** Of the page on this machine, and of devices beyond it. */
const SUITES: readonly { where: string; tests: string[]; only?: string }[] = [
  { where: "page", tests: ["tests/e2e/job.test.ts"], only: "goes from a launch link to finished files" },
  {
    where: "remote",
    tests: ["tests/e2e/devices.test.ts", "tests/e2e/devices-tablet.test.ts", "tests/e2e/take-over.test.ts"],
  },
];

/** Letters of a figure; what a test fails with may be long. */
const FIGURE_MAX = 400;

interface Test {
  fullName: string;
  status: string;
  duration?: number;
  failureMessages?: string[];
}

interface Report {
  testResults: { message?: string; assertionResults: Test[] }[];
}

export function checkTests(engine: Engine, mode: Mode, confined: string[], findings: Findings): void {
  const container = { client: engine.client, confined, image: imageOf("browser"), user: mode.user };
  const env = { ...process.env, OPENWRAP_TEST_CONTAINER: JSON.stringify(container) };
  const folder = mkdtempSync(join(tmpdir(), "open-wrap-tests-"));
  const report = join(folder, "report.json");
  const program = [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "--config", "tests/e2e/vitest.config.ts"];
  // One file after the other: a browser on the other machine gives up when networks come and go.
  const options = ["--no-file-parallelism", "--reporter=json", `--outputFile=${report}`];
  try {
    for (const { where, tests, only } of SUITES) {
      const chosen = only === undefined ? [] : ["--testNamePattern", only];
      const args = [...program, ...options, ...chosen, ...tests];
      const { stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8", env });
      const from = `${where}, browser as ${mode.name}`;
      const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
      let counted = 0;
      for (const { message, assertionResults } of testResults) {
        if (assertionResults.length === 0) findings.say(from, "tests", false, message ?? stderr.slice(-1_000));
        for (const { fullName, status, duration = 0, failureMessages = [] } of assertionResults) {
          if (only !== undefined && !fullName.includes(only)) continue;
          counted += 1;
          findings.say(
            from,
            fullName,
            status === "passed",
            [`${status} in ${Math.round(duration)} ms`, ...failureMessages].join(": ").slice(0, FIGURE_MAX),
          );
        }
      }
      findings.say(from, "tests", counted >= tests.length, String(counted));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
