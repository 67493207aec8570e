// Another machine on the same wire: a network namespace joined to this one by a pair of virtual cards.

import { execFileSync } from "node:child_process";

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

/** Why there can be none here; nothing when there can. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  try {
    const name = `owprobe${process.pid}`;
    ip("netns", "add", name);
    ip("netns", "del", name);
    return undefined;
  } catch (error) {
    return `this kernel gives no network namespace: ${error instanceof Error ? error.message : String(error)}`;
  }
}

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

/** One of its own; removed by who made it. Says so where it is only a second address of this machine. */
export function createNamespace(): Namespace {
  const why = missing();
  if (why !== undefined) {
    console.warn(`tested from a second address of this machine: ${why}`);
    return SECOND_ADDRESS;
  }
  for (let turn = 0; ; turn += 1) {
    made += 1;
    try {
      return tryCreate(made);
    } catch (error) {
      if (turn >= TRIES) throw error;
    }
  }
}
