// `npx tsx tests/verifier/main.ts FOLDER`: audits a data folder without the product; exits with 1 when something does not fit.

import { verifyLedger } from "./ledger.ts";

const [home] = process.argv.slice(2);
if (home === undefined) {
  console.error("verifier: name the data folder (OPENWRAP_HOME)");
  process.exitCode = 2;
} else {
  const report = verifyLedger(home);
  console.log(JSON.stringify(report));
  if (!report.ok) process.exitCode = 1;
}
