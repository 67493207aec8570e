// A running server: sockets first, the core beside them, then the lock file that says "ready".

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LaunchLink } from "@openwrap/contracts";
import type { Core } from "./core.ts";
import { CoreFault } from "./core.ts";
import { createListener } from "./http/app.ts";
import { driveListener } from "./http/drive.ts";
import { ownHosts } from "./http/guard.ts";
import { OpenStreams } from "./http/stream.ts";
import { type Listening, listen } from "./listen.ts";
import { ensureHome, freshToken, removeLock, startedTicks, writeLock } from "./lock-file.ts";
import { type CoreConfig, productRoot, type Settings } from "./settings.ts";

export type OpenCore = (config: Omit<CoreConfig, "disabled">) => Promise<Core>;

export interface Serving {
  port: number;
  /** Origin people open. */
  url: string;
  /** A one-time link, made when asked for. */
  launchLink(): Promise<string>;
  close(): Promise<void>;
}

/** Opens the core as configured by the settings; the workflow is compiled from `server/workflows` and the roles. */
export async function openConfigured(
  settings: Settings,
  port: number,
  cliToken: string,
  takeUp: boolean,
  openCore?: OpenCore,
): Promise<Core> {
  const [{ defaultWorkflow }, open] = await Promise.all([
    import("../workflows/default.ts"),
    openCore ?? import("./native.ts").then((module) => module.openCore),
  ]);
  const root = productRoot();
  const rolesDir = join(root, "toolkits/roles");
  return await open({
    home: settings.home,
    work: settings.work,
    port,
    origin: originOf(settings, port),
    cliToken,
    spawnerPath: join(root, "native/bindings/openwrap-spawner"),
    rehearsalPath: join(root, "toolkits/rehearsal/dist/rehearsal.mjs"),
    nodePath: process.execPath,
    rolesDir,
    samplesDir: join(root, "toolkits/samples"),
    workflow: defaultWorkflow(rolesDir),
    takeUp,
    ...(process.env.OPENWRAP_BROWSER ? { browserPath: process.env.OPENWRAP_BROWSER } : {}),
    toolkitPaths: toolkitBundles(root),
  });
}

/** What the build wrote: a bundle with definitions beside it. */
function toolkitBundles(root: string): string[] {
  const bundles = ["documents"].map((name) => join(root, `toolkits/${name}/dist/${name}.mjs`));
  return bundles.filter((bundle) => existsSync(bundle.replace(/\.mjs$/, ".tools.json")));
}

function originOf(settings: Settings, port: number): string {
  const named = settings.hosts[0];
  const beyondLoopback = settings.addresses.some((address) => address !== "127.0.0.1" && address !== "::1");
  return named !== undefined && beyondLoopback ? `https://${named}` : `http://localhost:${port}`;
}

export async function serve(settings: Settings, openCore?: OpenCore): Promise<Serving> {
  ensureHome(settings.home);
  const token = freshToken();
  const streams = new OpenStreams();
  let core: Promise<Core> | undefined;
  const rules = { hosts: new Set<string>() as ReadonlySet<string> };
  const opened = () =>
    core ??
    Promise.reject(new CoreFault({ code: "INVALID_STATE", message: "the core is not open yet", hint: "Try again." }));
  const page = join(productRoot(), "web/dist");
  const listening = await listen(settings.addresses, settings.port, {
    listener: createListener({ core: opened, rules, page, streams }),
    upgrade: driveListener(opened, rules, streams),
  });
  const { port } = listening;
  rules.hosts = ownHosts(port, settings.hosts);
  core = openConfigured(settings, port, token, true, openCore);
  const url = originOf(settings, port);
  try {
    await core;
    const ticks = startedTicks(process.pid);
    writeLock(settings.home, {
      pid: process.pid,
      port,
      token,
      url,
      ...(ticks === undefined ? {} : { startedTicks: ticks }),
    });
  } catch (error) {
    await listening.close();
    throw error;
  }
  return {
    port,
    url,
    launchLink: async () => {
      const answer = await (await opened()).call("launch.create", "{}", JSON.stringify({ cliToken: token }));
      const { ok, error } = JSON.parse(answer) as { ok?: LaunchLink; error?: CoreFault["fault"] };
      if (error) throw new CoreFault(error);
      return ok?.url ?? url;
    },
    close: () => shutDown(settings, listening, streams, core),
  };
}

async function shutDown(
  settings: Settings,
  listening: Listening,
  streams: OpenStreams,
  core: Promise<Core> | undefined,
): Promise<void> {
  removeLock(settings.home, process.pid);
  const closed = listening.close();
  streams.endAll();
  await closed;
  await (await core)?.close();
}
