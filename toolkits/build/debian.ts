// Packages of Debian that tests need and a machine may lack.

import { spawnSync } from "node:child_process";

/** Whether packages may be installed here. */
export function mayInstall(): boolean {
  return process.getuid?.() === 0 && process.platform === "linux" && spawnSync("apt-get", ["--version"]).status === 0;
}

/** Throws with what is lacking when it cannot be done. */
export function installPackages(packages: string[], lacking: string): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
    const outcome = spawnSync("apt-get", ["-q", ...args], { stdio: "inherit", env });
    if (outcome.error) throw new Error(lacking);
    if (outcome.status !== 0) throw new Error(`apt-get ${args[0] ?? ""} ended with ${outcome.status}; ${lacking}`);
  }
}
