// `npm run lint [NAME…]`: what a machine can say about the sources without running them. A check that passed on exactly the
// same input is not made again.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { contentHash, isFresh, markFresh, ROOT } from "./source-hash.ts";

interface Check {
  name: string;
  inputs: string[];
  keep: (file: string) => boolean;
  /** Programs to run one after the other. */
  commands: [string, ...string[]][];
}

const SCRIPTS = ["server", "web", "toolkits", "native", "tests", "vite.config.ts"];
const RUST = ["native", "Cargo.toml", "Cargo.lock", "clippy.toml", "rustfmt.toml"];
const isScript = (file: string): boolean => /\.(tsx?|mjs|json|css|html)$/.test(file);
const isRust = (file: string): boolean => /\.(rs|toml|lock)$/.test(file);
const tool = (path: string, ...args: string[]): [string, ...string[]] => [
  process.execPath,
  join(ROOT, "node_modules", path),
  ...args,
];

const LIGHT: Check[] = [
  {
    name: "biome",
    inputs: [...SCRIPTS, "biome.json", "package.json", "tsconfig.json"],
    keep: isScript,
    commands: [tool("@biomejs/biome/bin/biome", "check", "--error-on-warnings", "--max-diagnostics=50")],
  },
  {
    name: "typescript",
    inputs: [...SCRIPTS, "tsconfig.json", "package-lock.json"],
    keep: isScript,
    commands: [tool("typescript/bin/tsc", "--noEmit")],
  },
  { name: "rustfmt", inputs: RUST, keep: isRust, commands: [["cargo", "fmt", "--all", "--check"]] },
  {
    name: "licences",
    inputs: ["package-lock.json", "Cargo.lock", "toolkits/build/licences.ts"],
    keep: () => true,
    commands: [[process.execPath, "--import", "tsx", join(import.meta.dirname, "licences.ts")]],
  },
];

const CLIPPY = ["clippy", "--release", "--locked", "--workspace", "--quiet"];

/** In the build's own profile: what build scripts made is there already. */
const HEAVY: Check[] = [
  {
    name: "clippy",
    inputs: RUST,
    keep: isRust,
    commands: [
      ["cargo", ...CLIPPY, "--lib", "--bins", "--", "-D", "warnings"],
      // Tests may read files and start programs; that is what they are for.
      ["cargo", ...CLIPPY, "--tests", "--", "-D", "warnings", "-A", "clippy::disallowed_methods"],
    ],
  },
];

function execute([program, ...args]: [string, ...string[]]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    const parts: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => parts.push(part));
    child.on("error", (error) => resolve({ status: 1, output: `${program}: ${error.message}\n` }));
    child.on("close", (status) => resolve({ status: status ?? 1, output: Buffer.concat(parts).toString("utf8") }));
  });
}

async function make(check: Check): Promise<boolean> {
  const hash = contentHash([...check.inputs, "toolkits/build/lint.ts"], check.keep);
  const stamp = `lint-${check.name}`;
  if (isFresh(stamp, hash, [])) {
    console.log(`${check.name}: unchanged since it passed`);
    return true;
  }
  const started = Date.now();
  for (const command of check.commands) {
    const { status, output } = await execute(command);
    if (status !== 0) {
      process.stderr.write(output);
      console.error(`${check.name}: failed`);
      return false;
    }
  }
  markFresh(stamp, hash);
  console.log(`${check.name}: fine (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return true;
}

async function main(names: string[]): Promise<boolean> {
  const unknown = names.filter((name) => ![...LIGHT, ...HEAVY].some((check) => check.name === name));
  if (unknown.length > 0) {
    console.error(`lint: no check is named ${unknown.join(", ")}`);
    return false;
  }
  const wanted = (check: Check): boolean => names.length === 0 || names.includes(check.name);
  const light = await Promise.all(LIGHT.filter(wanted).map(make));
  const heavy: boolean[] = [];
  for (const check of HEAVY.filter(wanted)) heavy.push(await make(check));
  return [...light, ...heavy].every(Boolean);
}

if (!(await main(process.argv.slice(2)))) process.exitCode = 1;
