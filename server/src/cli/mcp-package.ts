// Installing is not running: `npx PACKAGE` becomes one npm install without scripts, in a folder of its own, and the entry file
// that is run from then on. The person's own npm does it, with the person's own settings.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import type { McpPackage } from "@openwrap/contracts";
import { CoreFault } from "../core.ts";
import { UsageError } from "./command.ts";
import { short } from "./visible.ts";

/** A server as it is added. */
export interface Entry {
  command: string[];
  /** What its process may read beyond the system's own programs. */
  reads: string[];
  package?: McpPackage;
  /** Where it was installed; gone when the adding fails. */
  folder?: string;
}

interface Wanted {
  /** As npm takes it: NAME, or NAME@VERSION. */
  spec: string;
  name: string;
  /** Which of its programs; the package's own when there is none named. */
  program: string | undefined;
  args: string[];
}

const PACKAGE = /^((?:@[a-z0-9][\w.~-]*\/)?[a-z0-9][\w.~-]*)(?:@([\w.+~^-]+))?$/i;
const OTHER_INSTALLERS = new Set(["uvx", "uv", "pipx", "pnpm", "yarn", "bunx", "bun", "npm"]);
const NPM_OUTPUT_CHARS_MAX = 1_000;

/** Reads `npx [-y] [-p PACKAGE] PACKAGE|PROGRAM ARGS`; nothing for any other command. */
export function readNpx(command: string[]): Wanted | undefined {
  const [program = "", ...rest] = command;
  const called = basename(program);
  if (OTHER_INSTALLERS.has(called)) {
    throw new UsageError(
      `\`${called}\` installs while it runs, and only npx lines can be rewritten to an installation that is pinned. ` +
        "Install the server yourself and name its program, as in: " +
        "openwrap mcp add NAME --allow-read=/path/venv -- /path/venv/bin/python -m SERVER",
    );
  }
  if (called !== "npx") return undefined;
  let named: string | undefined;
  for (;;) {
    const word = rest.shift();
    if (word === undefined) throw new UsageError("npx: no package is named");
    if (word === "-y" || word === "--yes") continue;
    if (word === "-p" || word === "--package") named = rest.shift();
    else if (word.startsWith("--package=")) named = word.slice("--package=".length);
    else if (word.startsWith("-")) throw new UsageError(`npx: the option ${JSON.stringify(word)} is not understood`);
    else return wantedOf(named ?? word, named === undefined ? undefined : word, rest);
  }
}

function wantedOf(spec: string, program: string | undefined, args: string[]): Wanted {
  const name = PACKAGE.exec(spec)?.[1];
  if (name === undefined)
    throw new UsageError(`${JSON.stringify(spec)} is no package of a registry; write NAME, or NAME@VERSION`);
  return { spec, name, program, args };
}

/** A program that is there already is taken as it is. Paths are made absolute: the core works in another folder. */
export function entryAsIs(command: string[], cwd: string): Entry {
  const [program = "", ...args] = command;
  const called = program.includes("/") ? resolve(cwd, program) : program;
  const at = basename(program) === "node" ? args.findIndex((arg) => !arg.startsWith("-")) : -1;
  const file = args[at];
  if (file === undefined) return { command: [called, ...args], reads: [] };
  const path = isAbsolute(file) ? file : resolve(cwd, file);
  if (!existsSync(path)) throw new UsageError(`there is no file ${JSON.stringify(path)}`);
  const real = realpathSync(path);
  args[at] = real;
  return { command: [called, ...args], reads: [packageOf(real) ?? real] };
}

/** The nearest folder above with a `package.json`, unless the person's home lies in it: that would open everything. */
function packageOf(file: string): string | undefined {
  const home = `${realpathSync(homedir())}/`;
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (home.startsWith(`${folder}/`)) return undefined;
    if (existsSync(join(folder, "package.json"))) return folder;
  }
  return undefined;
}

/** Installs the package and finds its entry file. */
export async function install(serverId: string, wanted: Wanted, work: string, env: NodeJS.ProcessEnv): Promise<Entry> {
  const folder = makeFolder(serverId, work);
  try {
    await npmInstall(folder, wanted.spec, env);
    const installed = pinned(folder, wanted.name);
    const file = entryFile(folder, wanted);
    return {
      command: ["node", file, ...wanted.args],
      reads: [folder],
      package: installed,
      folder,
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Others may pass through the parents and read the package: servers run under a user of their own. */
function makeFolder(serverId: string, work: string): string {
  const packages = join(work, "mcp/packages");
  for (const parent of [work, join(work, "mcp"), packages]) {
    mkdirSync(parent, { recursive: true });
    chmodSync(parent, 0o711);
  }
  const folder = join(realpathSync(packages), `${serverId}-${randomBytes(4).toString("hex")}`);
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "package.json"), '{"private":true}\n', { mode: 0o644 });
  return folder;
}

async function npmInstall(folder: string, spec: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = ["install", "--ignore-scripts", "--save-exact", "--omit=dev", "--no-audit", "--no-fund", "--", spec];
  const before = process.umask(0o022);
  const child = spawn("npm", args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  process.umask(before);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      said = (said + text).slice(-NPM_OUTPUT_CHARS_MAX);
    });
  }
  const failure = await new Promise<string | undefined>((done) => {
    child.on("error", (error) => done(`npm could not be started: ${error.message}`));
    child.on("close", (code, signal) => done(code === 0 ? undefined : `npm ended with ${code ?? signal}: ${said}`));
  });
  if (failure !== undefined) {
    throw new CoreFault({
      code: "EXECUTION_FAILED",
      message: `${short(spec, 200)} could not be installed: ${short(failure, NPM_OUTPUT_CHARS_MAX)}`,
      hint: "Check the package's name and version, and that npm reaches its registry.",
    });
  }
}

/** Version and integrity as npm wrote them down. */
function pinned(folder: string, name: string): McpPackage {
  const lock = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")) as {
    packages?: Record<string, { version?: string; integrity?: string } | undefined>;
  };
  const { version, integrity } = lock.packages?.[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) {
    throw new CoreFault({
      code: "EXECUTION_FAILED",
      message: `${short(name, 200)} came without a version or an integrity`,
      hint: "Use a package of a registry.",
    });
  }
  return { registry: "npm", name, version, integrity };
}

/** As npx chooses: the program that is named, the only one, or the one of the package's own name. */
function entryFile(folder: string, { name, program }: Wanted): string {
  const root = join(folder, "node_modules", name);
  const { bin = {} } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    bin?: string | Record<string, string>;
  };
  const own = name.slice(name.indexOf("/") + 1);
  const programs = typeof bin === "string" ? { [own]: bin } : bin;
  const names = Object.keys(programs);
  const chosen = programs[program ?? (names.length === 1 ? (names[0] ?? "") : own)];
  const file = chosen === undefined ? undefined : resolve(root, chosen);
  if (file === undefined || !file.startsWith(`${root}/`) || !existsSync(file)) {
    throw new UsageError(
      `${name} has ${names.length === 0 ? "no program" : `the programs ${names.join(", ")}`}; name one with: npx -p ${name} PROGRAM`,
    );
  }
  return file;
}
