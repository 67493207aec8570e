// `npm run build`: everything `openwrap` needs. A step whose input is unchanged since it last succeeded is skipped.

import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { contentHash, isFresh, markFresh, ROOT } from "./source-hash.ts";

interface Step {
  name: string;
  /** Files and folders the output depends on. */
  inputs: string[];
  outputs: string[];
  keep?: (file: string) => boolean;
  run: () => void | Promise<void>;
}

const ADDON = "native/bindings/openwrap.node";
const SPAWNER = "native/bindings/openwrap-spawner";
const LOCKS = ["package-lock.json", "toolkits/build/build.ts"];

const native: Step = {
  name: "native",
  inputs: ["Cargo.toml", "Cargo.lock", "native"],
  outputs: [ADDON, SPAWNER],
  keep: (file) => /\.(rs|toml|lock)$/.test(file) && !file.includes("/tests/"),
  run: () => {
    // Every crate at once: the tests then find their dependencies built with the same features.
    command("cargo", ["build", "--release", "--locked", "--workspace"]);
    // Not by `napi build`: it names the target, and cargo then compiles every dependency a second time.
    const library = process.platform === "darwin" ? "libopenwrap_bindings.dylib" : "libopenwrap_bindings.so";
    place(`target/release/${library}`, ADDON, 0o644);
    place("target/release/openwrap-spawner", SPAWNER, 0o755);
  },
};

const page: Step = {
  name: "web",
  inputs: [...LOCKS, "vite.config.ts", "web", "native/contracts/generated"],
  outputs: ["web/dist/index.html"],
  keep: (file) => !/\.test\.tsx?$/.test(file),
  run: () => command(process.execPath, [join(ROOT, "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"]),
};

const server: Step = {
  name: "server",
  inputs: [...LOCKS, "server", "native/contracts/generated", "native/bindings"],
  outputs: ["server/dist/openwrap.mjs"],
  keep: (file) => /\.(ts|json)$/.test(file) && !file.endsWith(".test.ts"),
  run: async () => {
    await bundle("server/src/openwrap.ts", "server/dist", "openwrap");
    chmodSync(join(ROOT, "server/dist/openwrap.mjs"), 0o755);
  },
};

/** A toolkit that is a program has `src/main.ts` and becomes one file, `dist/NAME.mjs`. */
function toolkitSteps(): Step[] {
  const names = readdirSync(join(ROOT, "toolkits"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(ROOT, "toolkits", entry.name, "src/main.ts")))
    .map((entry) => entry.name)
    .sort();
  return names.map((name) => ({
    name: `toolkit-${name}`,
    inputs: [...LOCKS, `toolkits/${name}`, "native/contracts/generated"],
    outputs: [`toolkits/${name}/dist/${name}.mjs`],
    keep: (file) => !file.endsWith(".test.ts"),
    run: () => bundle(`toolkits/${name}/src/main.ts`, `toolkits/${name}/dist`, name, false),
  }));
}

/** The product's bundle is split where code is imported on demand; a toolkit's is one file, since it is placed alone in its sandbox. */
async function bundle(entry: string, outdir: string, name: string, splitting = true): Promise<void> {
  const { build } = await import("esbuild");
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: entry },
    outdir,
    outExtension: { ".js": ".mjs" },
    chunkNames: "part-[hash]",
    bundle: true,
    splitting,
    format: "esm",
    platform: "node",
    target: "node20.19",
    conditions: ["node"],
    external: ["*.node"],
    legalComments: "linked",
    minifySyntax: true,
    logLevel: "warning",
    metafile: true,
  });
  const made = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
  const folder = join(ROOT, outdir);
  for (const name of readdirSync(folder)) if (!made.has(name)) rmSync(join(folder, name), { recursive: true });
}

function command(program: string, args: string[]): void {
  const outcome = spawnSync(program, args, { cwd: ROOT, stdio: "inherit" });
  if (outcome.error) throw new Error(`${program} could not be started: ${outcome.error.message}`);
  if (outcome.status !== 0)
    throw new Error(`${program} ${args[0] ?? ""} ended with ${outcome.status ?? outcome.signal}`);
}

/** By rename: a process that has the old file loaded keeps it. */
function place(from: string, to: string, mode: number): void {
  const fresh = join(ROOT, `${to}.new`);
  copyFileSync(join(ROOT, from), fresh);
  chmodSync(fresh, mode);
  renameSync(fresh, join(ROOT, to));
}

export async function buildAll(only: string[] = []): Promise<void> {
  const steps = [native, page, server, ...toolkitSteps()].filter(
    (step) => only.length === 0 || only.includes(step.name),
  );
  for (const step of steps) {
    const hash = contentHash(step.inputs, step.keep);
    if (isFresh(step.name, hash, step.outputs)) continue;
    const started = Date.now();
    await step.run();
    markFresh(step.name, hash);
    console.error(`built ${step.name} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
}

if (import.meta.filename === process.argv[1]) {
  await buildAll(process.argv.slice(2)).catch((error: unknown) => {
    console.error(`build: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  });
}
