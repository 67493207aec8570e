// Binds one port on every loopback address, or does not start: a stranger on `[::1]:PORT` would share our host name.

import { createServer, type Server } from "node:http";
import type { Listener } from "./http/app.ts";
import type { UpgradeListener } from "./http/drive.ts";

/** Tries to find one port that is free on all addresses. */
const FREE_PORT_TRIES = 20;
/** A request that is not complete by then is dropped, and one whose headers are not. */
const REQUEST_MS = 60_000;
const HEADERS_MS = 10_000;
/** So often it is looked whether one is late. */
const LATE_LOOK_MS = 2_000;
/** Connections of one address at once. Further ones are dropped, so that the ledger and the runs keep their files open. */
const CONNECTIONS_MAX = 512;
/** Open connections are given so long to finish on a shutdown. */
const DRAIN_MS = 2_000;

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

class PortTaken extends Error {}

function bind(address: string, port: number, { listener, upgrade }: Answering): Promise<Server> {
  const server = createServer(
    {
      requestTimeout: REQUEST_MS,
      headersTimeout: HEADERS_MS,
      connectionsCheckingInterval: LATE_LOOK_MS,
      maxHeaderSize: 16 * 1024,
    },
    listener,
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.on("upgrade", upgrade);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, ipv6Only: address.includes(":") }, () => {
      server.removeListener("error", reject);
      resolve(server);
    });
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

async function bindAll(
  addresses: string[],
  port: number,
  answering: Answering,
): Promise<{ servers: Server[]; port: number }> {
  const servers: Server[] = [];
  let bound = port;
  for (const address of addresses) {
    try {
      const server = await bind(address, bound, answering);
      servers.push(server);
      const where = server.address();
      if (typeof where === "object" && where !== null) bound = where.port;
    } catch (error) {
      // A system without IPv6 has no ::1, so nobody else can sit there either.
      if (address === "::1" && servers.length > 0 && ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(codeOf(error)))
        continue;
      for (const server of servers) server.close();
      if (codeOf(error) === "EADDRINUSE") throw new PortTaken(`port ${bound} of ${address} is used by another program`);
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
      return { port: bound, close: () => closeAll(servers) };
    } catch (error) {
      tries -= 1;
      if (!(error instanceof PortTaken) || tries === 0) throw error;
    }
  }
}

async function closeAll(servers: Server[]): Promise<void> {
  const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
  for (const server of servers) server.closeIdleConnections();
  const cut = setTimeout(() => {
    for (const server of servers) server.closeAllConnections();
  }, DRAIN_MS);
  await Promise.all(closed);
  clearTimeout(cut);
}
