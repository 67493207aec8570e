// The real built server on a free port, with folders of its own.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient } from "@openwrap/contracts/client";
import { type Child, cleanEnvironment, type Ended, endChild, startChild } from "./child.ts";
import { type CliOptions, openwrap } from "./cli.ts";
import { type Folders, OPENWRAP, temporaryFolders } from "./folders.ts";
import { inContainer, testContainer } from "./in-container.ts";

export interface ServerOptions {
  /** Kept by the caller, so that a server can be started again on them. */
  folders?: Folders;
  env?: Record<string, string>;
  /** Arguments after `serve`; a free port unless one is named. */
  args?: string[];
  /** A program and its arguments that the server is started through. */
  launcher?: string[];
  /** Another Node, and another copy of the command line, than those of this checkout. */
  node?: string;
  openwrap?: string;
}

export interface TestServer {
  child: Child;
  folders: Folders;
  port: number;
  /** Origin without a trailing slash. */
  url: string;
  /** The one-time link it printed. */
  link: string;
  /** Signed in with the command line's token. */
  client: Client;
  /** The token, for requests made by hand. */
  token: string;
  /** A fresh one-time link. */
  freshLink(): Promise<string>;
  /** The command line, on the same data folder. */
  cli(args: string[], options?: CliOptions): Promise<Ended>;
  /** SIGTERM, and its end. */
  stop(): Promise<Ended>;
  /** SIGKILL: as a crash. */
  kill(): Promise<Ended>;
  /** Ends it and removes the folders it made. */
  dispose(): Promise<void>;
}

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const folders = options.folders ?? temporaryFolders();
  const env = { ...folders.env, ...options.env };
  const serve = ["serve", "--no-open", ...(options.args ?? ["--port", "0"])];
  const contained = testContainer && inContainer(testContainer, folders, env);
  const here = [...(options.launcher ?? []), options.node ?? process.execPath, options.openwrap ?? OPENWRAP];
  const [program = "", ...args] = [...(contained?.command ?? here), ...serve];
  const child = startChild(program, args, cleanEnvironment(env));
  const kill = async (): Promise<Ended> => {
    await contained?.kill();
    return await endChild(child, "SIGKILL");
  };
  try {
    const [, link = ""] = await child.line(/^Open Wrap is ready: (\S+)$/);
    const lock = JSON.parse(readFileSync(join(folders.home, "server.json"), "utf8")) as { port: number; token: string };
    const url = new URL(link).origin;
    const client = createClient({ baseUrl: url, headers: { authorization: `Bearer ${lock.token}` } });
    return {
      child,
      folders,
      port: lock.port,
      url,
      link,
      client,
      token: lock.token,
      freshLink: async () => (await client.launch.create()).url,
      cli: (words, further = {}) =>
        openwrap(words, { program: contained?.exec, ...further, env: { ...folders.env, ...further.env } }),
      stop: () => endChild(child),
      kill,
      dispose: async () => {
        await endChild(child).catch(() => undefined);
        await contained?.kill();
        if (!options.folders) folders.remove();
      },
    };
  } catch (error) {
    await kill().catch(() => undefined);
    if (!options.folders) folders.remove();
    throw error;
  }
}
