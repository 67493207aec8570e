// `npm run build`: everything `openwrap` needs. A step whose input is unchanged since it last succeeded is skipped.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { writeDefinitions } from "./definitions.ts";
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
/** The addon's exports as TypeScript sees them. */
const FACE = "native/bindings/addon.gen.d.ts";
/** Where napi-derive writes what it exports while it compiles. */
const FACE_PARTS = "target/napi";
const LOCKS = ["package-lock.json", "toolkits/build/build.ts"];

const native: Step = {
  name: "native",
  inputs: ["Cargo.toml", "Cargo.lock", "native"],
  outputs: [ADDON, SPAWNER, FACE],
  keep: (file) => /\.(rs|toml|lock|js|mjs)$/.test(file) && !file.includes("/tests/"),
  run: async () => {
    // The face is written down while the last small crate compiles, so that one always does.
    rmSync(join(ROOT, FACE_PARTS), { recursive: true, force: true });
    mkdirSync(join(ROOT, FACE_PARTS), { recursive: true });
    utimesSync(join(ROOT, "native/bindings/src/lib.rs"), new Date(), new Date());
    // Every crate at once: the tests then find their dependencies built with the same features.
    command("cargo", ["build", "--release", "--locked", "--workspace"], {
      NAPI_TYPE_DEF_TMP_FOLDER: join(ROOT, FACE_PARTS),
    });
    // Not by `napi build`: it names the target, and cargo then compiles every dependency a second time. Its types are made.
    const library = process.platform === "darwin" ? "libopenwrap_bindings.dylib" : "libopenwrap_bindings.so";
    place(`target/release/${library}`, ADDON, 0o644);
    place("target/release/openwrap-spawner", SPAWNER, 0o755);
    await writeFace();
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
  return names.map((name) => {
    const folder = `toolkits/${name}/dist`;
    const program = `${folder}/${name}.mjs`;
    const definitions = servesTools(name) ? [`${folder}/${name}.tools.json`] : [];
    return {
      name: `toolkit-${name}`,
      inputs: [...LOCKS, "toolkits/build/definitions.ts", `toolkits/${name}`, "native/contracts/generated"],
      outputs: [program, ...definitions],
      keep: (file) => !file.endsWith(".test.ts"),
      run: async () => {
        await bundle(`toolkits/${name}/src/main.ts`, folder, name, false);
        for (const target of definitions) await writeDefinitions(join(ROOT, program), join(ROOT, target));
      },
    };
  });
}

/** An MCP server: built on the protocol's library. */
function servesTools(name: string): boolean {
  const manifest = readFileSync(join(ROOT, "toolkits", name, "package.json"), "utf8");
  const { dependencies = {} } = JSON.parse(manifest) as { dependencies?: Record<string, string> };
  return "@modelcontextprotocol/sdk" in dependencies;
}

const REQUIRE = 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);';

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
    // A program that is placed alone carries its font and its WebAssembly in itself.
    loader: { ".ttf": "binary", ".wasm": "binary" },
    legalComments: "linked",
    minifySyntax: true,
    logLevel: "warning",
    metafile: true,
    // What is written as CommonJS asks for Node's own modules.
    ...(splitting ? { banner: { js: REQUIRE } } : {}),
  });
  const made = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
  const folder = join(ROOT, outdir);
  for (const name of readdirSync(folder)) if (!made.has(name)) rmSync(join(folder, name), { recursive: true });
}

/** The faces of the entries, written by hand, are checked against it. */
async function writeFace(): Promise<void> {
  const { generateTypeDef } = await import("@napi-rs/cli");
  const { dts } = await generateTypeDef({
    typeDefDir: join(ROOT, FACE_PARTS),
    cwd: join(ROOT, "native/bindings"),
    constEnum: false,
    dtsHeader: "// Generated by npm run build. Do not edit.\n\n",
  });
  const path = join(ROOT, FACE);
  if (!existsSync(path) || readFileSync(path, "utf8") !== dts) writeFileSync(path, dts);
}

function command(program: string, args: string[], env: Record<string, string> = {}): void {
  const outcome = spawnSync(program, args, { cwd: ROOT, stdio: "inherit", env: { ...process.env, ...env } });
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
