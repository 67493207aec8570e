// Sockets for other devices: HTTP/2 and HTTP/1.1 over our own TLS, or plain HTTP from named proxies. Strangers come here: each connection
// and each request has a limit that holds before anybody is known.

import { createServer, type Server } from "node:http";
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { BlockList, isIPv6, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { LIMITS } from "@openwrap/contracts/limits";
import { plainAddress } from "./http/guard.ts";
import { type Answering, HTTP1_LIMITS, LimitedServer, REQUEST_MS } from "./listen.ts";

/** TLS must be agreed on by then. */
const HANDSHAKE_MS = 10_000;
/** A connection on which nothing is asked for is ended. */
const FIRST_REQUEST_MS = 10_000;
const IDLE_MS = 60_000;
const HEADER_BYTES_MAX = 16 * 1024;
const HEADER_FIELDS_MAX = 100;
/** Frames that break the protocol, and streams that are refused, before a connection is ended. */
const INVALID_FRAMES_MAX = 50;
const REFUSED_STREAMS_MAX = 50;
/** Megabytes that one connection's state may take. */
const SESSION_MEMORY_MB = 8;

export interface Certificate {
  /** PEM: the server's, then the authority's. */
  chain: string;
  key: string;
}

/** The eight groups of an IPv6 address, without zeros in front. */
function groupsOf(address: string): string[] {
  // As a URL writes it: no zone, no IPv4 in it.
  const [head = "", tail] = new URL(`http://[${address.split("%")[0]}]`).hostname.slice(1, -1).split("::");
  const split = (text: string): string[] => (text === "" ? [] : text.split(":"));
  if (tail === undefined) return split(head);
  const [first, last] = [split(head), split(tail)];
  return [...first, ...Array<string>(8 - first.length - last.length).fill("0"), ...last];
}

/** Whether an address lies in a network that this machine is part of. */
function isNeighbour(address: string): boolean {
  const own = new BlockList();
  for (const entry of Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])) {
    const bits = Number(entry.cidr?.split("/")[1]);
    if (entry.family === "IPv6" && Number.isInteger(bits)) own.addSubnet(entry.address, bits, "ipv6");
  }
  return own.check(address, "ipv6");
}

/**
 * Under which name connections are counted. One home or one machine has a whole IPv6 network of 64 bits, so that counts as one; but who is in
 * a network of ours stands beside others there, each with an address of its own.
 */
export function peerOf(address: string, neighbour: (address: string) => boolean = isNeighbour): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  const groups = groupsOf(plain);
  return neighbour(groups.join(":")) ? groups.join(":") : groups.slice(0, 4).join(":");
}

/** Connections by who they come from; of IPv6 mostly a whole network counts as one. */
export class Peers {
  private readonly open = new Map<string, number>();

  /** False when there are too many: then it is over. */
  admit(socket: Socket, most: number = LIMITS.PEER_CONNECTIONS_MAX): boolean {
    const peer = peerOf(socket.remoteAddress ?? "");
    const count = this.open.get(peer) ?? 0;
    if (count >= most) {
      socket.destroy();
      return false;
    }
    this.open.set(peer, count + 1);
    socket.once("close", () => {
      const left = (this.open.get(peer) ?? 1) - 1;
      if (left <= 0) this.open.delete(peer);
      else this.open.set(peer, left);
    });
    return true;
  }
}

/** Ends a connection on which nobody asks for anything, however busy it is otherwise. */
function limitSession(session: ServerHttp2Session): void {
  let streams = 0;
  const wait = (ms: number): NodeJS.Timeout => {
    const timer = setTimeout(() => session.destroy(), ms);
    timer.unref();
    return timer;
  };
  let idle = wait(FIRST_REQUEST_MS);
  session.on("stream", (stream: ServerHttp2Stream) => {
    streams += 1;
    clearTimeout(idle);
    // A request that is not complete by then is dropped, as over HTTP/1.1.
    const late = setTimeout(() => {
      if (!stream.destroyed && stream.state.state !== constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE)
        stream.destroy();
    }, REQUEST_MS);
    late.unref();
    stream.once("close", () => {
      clearTimeout(late);
      streams -= 1;
      if (streams === 0 && !session.destroyed) idle = wait(IDLE_MS);
    });
  });
  session.once("close", () => clearTimeout(idle));
  session.on("error", () => session.destroy());
}

/** TLS 1.3 only: nothing older can be asked for. */
export function secureServer(answering: Answering, certificate: Certificate, peers: Peers): LimitedServer {
  const server: Http2SecureServer = createSecureServer({
    allowHTTP1: true,
    cert: certificate.chain,
    key: certificate.key,
    minVersion: "TLSv1.3",
    handshakeTimeout: HANDSHAKE_MS,
    maxSessionInvalidFrames: INVALID_FRAMES_MAX,
    maxSessionRejectedStreams: REFUSED_STREAMS_MAX,
    maxSessionMemory: SESSION_MEMORY_MB,
    maxHeaderListPairs: HEADER_FIELDS_MAX,
    settings: {
      enablePush: false,
      maxConcurrentStreams: LIMITS.HTTP2_STREAMS_MAX,
      maxHeaderListSize: HEADER_BYTES_MAX,
    },
  });
  // What is not HTTP/2 is held to the same as on this machine.
  Object.assign(server, HTTP1_LIMITS);
  server.on("session", limitSession);
  server.on("request", (request, response) =>
    // Both kinds of requests have what is used of them.
    answering.listener(request as never, response as never),
  );
  server.on("upgrade", answering.upgrade);
  return new LimitedServer(server, (socket) => peers.admit(socket));
}

/** Plain HTTP, from these addresses only. */
export function proxiedServer(answering: Answering, proxies: ReadonlySet<string>): LimitedServer {
  const server: Server = createServer(HTTP1_LIMITS, answering.listener);
  server.on("upgrade", answering.upgrade);
  return new LimitedServer(server, (socket) => {
    if (proxies.has(plainAddress(socket.remoteAddress))) return true;
    socket.destroy();
    return false;
  });
}
