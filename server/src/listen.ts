// Binds one port on every loopback address, or does not start: a stranger on `[::1]:PORT` would share our host name.

import { createServer } from "node:http";
import type { Server, Socket } from "node:net";
import type { Listener } from "./http/app.ts";
import type { UpgradeListener } from "./http/drive.ts";

/** Tries to find one port that is free on all addresses. */
const FREE_PORT_TRIES = 20;
/** A request that is not complete by then is dropped, and one whose headers are not. */
export const REQUEST_MS = 60_000;
const HEADERS_MS = 10_000;
/** So often it is looked whether one is late. */
const LATE_LOOK_MS = 2_000;
/** Connections of one address at once. Further ones are dropped, so that the ledger and the runs keep their files open. */
const CONNECTIONS_MAX = 512;
/** Open connections are given so long to finish on a shutdown. */
const DRAIN_MS = 2_000;

export const HTTP1_LIMITS = {
  requestTimeout: REQUEST_MS,
  headersTimeout: HEADERS_MS,
  connectionsCheckingInterval: LATE_LOOK_MS,
  maxHeaderSize: 16 * 1024,
} as const;

export interface Listening {
  port: number;
  /** Stops accepting, lets running answers end, then cuts what is left. */
  close(): Promise<void>;
}

/** What answers requests, and those for a socket. */
export interface Answering {
  listener: Listener;
  upgrade: UpgradeListener;
}

/** The port is used by another program. */
export class PortTaken extends Error {}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** A server that counts its connections and ends them all. */
export class LimitedServer {
  readonly server: Server;
  private readonly open = new Set<Socket>();

  /** `admit`: false for a connection that was ended at once. */
  constructor(server: Server, admit: (socket: Socket) => boolean = () => true) {
    this.server = server;
    server.maxConnections = CONNECTIONS_MAX;
    server.on("connection", (socket: Socket) => {
      if (!admit(socket)) return;
      this.open.add(socket);
      socket.once("close", () => this.open.delete(socket));
    });
  }

  /** Resolves with the port. */
  async bind(address: string, port: number): Promise<number> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.server.once("error", reject);
        this.server.listen({ host: address, port, ipv6Only: address.includes(":") }, () => {
          this.server.removeListener("error", reject);
          resolve();
        });
      });
    } catch (error) {
      if (codeOf(error) === "EADDRINUSE") throw new PortTaken(`port ${port} of ${address} is used by another program`);
      throw error;
    }
    const where = this.server.address();
    return typeof where === "object" && where !== null ? where.port : port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    if ("closeIdleConnections" in this.server) (this.server as { closeIdleConnections(): void }).closeIdleConnections();
    const cut = setTimeout(() => {
      for (const socket of this.open) socket.destroy();
    }, DRAIN_MS);
    await closed;
    clearTimeout(cut);
  }
}

function plainServer({ listener, upgrade }: Answering): LimitedServer {
  const server = createServer(HTTP1_LIMITS, listener);
  server.on("upgrade", upgrade);
  return new LimitedServer(server);
}

async function bindAll(
  addresses: string[],
  port: number,
  answering: Answering,
): Promise<{ servers: LimitedServer[]; port: number }> {
  const servers: LimitedServer[] = [];
  let bound = port;
  for (const address of addresses) {
    const server = plainServer(answering);
    try {
      bound = await server.bind(address, bound);
      servers.push(server);
    } catch (error) {
      // A system without IPv6 has no ::1, so nobody else can sit there either.
      if (address === "::1" && servers.length > 0 && ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(codeOf(error)))
        continue;
      for (const bound of servers) void bound.close();
      throw error;
    }
  }
  return { servers, port: bound };
}

export async function listen(addresses: string[], port: number, answering: Answering): Promise<Listening> {
  let tries = port === 0 ? FREE_PORT_TRIES : 1;
  for (;;) {
    try {
      const { servers, port: bound } = await bindAll(addresses, port, answering);
      return {
        port: bound,
        close: async () => {
          await Promise.all(servers.map((server) => server.close()));
        },
      };
    } catch (error) {
      tries -= 1;
      if (!(error instanceof PortTaken) || tries === 0) throw error;
    }
  }
}
