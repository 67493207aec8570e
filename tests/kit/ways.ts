// Ways to start the server: as who the tests run, as a plain user, and each under the rules of a container.

import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Folders, ROOT, temporaryFolders } from "./folders.ts";
import type { ServerOptions } from "./server.ts";

export interface Way {
  name: string;
  /** Nobody in particular; left out: the user of the tests. */
  uid?: number;
  container: boolean;
  /** Root that may change users and nothing else: all other capabilities are dropped. */
  changesUsersOnly?: true;
}

const PLAIN_UID = 61_234;
const own: Way[] = [
  { name: "by root", container: false },
  { name: "by root, in a container", container: true },
];

/** As `--cap-drop=all --cap-add=SETUID --cap-add=SETGID` starts it. */
export const CHANGING_USERS: Way = {
  name: "by root that may only change users, in a container",
  container: true,
  changesUsersOnly: true,
};

const DROP = ["setpriv", "--bounding-set=-all,+setuid,+setgid", "--inh-caps=-all", "--"];
const plain: Way[] = [
  { name: "by a plain user", uid: PLAIN_UID, container: false },
  { name: "by a plain user, in a container", uid: PLAIN_UID, container: true },
];

/** All of them where the tests run as root, as they do in CI; else those that this user can play. */
export const WAYS: Way[] =
  process.getuid?.() === 0
    ? [...own, CHANGING_USERS, ...plain]
    : plain.map(({ name, container }) => ({ name, container }));

/** What a start needs, by path from the checkout. */
const PRODUCT = [
  "package.json",
  "server/dist",
  "web/dist",
  "native/bindings/openwrap.node",
  "native/bindings/openwrap-spawner",
  "toolkits/rehearsal/dist",
  "toolkits/roles",
  "toolkits/samples",
];

function become(uid: number): string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
}

function runsAs(uid: number, program: string): boolean {
  const [setpriv = "", ...args] = become(uid);
  return spawnSync(setpriv, [...args, program, "--version"]).status === 0;
}

/** A copy that another user can read: the checkout, or Node, may lie below a folder that is closed to it. */
function copyProduct(base: string, uid: number): { openwrap: string; node: string } {
  const product = join(base, "product");
  for (const path of PRODUCT) {
    mkdirSync(join(product, dirname(path)), { recursive: true });
    cpSync(join(ROOT, path), join(product, path), { recursive: true, dereference: true });
  }
  spawnSync("chmod", ["-R", "a+rX", product]);
  const node = join(product, "node");
  if (!runsAs(uid, process.execPath)) {
    cpSync(process.execPath, node);
    chmodSync(node, 0o755);
    return { openwrap: join(product, "server/dist/openwrap.mjs"), node };
  }
  return { openwrap: join(product, "server/dist/openwrap.mjs"), node: process.execPath };
}

/** Folders, and what `startServer` and the command line need for a way. The caller removes the folders. */
export function prepareWay({ uid, container, changesUsersOnly }: Way): ServerOptions & { folders: Folders } {
  const folders = temporaryFolders();
  const rules = container ? ["perl", join(import.meta.dirname, "container.pl")] : [];
  const enter = changesUsersOnly ? [...rules, ...DROP] : rules;
  if (uid === undefined) return { folders, launcher: enter };
  chownSync(folders.base, uid, uid);
  chownSync(folders.home, uid, uid);
  return { folders, launcher: [...enter, ...become(uid)], ...copyProduct(folders.base, uid) };
}
