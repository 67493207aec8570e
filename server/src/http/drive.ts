// Driving over a socket: what is typed goes up and what a terminal shows comes down without a request of its own for each key.
//
// `GET /api/sessions/drive?sessionId=ID` as a WebSocket (RFC 6455) with the subprotocols `openwrap.drive` and, since a browser can set no
// header on a socket, `tab.SECRET` of the tab. Up: each message the body of `session.input`, one after the other; each is answered
// with a text, in order: `{"sequence":N}`, or the fault. Down, binary: eight bytes, big-endian, how many bytes of output came before; then
// output. All ones instead, as at first: the view is to be asked for. It opens for everybody who may watch; only who drives
// is heard.

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ErrorCode, Fault } from "@openwrap/contracts";
import { LIMITS } from "@openwrap/contracts/limits";
import type { WebSocket, WebSocketServer } from "ws";
import { type Core, CoreFault, type Subscription } from "../core.ts";
import type { OpenedCore } from "./api.ts";
import { type Credentials, carriesEnough, credentialsOf, type Way } from "./credentials.ts";
import { faultBody, statusOf } from "./fault.ts";
import { type Door, inspect, SECURITY_HEADERS, wayOf } from "./guard.ts";
import { mayBeRead } from "./known.ts";
import { Places } from "./places.ts";
import type { OpenStreams } from "./stream.ts";

const PATH = "/api/sessions/drive";
const PROTOCOL = "openwrap.drive";
const TAB_PROTOCOL = /^tab\.([A-Za-z0-9_-]{1,256})$/;
const OK_PREFIX = '{"ok":';
/** Output that waits for a slow reader; beyond it the terminal waits. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** Requests of one socket that are not answered yet. */
const REQUESTS_MAX = 64;
/** Characters of a request that is carried out at once. */
const SHORT_CHARS_MAX = 4_096;
/** Sockets of one device, and those that are kept for this machine. */
const SOCKETS_EACH = 8;
const SOCKETS_HERE = 16;
/** Who is refused, or was signed out, has so long to close as well. */
const LAST_MS = 5_000;
/** Close code of RFC 6455 for one that breaks the rules. */
const POLICY = 1008;

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Sockets that are open, so that a shutdown can end them. */
export class OpenSockets {
  readonly places = new Places({ most: LIMITS.STREAMS_MAX, each: SOCKETS_EACH, here: SOCKETS_HERE });
  private readonly live = new Set<WebSocket>();

  get count(): number {
    return this.live.size;
  }

  add(socket: WebSocket): void {
    this.live.add(socket);
    socket.on("close", () => this.live.delete(socket));
  }

  endAll(): void {
    for (const socket of this.live) socket.terminate();
  }
}

