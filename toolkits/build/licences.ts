// Licences of everything that is installed or linked, against the list of those the product may carry.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./source-hash.ts";

const ALLOWED = new Set(
  (
    "MIT MIT-0 Apache-2.0 BSD-2-Clause BSD-3-Clause ISC MPL-2.0 OFL-1.1 Unicode-3.0 Zlib CC0-1.0 0BSD BlueOak-1.0.0 " +
    "Python-2.0 PSF-2.0 BSL-1.0 Unlicense"
  ).split(" "),
);

/** Packages with another licence, and why they may stay: none of them is part of what is shipped. */
const EXCEPTIONS = new Map([
  ["caniuse-lite", "CC-BY-4.0"],
  // MIT and Apache-2.0 by the LICENSE of their repository; only tests run them.
  ["@modelcontextprotocol/server-everything", "SEE LICENSE IN LICENSE"],
  ["@modelcontextprotocol/server-filesystem", "SEE LICENSE IN LICENSE"],
]);

/** An SPDX expression; `/` is the old way to write OR. */
export function isAllowed(expression: string): boolean {
  const text = expression.replaceAll("/", " OR ").replace(/ WITH [\w.-]+/g, "");
  const tokens = text.match(/\(|\)|[^\s()]+/g) ?? [];
  let at = 0;
  const either = (): boolean => {
    let fine = both();
    while (tokens[at] === "OR") {
      at += 1;
      const other = both();
      fine = fine || other;
    }
    return fine;
  };
  const both = (): boolean => {
    let fine = single();
    while (tokens[at] === "AND") {
      at += 1;
      const other = single();
      fine = fine && other;
    }
    return fine;
  };
  const single = (): boolean => {
    const token = tokens[at++];
    if (token !== "(") return token !== undefined && ALLOWED.has(token);
    const fine = either();
    at += 1;
    return fine;
  };
  return either() && at >= tokens.length;
}

interface Named {
  name: string;
  licence: string;
}

interface LockEntry {
  link?: boolean;
  license?: string;
  dev?: boolean;
  devOptional?: boolean;
}

function npmPackages(): Named[] {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockEntry>;
  };
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path.includes("node_modules/") && !entry.link)
    .map(([path, entry]) => ({
      name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
      licence: entry.license ?? "none",
    }));
}

function run(program: string, args: string[]): string {
  const outcome = spawnSync(program, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 27 });
  if (outcome.status !== 0) throw new Error(`${program} ${args[0] ?? ""} failed: ${outcome.stderr}`);
  return outcome.stdout;
}

function crates(): Named[] {
  const host = /^host: (.+)$/m.exec(run("rustc", ["-vV"]))?.[1] ?? "";
  // Only what this platform links is downloaded by a build.
  const text = run("cargo", ["metadata", "--format-version=1", "--locked", "--filter-platform", host]);
  const { packages } = JSON.parse(text) as { packages: { name: string; license: string | null }[] };
  return packages.map(({ name, license }) => ({ name, licence: license ?? "none" }));
}

/** One line for each package whose licence is not on the list. */
export function licenceProblems(): string[] {
  return [...npmPackages(), ...crates()]
    .filter(({ name, licence }) => !isAllowed(licence) && EXCEPTIONS.get(name) !== licence)
    .map(({ name, licence }) => `${name}: the licence ${licence} is not on the list`);
}

if (import.meta.filename === process.argv[1]) {
  const problems = licenceProblems();
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
  else console.log("licences: all on the list");
}
