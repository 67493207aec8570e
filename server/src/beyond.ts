// The way in for other devices: sockets on this machine's addresses, and a certificate that is replaced before it ends.

import { createSecureContext } from "node:tls";
import { type Reach, reachOf } from "./addresses.ts";
import type { Core } from "./core.ts";
import type { Door } from "./http/guard.ts";
import type { Trust } from "./http/trust.ts";
import type { Answering, LimitedServer } from "./listen.ts";
import { codeOf } from "./listen.ts";
import { type Certificate, Peers, proxiedServer, secureServer } from "./listen-beyond.ts";
import type { BeyondSettings } from "./settings.ts";

/** So often it is looked whether addresses came or went, and whether the certificate is due. */
const LOOK_MS = 30_000;

interface Identity extends Certificate {
  authority: string;
  fingerprint: string;
  /** Milliseconds since the epoch. */
  notAfter: number;
  renewAt: number;
}

export interface BeyondParts {
  settings: BeyondSettings;
  /** The port on this machine, for where none is named. */
  port: number;
  core: Pick<Core, "listenBeyond">;
  door: Door;
  answering: Answering;
  now?: () => number;
  /** Where this machine is reached, now. */
  reach?: () => Reach;
}

export class Beyond {
  private readonly parts: BeyondParts;
  private readonly port: number;
  private readonly peers = new Peers();
  private readonly servers = new Map<string, LimitedServer>();
  private identity: Identity | undefined;
  private reach: Reach;
  private timer: NodeJS.Timeout | undefined;
  /** What was told last, so that it is told once. */
  private told = "";

  private constructor(parts: BeyondParts) {
    this.parts = parts;
    this.port = parts.settings.port ?? parts.port;
    this.reach = this.reachNow();
  }

  private reachNow(): Reach {
    return this.parts.reach?.() ?? reachOf(this.parts.settings, this.port);
  }

  /** Rejects when an address that was named cannot be listened on. */
  static async open(parts: BeyondParts): Promise<Beyond> {
    const beyond = new Beyond(parts);
    try {
      await beyond.enter(beyond.reach);
      await beyond.bind();
    } catch (error) {
      await beyond.close();
      throw error;
    }
    beyond.timer = setInterval(() => void beyond.lookAgain(), LOOK_MS);
    beyond.timer.unref();
    return beyond;
  }

  get origins(): string[] {
    return this.reach.origins;
  }

  /** What devices are asked to trust; nothing behind a proxy. */
  trust(): Trust | undefined {
    return this.identity && { authority: this.identity.authority, fingerprint: this.identity.fingerprint };
  }

  private get proxied(): boolean {
    return this.parts.settings.proxies.length > 0;
  }

  /** Follows addresses that came or went, and replaces the certificate when it is due. */
  async look(): Promise<void> {
    const reach = this.reachNow();
    const moved = reach.addresses.join() !== this.reach.addresses.join();
    const due = this.identity !== undefined && (this.parts.now ?? Date.now)() >= this.identity.renewAt;
    if ((moved || due) && reach.origins.length > 0) await this.enter(reach);
    await this.bind();
  }

  private async lookAgain(): Promise<void> {
    try {
      await this.look();
      this.told = "";
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.told) console.error(`other devices: ${message}`);
      this.told = message;
    }
  }

  private async enter(reach: Reach): Promise<void> {
    if (reach.origins.length === 0) throw new Error("this machine has no address that other devices reach");
    const wanted = { names: this.proxied ? [] : reach.names, origins: reach.origins };
    const answer = JSON.parse(await this.parts.core.listenBeyond(JSON.stringify(wanted))) as Partial<Identity>;
    const identity = this.proxied ? undefined : (answer as Identity);
    // Checked before anything is changed: a server must not be left without one, nor be said to have another than it has.
    if (identity) createSecureContext({ cert: identity.chain, key: identity.key });
    this.identity = identity;
    this.reach = reach;
    this.parts.door.hosts = reach.hosts;
    if (!identity) return;
    for (const { server } of this.servers.values()) {
      const secure = server as unknown as { setSecureContext(options: object): void };
      secure.setSecureContext({ cert: identity.chain, key: identity.key, minVersion: "TLSv1.3" });
    }
  }

  /** Takes every address it can, then rejects with what kept it from others. */
  private async bind(): Promise<void> {
    const { addresses } = this.reach;
    for (const [address, server] of this.servers) {
      if (addresses.includes(address)) continue;
      this.servers.delete(address);
      void server.close();
    }
    const failed: unknown[] = [];
    for (const address of addresses) {
      if (this.servers.has(address)) continue;
      const server = this.newServer();
      try {
        await server.bind(address, this.port);
        this.servers.set(address, server);
      } catch (error) {
        // Gone since, or not there yet: looked for again.
        if (addresses.length === 1 || codeOf(error) !== "EADDRNOTAVAIL") failed.push(error);
      }
    }
    if (failed.length === 1) throw failed[0];
    if (failed.length > 1)
      throw new Error(failed.map((error) => (error instanceof Error ? error.message : String(error))).join("; "));
  }

  private newServer(): LimitedServer {
    const { answering, door } = this.parts;
    if (!this.identity) return proxiedServer(answering, door.proxies);
    return secureServer(answering, this.identity, this.peers);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all([...this.servers.values()].map((server) => server.close()));
  }
}
