// A running server: sockets first, the core beside them, the way in for other devices, then the lock file that says "ready".

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DeviceList, LaunchLink, PairingOffer } from "@openwrap/contracts";
import { Beyond } from "./beyond.ts";
import type { Core } from "./core.ts";
import { CoreFault } from "./core.ts";
import { createListener } from "./http/app.ts";
import { driveListener } from "./http/drive.ts";
import { type Door, ownHosts } from "./http/guard.ts";
import { OpenStreams } from "./http/stream.ts";
import { listen } from "./listen.ts";
import { ensureHome, freshToken, removeLock, startedTicks, writeLock } from "./lock-file.ts";
import { type CoreConfig, productRoot, type Settings } from "./settings.ts";

export type OpenCore = (config: Omit<CoreConfig, "disabled">) => Promise<Core>;

export interface Serving {
  port: number;
  /** Origin people open. */
  url: string;
  /** A one-time link, made when asked for. */
  launchLink(): Promise<string>;
  /** How other devices come in, when they may. */
  pairing(): Promise<Pairing | undefined>;
  close(): Promise<void>;
}

export interface Pairing {
  /** Made now, and told this once. None where a device that may let others in is signed in already. */
  offer: PairingOffer | undefined;
  origins: string[];
  /** Of the local authority; nothing behind a proxy. */
  fingerprint: string | undefined;
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
    origin: originOf(port),
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
    playbooksDir: join(root, "toolkits/playbooks"),
  });
}

/** What the build wrote: a bundle with definitions beside it. */
function toolkitBundles(root: string): string[] {
  const bundles = ["documents"].map((name) => join(root, `toolkits/${name}/dist/${name}.mjs`));
  return bundles.filter((bundle) => existsSync(bundle.replace(/\.mjs$/, ".tools.json")));
}

/** Of this machine: launch links work here only. */
function originOf(port: number): string {
  return `http://localhost:${port}`;
}

function doorOf(kind: Door["kind"], proxies: string[] = []): Door {
  return { kind, hosts: new Set(), proxies: new Set(proxies) };
}

export async function serve(settings: Settings, openCore?: OpenCore): Promise<Serving> {
  ensureHome(settings.home);
  const token = freshToken();
  const streams = new OpenStreams();
  let core: Promise<Core> | undefined;
  let beyond: Beyond | undefined;
  const opened = () =>
    core ??
    Promise.reject(new CoreFault({ code: "INVALID_STATE", message: "the core is not open yet", hint: "Try again." }));
  const page = join(productRoot(), "web/dist");
  const answering = (door: Door) => ({
    listener: createListener({ core: opened, door, page, streams, trust: () => beyond?.trust() }),
    upgrade: driveListener(opened, door, streams),
  });
  const here = doorOf("loopback");
  const listening = await listen(settings.addresses, settings.port, answering(here));
  const { port } = listening;
  here.hosts = ownHosts(port);
  core = openConfigured(settings, port, token, true, openCore);
  const url = originOf(port);
  try {
    const open = await core;
    if (settings.beyond) {
      const door = doorOf(settings.beyond.proxies.length > 0 ? "proxy" : "tls", settings.beyond.proxies);
      beyond = await Beyond.open({ settings: settings.beyond, port, core: open, door, answering: answering(door) });
    }
    const ticks = startedTicks(process.pid);
    writeLock(settings.home, {
      pid: process.pid,
      port,
      token,
      url,
      ...(ticks === undefined ? {} : { startedTicks: ticks }),
    });
  } catch (error) {
    await Promise.all([listening.close(), beyond?.close()]);
    throw error;
  }
  const asked = async <T>(method: string, params: object): Promise<T | undefined> => {
    const answer = await (await opened()).call(method, JSON.stringify(params), JSON.stringify({ cliToken: token }));
    const { ok, error } = JSON.parse(answer) as { ok?: T; error?: CoreFault["fault"] };
    if (error) throw new CoreFault(error);
    return ok;
  };
  return {
    port,
    url,
    launchLink: async () => (await asked<LaunchLink>("launch.create", {}))?.url ?? url,
    pairing: async () => {
      if (!beyond) return undefined;
      const known = await asked<DeviceList>("device.list", {});
      const drivers = known?.devices.filter(({ role }) => role === "drive") ?? [];
      const offer = drivers.length > 0 ? undefined : await asked<PairingOffer>("pairing.offer", { role: "drive" });
      return { offer, origins: beyond.origins, fingerprint: beyond.trust()?.fingerprint };
    },
    close: () => shutDown(settings, [listening, ...(beyond ? [beyond] : [])], streams, core),
  };
}

async function shutDown(
  settings: Settings,
  listening: { close(): Promise<void> }[],
  streams: OpenStreams,
  core: Promise<Core> | undefined,
): Promise<void> {
  removeLock(settings.home, process.pid);
  const closed = listening.map((one) => one.close());
  streams.endAll();
  await Promise.all(closed);
  await (await core)?.close();
}
