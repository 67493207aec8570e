// What every request must be before anything looks at it: for our own name, from our own page, in our own shape.
// Browsers send cookies to every port of a host name and let any page address localhost; nothing here trusts either. What a proxy says
// of a request is believed of a named proxy only.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "@openwrap/contracts";
import type { Way } from "./credentials.ts";
import { faultBody, JSON_HEADERS, statusOf } from "./fault.ts";

/** Sent with every answer. */
export const SECURITY_HEADERS: Record<string, string> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy":
    "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), display-capture=()",
  "x-frame-options": "DENY",
};

/** Documents that a link elsewhere may open in a tab of its own: the start page, and the ways to sign in. */
const OPEN_TO_LINKS = /^\/(?:launch|trust|pair(?:\/[0-9a-z]{1,32})?)?$/i;

/** The one route whose body is not JSON. */
export const UPLOAD_PATH = "/api/projects/upload";

/** One way in, with sockets of its own. */
export interface Door {
  /** Plain HTTP of this machine, our own TLS, or plain HTTP from named proxies that have TLS. */
  kind: "loopback" | "tls" | "proxy";
  /** Exact `Host` values of this server there. */
  hosts: ReadonlySet<string>;
  /** Addresses of the proxies; every other peer is refused. */
  proxies: ReadonlySet<string>;
}

export function wayOf(door: Door): Way {
  return door.kind === "loopback" ? "loopback" : "beyond";
}

export interface Refusal {
  code: ErrorCode;
  message: string;
}

/** Host values under which the app answers on this machine. `127.0.0.1` is not one of them: pages made by agents live there. */
export function ownHosts(port: number): ReadonlySet<string> {
  // Browsers leave out the port that HTTP has anyway.
  const short = port === 80 ? ["localhost", "[::1]"] : [];
  return new Set([`localhost:${port}`, `[::1]:${port}`, ...short]);
}

function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}

function times(request: IncomingMessage, wanted: string): number {
  return request.rawHeaders.filter((name, place) => place % 2 === 0 && name.toLowerCase() === wanted).length;
}

/** An address as Node gives it for an IPv4 peer of an IPv6 socket, in its own form. */
export function plainAddress(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:(?=\d+\.)/i, "");
}

/** The host a request is for: the one value that all it says of it agrees on. */
function hostOf(request: IncomingMessage): string | undefined {
  const { host, ":authority": authority } = request.headers;
  if (request.httpVersionMajor < 2) return times(request, "host") === 1 ? host : undefined;
  // HTTP/2 has a field of its own; a `host` beside it must say the same.
  return typeof authority === "string" && (host === undefined || host === authority) ? authority : undefined;
}

const FORWARDED = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/** The host as a named proxy says it; a reason when the request is none of a proxy's, or not over TLS. */
function forwardedHost(request: IncomingMessage, door: Door): string | Refusal | undefined {
  if (!door.proxies.has(plainAddress(request.socket.remoteAddress)))
    return { code: "FORBIDDEN", message: "only the named proxy may ask here" };
  if (times(request, "x-forwarded-proto") !== 1 || request.headers["x-forwarded-proto"] !== "https")
    return {
      code: "FORBIDDEN",
      message: "the proxy must say that the request came over TLS: X-Forwarded-Proto: https",
    };
  const hosts = times(request, "x-forwarded-host");
  if (hosts === 0) return hostOf(request);
  const host = request.headers["x-forwarded-host"];
  return hosts === 1 && typeof host === "string" ? host : undefined;
}

/** Why a request is refused; nothing when it may go on. */
export function inspect(request: IncomingMessage, door: Door): Refusal | undefined {
  const host = door.kind === "proxy" ? forwardedHost(request, door) : hostOf(request);
  if (typeof host === "object") return host;
  if (host === undefined || !door.hosts.has(host)) {
    return { code: "FOREIGN_HOST", message: "this address is not one of the app's" };
  }
  if (door.kind === "loopback" && FORWARDED.some((name) => request.headers[name] !== undefined)) {
    return { code: "FORBIDDEN", message: "the request came through a proxy that OPENWRAP_PROXY does not name" };
  }
  const { method = "", url = "" } = request;
  if (!url.startsWith("/") || url.startsWith("//"))
    return { code: "FOREIGN_HOST", message: "the request is for another server" };
  if (method !== "GET" && method !== "POST" && method !== "HEAD") {
    return { code: "INVALID_ARGUMENTS", message: `the method ${method.slice(0, 16)} is not used here` };
  }
  const path = pathOf(url);
  return (
    inspectOrigin(request, `${door.kind === "loopback" ? "http" : "https"}://${host}`, path) ??
    (method === "POST" ? inspectBody(request, path) : undefined)
  );
}

function inspectOrigin(request: IncomingMessage, own: string, path: string): Refusal | undefined {
  const { origin } = request.headers;
  if (origin !== undefined && origin !== own) {
    return { code: "FORBIDDEN", message: "the request comes from another page" };
  }
  const site = request.headers["sec-fetch-site"];
  if (site === undefined || site === "same-origin" || site === "none") return undefined;
  const opensTab =
    request.method === "GET" &&
    request.headers["sec-fetch-mode"] === "navigate" &&
    request.headers["sec-fetch-dest"] === "document" &&
    OPEN_TO_LINKS.test(path);
  return opensTab ? undefined : { code: "FORBIDDEN", message: "the request comes from another site" };
}

/** A plain form or a no-cors fetch cannot send these content types. */
function inspectBody(request: IncomingMessage, path: string): Refusal | undefined {
  const type = request.headers["content-type"] ?? "";
  if (path === UPLOAD_PATH) {
    if (/^application\/octet-stream$/i.test(type)) return undefined;
    return { code: "INVALID_ARGUMENTS", message: "a file must be sent as application/octet-stream" };
  }
  if (/^application\/json(; ?charset=utf-8)?$/i.test(type)) return undefined;
  return { code: "INVALID_ARGUMENTS", message: "the body must be application/json" };
}

/** Sets the security headers; answers and returns false when the request is refused. */
export function guard(request: IncomingMessage, response: ServerResponse, door: Door): boolean {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  const refusal = inspect(request, door);
  if (!refusal) return true;
  const text = JSON.stringify(faultBody(refusal.code, refusal.message));
  // What is left of the body is not read: the connection ends with the answer.
  response.writeHead(statusOf(refusal.code), {
    ...JSON_HEADERS,
    "content-length": Buffer.byteLength(text),
    // HTTP/2 has no such field: there what is left belongs to its own stream.
    ...(request.httpVersionMajor < 2 ? { connection: "close" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : text);
  return false;
}
