// Where things are, and what the environment says. Read once at start.

import { existsSync } from "node:fs";
import { isIP } from "node:net";
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
  /** The product's playbooks, a folder each. */
  playbooksDir: string;
}

/** Port of the app unless another is asked for. */
export const PORT_DEFAULT = 8642;

export interface Settings {
  home: string;
  work: string;
  /** On this machine. 0: any free one. */
  port: number;
  /** Addresses of this machine to listen on, in order; all on the same port. */
  addresses: string[];
  /** The way in for other devices, when one is asked for. */
  beyond?: BeyondSettings;
}

export interface BeyondSettings {
  /** `0.0.0.0` or `::`: each address this machine has then. */
  address: string;
  /** None: as on this machine. */
  port?: number;
  /** Names under which devices reach it, `HOST` or `HOST:PORT`; the addresses where none is named. */
  hosts: string[];
  /** Addresses of the proxies that have TLS; with none it is ours. */
  proxies: string[];
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
const NAME = /^(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*$/;

/** `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`. */
function listenOf(text: string): { address: string; port?: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const known = address === "localhost" || isIP(address ?? "") !== 0;
  if (address === undefined || !known) {
    throw new Error(
      `OPENWRAP_LISTEN: ${JSON.stringify(text)} is neither ADDRESS nor ADDRESS:PORT, as 192.168.1.20:8642 or [::]:8642`,
    );
  }
  return match?.[3] === undefined ? { address } : { address, port: portOf(match[3], "OPENWRAP_LISTEN") };
}

function listOf(text: string | undefined): string[] {
  const parts = (text ?? "").split(",").map((part) => part.trim().toLowerCase());
  return parts.filter((part) => part !== "");
}

/** As a browser writes a host, with or without a port. */
function checkHost(host: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(host);
  const name = match?.[1] ?? "";
  const known = name.startsWith("[") ? isIP(name.slice(1, -1)) === 6 : isIP(name) === 4 || NAME.test(name);
  if (!known) throw new Error(`OPENWRAP_HOSTS: ${JSON.stringify(host)} is neither HOST nor HOST:PORT`);
  if (match?.[2] !== undefined) portOf(match[2], "OPENWRAP_HOSTS");
  return host;
}

function beyondOf(listen: { address: string; port?: number }, env: NodeJS.ProcessEnv): BeyondSettings | undefined {
  const hosts = listOf(env.OPENWRAP_HOSTS).map(checkHost);
  const proxies = listOf(env.OPENWRAP_PROXY);
  const wrong = proxies.find((address) => isIP(address) === 0);
  if (wrong !== undefined) throw new Error(`OPENWRAP_PROXY: ${JSON.stringify(wrong)} is no address`);
  if (proxies.length > 0 && (hosts.length === 0 || listen.port === undefined)) {
    throw new Error(
      "OPENWRAP_PROXY needs OPENWRAP_HOSTS, the names the proxy serves, and OPENWRAP_LISTEN with a port of its own for it",
    );
  }
  const address = listen.address === "localhost" ? "127.0.0.1" : listen.address;
  if (proxies.length === 0 && LOOPBACK.includes(address)) return undefined;
  return { address, hosts, proxies, ...(listen.port === undefined ? {} : { port: listen.port }) };
}

export function readSettings(
  options: { home?: string; port?: string; listen?: string },
  env: NodeJS.ProcessEnv = process.env,
): Settings {
  const home = resolve(options.home ?? (env.OPENWRAP_HOME || join(homedir(), ".openwrap")));
  const work = resolve(env.OPENWRAP_WORK || `${home}-work`);
  if (work === home || work.startsWith(`${home}/`)) throw new Error("OPENWRAP_WORK must not lie in the data folder");
  const text = options.listen ?? env.OPENWRAP_LISTEN;
  const listen = text ? listenOf(text) : undefined;
  const beyond = listen && beyondOf(listen, env);
  // A proxy's way in has a port of its own; else the same port is taken everywhere.
  const shared = beyond && beyond.proxies.length > 0 ? undefined : listen?.port;
  const port = options.port === undefined ? (shared ?? PORT_DEFAULT) : portOf(options.port, "--port");
  if (beyond && beyond.proxies.length > 0 && beyond.port === port)
    throw new Error("OPENWRAP_LISTEN: the proxy needs another port than the app has on this machine");
  // Both, whichever was named: `localhost` is the app's name, and a stranger on the other address would share it.
  return { home, work, port, addresses: LOOPBACK, ...(beyond ? { beyond } : {}) };
}
