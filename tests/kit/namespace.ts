// Another machine on the same wire: a network namespace joined to this one by a pair of virtual cards.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { threadId } from "node:worker_threads";

export interface Namespace {
  /** Address of this machine on the wire. */
  here: string;
  /** Address of the other one. */
  there: string;
  /** Goes before a program and its arguments to run it there. */
  launcher: string[];
  remove(): void;
}

const TRIES = 20;
let made = 0;

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
}

/** Needed for one: CAP_NET_ADMIN and CAP_SYS_ADMIN, which root has not in every container. */
const RIGHTS = (1n << 12n) | (1n << 21n);

/** Whether this process may make network namespaces: without them a sandbox has none either. */
export function mayMakeNamespaces(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const [, held = "0"] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return (BigInt(`0x${held}`) & RIGHTS) === RIGHTS;
}

/** Why there can be none here; nothing when there can. Throws where there could be one, but for a program or a kernel. */
function missing(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (!mayMakeNamespaces()) return "root may not make network namespaces here";
  const name = `owprobe${process.pid}x${threadId}`;
  ip("netns", "add", name);
  ip("netns", "del", name);
  return undefined;
}

const why = missing();
/** Ends the names of tests from another machine: empty, or what stood in for it and why. */
export const STAND_IN = why === undefined ? "" : ` (from a second address of this machine only: ${why})`;

function tryCreate(place: number): Namespace {
  const name = `ow${process.pid}x${place}`;
  const card = `ow${process.pid % 100_000}p${place % 100}`;
  const network = `10.213.${(process.pid + place * 37) % 250}`;
  const subnet = (Math.floor(process.pid / 250) % 60) * 4;
  const [here, there] = [`${network}.${subnet + 1}`, `${network}.${subnet + 2}`];
  ip("netns", "add", name);
  const remove = (): void => {
    for (const args of [
      ["link", "del", card],
      ["netns", "del", name],
    ]) {
      try {
        ip(...args);
      } catch {
        // Gone already.
      }
    }
  };
  try {
    ip("link", "add", card, "type", "veth", "peer", "name", "eth0", "netns", name);
    // Their own IPv6 addresses would come a moment later, and a browser gives up what it loads when its network changes.
    ip("link", "set", card, "addrgenmode", "none");
    ip("-n", name, "link", "set", "eth0", "addrgenmode", "none");
    ip("addr", "add", `${here}/30`, "dev", card);
    ip("link", "set", card, "up");
    ip("-n", name, "addr", "add", `${there}/30`, "dev", "eth0");
    ip("-n", name, "link", "set", "eth0", "up");
    ip("-n", name, "link", "set", "lo", "up");
  } catch (error) {
    remove();
    throw error;
  }
  return { here, there, launcher: ["ip", "netns", "exec", name], remove };
}

/** Where there can be no other machine: a second address of this one, from which all but the wire is the same. */
const SECOND_ADDRESS: Namespace = { here: "127.0.0.2", there: "127.0.0.1", launcher: [], remove: () => {} };

/** One of its own; removed by who made it. Where there can be none, a second address of this machine: `STAND_IN` says so. */
export function createNamespace(): Namespace {
  if (why !== undefined) return SECOND_ADDRESS;
  for (let turn = 0; ; turn += 1) {
    made += 1;
    try {
      return tryCreate(made);
    } catch (error) {
      if (turn >= TRIES) throw error;
    }
  }
}
