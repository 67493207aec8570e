// What builds and runs containers here: Docker where its engine answers, else Buildah with Podman and runc.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { mayInstall } from "../debian.ts";
import { ROOT } from "../source-hash.ts";

export type Target = "plain" | "browser";
export const TARGETS: readonly Target[] = ["plain", "browser"];

export interface Engine {
  kind: "docker" | "podman";
  /** With versions, to be shown beside figures. */
  name: string;
  /** The program and what goes before `run`, `exec`, `stop`, `rm`, `images`. */
  client: string[];
  /** Arguments of every `run` that only this one needs. */
  runArguments: string[];
}

export interface ImageBuild {
  target: Target;
  /** Folder that the Dockerfile copies from. */
  context: string;
  /** Of the Dockerfile. */
  args: Record<string, string>;
}

const RUNC = "/usr/sbin/runc";
const PACKAGES = ["buildah", "podman", "runc", "debootstrap", "netavark", "iptables", "uidmap"];
/** Podman asks for more than a container may have here and there, and runc then does not start it. */
const LIMITS = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"];

export function imageOf(target: Target): string {
  return `localhost/open-wrap:${target}`;
}

function printed(program: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** Throws with what to install when there is none. */
export function findEngine(): Engine {
  const docker = printed("docker", "info", "--format", "{{.ServerVersion}}");
  if (docker) return { kind: "docker", name: `Docker ${docker}`, client: ["docker"], runArguments: [] };
  const [buildah, podman] = [printed("buildah", "--version"), printed("podman", "--version")];
  if (buildah === undefined || podman === undefined || !existsSync(RUNC) || !mayInstall()) {
    const install = `apt-get install --no-install-recommends ${PACKAGES.join(" ")}`;
    throw new Error(`no Docker engine answers, and without one root needs Buildah, Podman and runc: ${install}`);
  }
  return {
    kind: "podman",
    name: [buildah.replace(/ \(.*/, ""), podman, printed(RUNC, "--version")?.split("\n")[0] ?? "runc"].join(", "),
    client: ["podman", "--runtime", RUNC],
    runArguments: [...LIMITS, "--no-healthcheck", "--read-only-tmpfs=false"],
  };
}

/** Shows what it does. Throws when it fails. */
export function invoke(program: string, args: string[], input?: Buffer): void {
  const stdio = [input === undefined ? "inherit" : "pipe", "inherit", "inherit"] as const;
  const outcome = spawnSync(program, args, { cwd: ROOT, stdio: [...stdio], ...(input === undefined ? {} : { input }) });
  if (outcome.error) throw new Error(`${program} could not be started: ${outcome.error.message}`);
  if (outcome.status !== 0)
    throw new Error(`${program} ${args[0] ?? ""} ended with ${outcome.status ?? outcome.signal}`);
}

/** Files of this machine without which its package sources are not reached from a build; no part of any image. */
const OF_THIS_MACHINE = ["/etc/apt/apt.conf.d"];

export function buildImage(engine: Engine, build: ImageBuild): void {
  const args = Object.entries(build.args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  const authorities = process.env.NODE_EXTRA_CA_CERTS;
  if (authorities) args.push("--secret", `id=authorities,src=${authorities}`);
  const file = ["--file", join(ROOT, "docker/Dockerfile"), "--target", build.target, "--tag", imageOf(build.target)];
  if (engine.kind === "docker") {
    invoke("docker", ["build", ...file, ...args, build.context]);
    return;
  }
  const lent = OF_THIS_MACHINE.filter(existsSync).flatMap((path) => ["--volume", `${path}:${path}:ro`]);
  const chroot = ["--isolation", "chroot", "--network", "host", "--format", "docker", "--layers"];
  const ignored = ["--ignorefile", join(ROOT, ".dockerignore")];
  invoke("buildah", [
    "bud",
    ...chroot,
    ...lent,
    ...(build.context === ROOT ? ignored : []),
    ...file,
    ...args,
    build.context,
  ]);
}

/** Megabytes, as the engine counts them. */
export function imageMegabytes(engine: Engine, target: Target): number {
  const [program = "", ...args] = engine.client;
  const size = printed(program, ...args, "image", "inspect", "--format", "{{.Size}}", imageOf(target));
  if (size === undefined)
    throw new Error(`there is no image ${imageOf(target)}; build it with: npm run container -- build`);
  return Math.round(Number(size) / 1e6);
}