function refuse(socket: Duplex, code: ErrorCode, message: string): void {
  const body = JSON.stringify(faultBody(code, message));
  const headers = { ...SECURITY_HEADERS, "content-type": "application/json; charset=utf-8", connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${statusOf(code)} Refused\r\n${lines.join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  socket.end(head + body);
  endLater(() => socket.destroy());
}

function endLater(end: () => void): void {
  setTimeout(end, LAST_MS).unref();
}

function credentialsOn(request: IncomingMessage, way: Way): Credentials {
  const { headers } = request;
  const credentials = credentialsOf({ get: (name) => (headers[name] as string | undefined) ?? null }, way);
  const offered = (headers["sec-websocket-protocol"] ?? "")
    .split(",")
    .map((name) => TAB_PROTOCOL.exec(name.trim())?.[1]);
  const secrets = offered.filter((secret) => secret !== undefined);
  if (secrets.length === 1 && secrets[0] !== undefined) credentials.tabSecret = secrets[0];
  return credentials;
}

/** One who drives. */
class Driver {
  private readonly socket: WebSocket;
  private readonly core: Core;
  private readonly credentialsJson: string;
  private subscription: Subscription | undefined;
  private paused = false;
  private asked = 0;
  private answered = Promise.resolve();

  constructor(socket: WebSocket, core: Core, credentialsJson: string) {
    this.socket = socket;
    this.core = core;
    this.credentialsJson = credentialsJson;
    socket.on("message", (data: Buffer, isBinary) => this.hear(data, isBinary));
    socket.on("close", () => this.subscription?.close());
    // What is wrong with a socket ends it.
    socket.on("error", () => socket.terminate());
  }

  async watch(sessionId: string): Promise<void> {
    const subscription = await this.core.watchTerminal(sessionId, this.credentialsJson, (frame) => {
      // Signed out: nothing goes on over this socket.
      if (frame.byteLength === 0) {
        this.socket.close(POLICY);
        return endLater(() => this.socket.terminate());
      }
      this.socket.send(frame, () => this.pace());
      this.pace();
    });
    if (this.socket.readyState === this.socket.OPEN) this.subscription = subscription;
    else subscription.close();
  }

  private pace(): void {
    const full = this.socket.bufferedAmount > WAITING_BYTES_MAX;
    if (full === this.paused || !this.subscription) return;
    this.paused = full;
    if (full) this.subscription.pause();
    else this.subscription.resume();
  }

  private hear(data: Buffer, isBinary: boolean): void {
    if (isBinary || this.asked >= REQUESTS_MAX) {
      this.socket.close(POLICY);
      return;
    }
    const text = data.toString("utf8");
    // What is long is read elsewhere: this thread serves everybody.
    const answer =
      text.length > SHORT_CHARS_MAX
        ? this.core.call("session.input", text, this.credentialsJson)
        : this.core.input(text, this.credentialsJson);
    if (typeof answer === "string" && this.asked === 0) {
      this.answer(answer);
      return;
    }
    this.asked += 1;
    // In the order of the requests, however long each takes.
    this.answered = this.answered
      .then(() => answer)
      .catch((error: unknown) => JSON.stringify({ error: error instanceof CoreFault ? error.fault : unexpected() }))
      .then((late) => {
        this.asked -= 1;
        this.answer(late);
      });
    if (typeof answer !== "string") answer.catch(() => undefined);
  }

  private answer(text: string): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    this.socket.send(text.startsWith(OK_PREFIX) ? text.slice(OK_PREFIX.length, -1) : faultText(text));
  }
}

function faultText(text: string): string {
  return JSON.stringify((JSON.parse(text) as { error: Fault }).error);
}

function unexpected(): Fault {
  return faultBody("INTERNAL", "the server could not answer; its output says more");
}

let loaded: Promise<WebSocketServer> | undefined;

/** Loaded when the first one drives. */
function socketServer(): Promise<WebSocketServer> {
  loaded ??= import("ws").then(
    ({ WebSocketServer }) =>
      new WebSocketServer({
        noServer: true,
        perMessageDeflate: false,
        maxPayload: LIMITS.REQUEST_BODY_BYTES_MAX,
        handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
      }),
  );
  return loaded;
}

/** Upgrades requests for this socket; refuses all others. */
export function driveListener(core: OpenedCore, rules: Door, streams: OpenStreams): UpgradeListener {
  const drive = async (upgraded: WebSocket, credentials: Credentials, sessionId: string): Promise<void> => {
    streams.sockets.add(upgraded);
    // Also before there is a driver: what nobody hears of would end the server.
    upgraded.on("error", () => upgraded.terminate());
    try {
      await new Driver(upgraded, await core(), JSON.stringify(credentials)).watch(sessionId);
    } catch {
      // Not signed in, or no such session: why is what `session.input` answers.
      upgraded.close(POLICY);
    }
  };
  return (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const refusal = inspect(request, rules);
    if (refusal) return refuse(socket, refusal.code, refusal.message);
    const url = new URL(request.url ?? "", "http://localhost");
    const sessionId = url.searchParams.get("sessionId") ?? "";
    if (url.pathname !== PATH) return refuse(socket, "NOT_FOUND", "there is no such socket");
    const credentials = credentialsOn(request, wayOf(rules));
    if (!carriesEnough(credentials)) return refuse(socket, "UNAUTHORIZED", "this browser is not signed in");
    if (!/^\w{1,64}$/.test(sessionId)) return refuse(socket, "INVALID_ARGUMENTS", "sessionId must name a session");
    const left = streams.sockets.places.take(credentials, wayOf(rules));
    if (!left) return refuse(socket, "TOO_MANY_REQUESTS", "too many sockets are open already");
    socket.once("close", left);
    // A stranger's socket is never opened: one that does not close would stand in the way of those who drive.
    void mayBeRead(core, credentials, wayOf(rules)).then(
      async (may) => {
        if (!may) {
          left();
          return refuse(socket, "UNAUTHORIZED", "this browser is not signed in");
        }
        const server = await socketServer();
        server.handleUpgrade(request, socket, head, (upgraded) => void drive(upgraded, credentials, sessionId));
      },
      () => socket.destroy(),
    );
  };
}
