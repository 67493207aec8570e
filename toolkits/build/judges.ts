// Programs by which tests judge from outside: strace, which sees every connection; Python, whose library reads our decks; ip, which makes
// another machine on a wire; curl, which checks our certificates as others do. Where they are missing and may not be installed, the tests
// that need them are left out or say what they did instead, and here it is said.

import { spawnSync } from "node:child_process";
import { installPackages, mayInstall } from "./debian.ts";

const JUDGES = [
  { name: "strace", packages: ["strace"], test: ["strace", "-V"] },
  { name: "python", packages: ["python3", "python3-venv"], test: ["python3", "-c", "import venv, ensurepip"] },
  { name: "ip", packages: ["iproute2"], test: ["ip", "-V"] },
  { name: "curl", packages: ["curl"], test: ["curl", "--version"] },
];

function isHere([program = "", ...args]: string[]): boolean {
  return spawnSync(program, args).status === 0;
}

const missing = JUDGES.filter(({ test }) => !isHere(test));
const names = missing.map(({ name }) => name).join(", ");
if (missing.length > 0 && mayInstall()) {
  installPackages(
    missing.flatMap(({ packages }) => packages),
    `${names} could not be installed`,
  );
} else if (missing.length > 0) {
  console.log(`judges: ${names} not found, and not installed by who is not root on Debian: some tests are left out`);
}
