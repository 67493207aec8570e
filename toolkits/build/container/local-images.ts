// Without Docker nothing is fetched from a registry of images: the three that the Dockerfile starts from are made of Debian's packages
// and of this machine's own Node and Rust.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { invoke } from "./engine.ts";

const RELEASE = "bookworm";
const BASE = `localhost/debian:${RELEASE}-slim`;
const NODE = `localhost/open-wrap-node:${process.versions.node}`;
const RUST = "localhost/open-wrap-rust";

function isThere(image: string): boolean {
  return spawnSync("podman", ["image", "exists", image]).status === 0;
}

/** Fills an image from an archive that a command writes. */
function importArchive(image: string, ...tar: string[]): void {
  const folder = mkdtempSync(join(tmpdir(), "open-wrap-image-"));
  try {
    const archive = join(folder, "image.tar");
    invoke("tar", ["--create", "--file", archive, ...tar]);
    invoke("podman", ["import", "--quiet", archive, image]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Debian with its essential packages, and its security updates as a source beside the mirror `debootstrap` took. */
function makeBase(): void {
  const folder = mkdtempSync(join(tmpdir(), "open-wrap-debian-"));
  try {
    invoke("debootstrap", ["--variant=minbase", RELEASE, folder]);
    const sources = join(folder, "etc/apt/sources.list");
    const [, mirror = ""] = /^deb (\S+) /m.exec(readFileSync(sources, "utf8")) ?? [];
    const suites = [
      [mirror, RELEASE],
      [mirror, `${RELEASE}-updates`],
      [`${mirror}-security`, `${RELEASE}-security`],
    ];
    writeFileSync(sources, suites.map(([from, suite]) => `deb ${from} ${suite} main\n`).join(""));
    for (const left of ["var/cache/apt/archives", "var/lib/apt/lists"]) rmSync(join(folder, left), { recursive: true });
    importArchive(BASE, "--directory", folder, ".");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function printed(program: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}`);
  return stdout.trim();
}

/** The Node that runs this, and the npm beside it. */
function makeNode(): void {
  const npm = join(printed("npm", "root", "--global"), "npm");
  const places = ["--transform", "s,^node$,usr/local/bin/node,;s,^npm/,usr/local/lib/node_modules/npm/,"];
  const node = realpathSync(process.execPath);
  importArchive(NODE, ...places, "--directory", dirname(node), "node", "--directory", dirname(npm), "npm/");
}

/** The base with this machine's compiler and standard library. */
function makeRust(image: string): void {
  const from = printed("rustc", "--print", "sysroot");
  const container = printed("buildah", "from", BASE);
  try {
    for (const part of ["bin", "lib"])
      invoke("buildah", ["copy", "--quiet", container, join(from, part), `/usr/local/${part}`]);
    invoke("buildah", ["commit", "--quiet", container, image]);
  } finally {
    invoke("buildah", ["rm", container]);
  }
}

/** Arguments of the Dockerfile; `withRust` only where something is compiled. */
export function localImages(withRust: boolean): Record<string, string> {
  if (!isThere(BASE)) makeBase();
  if (!isThere(NODE)) makeNode();
  const rust = `${RUST}:${printed("rustc", "--version").split(" ")[1]}`;
  if (withRust && !isThere(rust)) makeRust(rust);
  return { BASE, NODE, RUST: withRust ? rust : BASE };
}
