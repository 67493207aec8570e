// Where things are, and what the environment says. Read once at start.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Workflow } from "@openwrap/contracts";

/** What the core is opened with, beside the switches. */
export interface CoreConfig {
  /** Data folder: ledger, vault, blobs. */
  home: string;
  /** Folder for views and private homes of tools; never below `home`. */
  work: string;
  port: number;
  /** Origin people open, without a trailing slash. */
  origin: string;
  /** Random per start; whoever can read the lock file has it. */
  cliToken: string;
  spawnerPath: string;
  rehearsalPath: string;
  nodePath: string;
  rolesDir: string;
  samplesDir: string;
  workflow: Workflow;
  disabled: { feature: string; switch: string }[];
  /** Whether runs that were cut off go on. */
  takeUp: boolean;
  /** The workers' browser, when it lies where it is not looked for. */
  browserPath?: string;
  /** Bundles of the toolkits that are MCP servers, each with its definitions beside it. */
  toolkitPaths: string[];
}

/** Port of the app unless another is asked for. */
export const PORT_DEFAULT = 8642;

export interface Settings {
  home: string;
  work: string;
  /** 0: any free one. */
  port: number;
  /** Addresses to listen on, in order; all on the same port. */
  addresses: string[];
  /** Further `Host` values under which the app may be reached, besides localhost. */
  hosts: string[];
}

/** The repository (or the installed package): the nearest folder above that holds the toolkits. */
export function productRoot(): string {
  let folder = import.meta.dirname;
  for (let up = 0; up < 6; up += 1) {
    if (existsSync(join(folder, "toolkits")) && existsSync(join(folder, "package.json"))) return folder;
    folder = dirname(folder);
  }
  throw new Error(`no product folder above ${import.meta.dirname}`);
}

function portOf(text: string, what: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new Error(`${what}: ${JSON.stringify(text)} is no port`);
  return port;
}

const LOOPBACK = ["127.0.0.1", "::1"];

/** `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`. */
function listenOf(text: string): { address: string; port?: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  if (address === undefined)
    throw new Error(`OPENWRAP_LISTEN: ${JSON.stringify(text)} is neither ADDRESS nor ADDRESS:PORT`);
  return match?.[3] === undefined ? { address } : { address, port: portOf(match[3], "OPENWRAP_LISTEN") };
}

export function readSettings(
  options: { home?: string; port?: string },
  env: NodeJS.ProcessEnv = process.env,
): Settings {
  const home = resolve(options.home ?? (env.OPENWRAP_HOME || join(homedir(), ".openwrap")));
  const work = resolve(env.OPENWRAP_WORK || `${home}-work`);
  if (work === home || work.startsWith(`${home}/`)) throw new Error("OPENWRAP_WORK must not lie in the data folder");
  const hosts = (env.OPENWRAP_HOSTS ?? "")
    .split(",")
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== "");
  const listen = env.OPENWRAP_LISTEN ? listenOf(env.OPENWRAP_LISTEN) : undefined;
  const addresses = listen === undefined || listen.address === "localhost" ? LOOPBACK : [listen.address];
  if (addresses.some((address) => !LOOPBACK.includes(address)) && hosts.length === 0) {
    throw new Error(
      "OPENWRAP_LISTEN beyond the loopback needs OPENWRAP_HOSTS: the names under which a proxy with TLS serves the app",
    );
  }
  const port = options.port === undefined ? (listen?.port ?? PORT_DEFAULT) : portOf(options.port, "--port");
  return { home, work, port, addresses, hosts };
}
