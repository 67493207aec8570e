// The server in a container in place of this machine's: `npm run container -- check` runs tests so. The folders of a test lie under the
// same paths there and here, and the network is this machine's.

import { execFile } from "node:child_process";
import { chownSync, existsSync } from "node:fs";
import { promisify } from "node:util";
import type { Folders } from "./folders.ts";

/** As JSON in `OPENWRAP_TEST_CONTAINER`. */
export interface TestContainer {
  /** The engine's program and what goes before `run`, `exec`, `kill`, `rm`. */
  client: string[];
  /** Arguments of `run`. */
  confined: string[];
  image: string;
  /** Uid and gid that the server runs as. */
  user: number;
}

const described = process.env.OPENWRAP_TEST_CONTAINER;
export const testContainer = described ? (JSON.parse(described) as TestContainer) : undefined;
let made = 0;

export interface Started {
  /** Program and arguments that start the server and stay until it ends. */
  command: string[];
  /** The same program's `openwrap`, beside the server. */
  exec: string[];
  kill(): Promise<void>;
}

/** Folders and files that the test makes from here on are open to the server, as their owner is another. */
function share(folders: Folders, user: number): void {
  process.umask(0);
  for (const path of [folders.base, folders.home]) if (existsSync(path)) chownSync(path, user, user);
}

export function inContainer(container: TestContainer, folders: Folders, env: Record<string, string>): Started {
  const { client, confined, image, user } = container;
  share(folders, user);
  made += 1;
  const name = `open-wrap-test-${process.pid}-${made}`;
  const further = Object.entries({ OPENWRAP_LISTEN: "", ...env }).flatMap(([key, value]) => [
    "--env",
    `${key}=${value}`,
  ]);
  const place = ["--rm", "--name", name, "--network", "host", "--user", `${user}:${user}`];
  return {
    command: [
      ...client,
      "run",
      ...confined,
      ...place,
      "--volume",
      `${folders.base}:${folders.base}`,
      ...further,
      image,
    ],
    exec: [...client, "exec", name, "openwrap"],
    kill: async () => {
      const [program = "", ...args] = client;
      await promisify(execFile)(program, [...args, "kill", "--signal", "KILL", name]).catch(() => undefined);
    },
  };
}
