// `npm run container -- build|run|check`: the images of `docker/Dockerfile`, with Docker or without.

import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  buildImage,
  type Engine,
  findEngine,
  imageMegabytes,
  imageOf,
  invoke,
  TARGETS,
  type Target,
} from "./container/engine.ts";
import { localImages } from "./container/local-images.ts";
import { collectProduct } from "./container/product.ts";
import { ROOT } from "./source-hash.ts";

const USAGE = `npm run container -- build [--target plain|browser] [--prebuilt]   both images unless one is named; --prebuilt takes what npm run build made
npm run container -- run [--target plain|browser] [--data DIR]      serves, with DIR as its volume
npm run container -- check                                          runs both images and what they must do`;

/** Whom a new folder belongs to when root makes it: the images' own user. */
const OWNER = 1000;

function targetsOf(named: string | undefined): readonly Target[] {
  if (named === undefined) return TARGETS;
  const target = TARGETS.find((known) => known === named);
  if (target === undefined) throw new Error(`--target must be one of ${TARGETS.join(", ")}`);
  return [target];
}

async function build(engine: Engine, targets: readonly Target[], prebuilt: boolean): Promise<void> {
  const images = engine.kind === "docker" ? {} : localImages(!prebuilt);
  if (!prebuilt) {
    const args = { ...images, PRODUCT: "build" };
    for (const target of targets) buildImage(engine, { target, context: ROOT, args });
  } else {
    const context = mkdtempSync(join(tmpdir(), "open-wrap-product-"));
    try {
      collectProduct(context);
      for (const target of targets) buildImage(engine, { target, context, args: { ...images, PRODUCT: "built" } });
    } finally {
      rmSync(context, { recursive: true, force: true });
    }
  }
  for (const target of targets)
    console.log(`${imageOf(target)}  ${imageMegabytes(engine, target)} MB  (${engine.name})`);
}

/** Serves as the user whom the folder belongs to. */
function run(engine: Engine, target: Target, data: string): void {
  const [program = "", ...args] = engine.client;
  if (!existsSync(data)) {
    mkdirSync(data, { recursive: true });
    if (process.getuid?.() === 0) chownSync(data, OWNER, OWNER);
  }
  const { uid, gid } = statSync(data);
  const user = `${uid}:${gid}`;
  const confined = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
  const rest = ["--rm", "--network", "host", "--user", user, "--volume", `${data}:/data`, imageOf(target)];
  invoke(program, [...args, "run", ...engine.runArguments, ...confined, ...rest]);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { target: { type: "string" }, prebuilt: { type: "boolean", default: false }, data: { type: "string" } },
  });
  const [action] = positionals;
  if (positionals.length !== 1 || !["build", "run", "check"].includes(action ?? "")) throw new Error(USAGE);
  const engine = findEngine();
  const targets = targetsOf(values.target);
  if (action === "build") await build(engine, targets, values.prebuilt);
  else if (action === "run") run(engine, targets.at(-1) ?? "browser", resolve(values.data ?? "data"));
  else {
    const { check } = await import("./container/check.ts");
    if (!(await check(engine))) process.exitCode = 1;
  }
}

await main().catch((error: unknown) => {
  console.error(`container: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
