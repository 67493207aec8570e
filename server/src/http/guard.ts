// What every request must be before anything looks at it: for our own name, from our own page, in our own shape.
// Browsers send cookies to every port of a host name and let any page address localhost; nothing here trusts either.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "@openwrap/contracts";
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

/** Documents that a link elsewhere may open in a tab of its own: the start page, and the sign-in by one-time link. */
const OPEN_TO_LINKS = new Set(["/", "/launch"]);

/** The one route whose body is not JSON. */
export const UPLOAD_PATH = "/api/projects/upload";

export interface GuardRules {
  /** Exact `Host` values of this server. */
  hosts: ReadonlySet<string>;
}

export interface Refusal {
  code: ErrorCode;
  message: string;
}

/** Host values under which the app answers. `127.0.0.1` is not one of them: pages made by agents live there. */
export function ownHosts(port: number, further: string[]): ReadonlySet<string> {
  // Browsers leave out the port that HTTP has anyway.
  const short = port === 80 ? ["localhost", "[::1]"] : [];
  return new Set([`localhost:${port}`, `[::1]:${port}`, ...short, ...further]);
}

function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}

/** Why a request is refused; nothing when it may go on. */
export function inspect(request: IncomingMessage, rules: GuardRules): Refusal | undefined {
  const hosts = request.rawHeaders.filter((name, place) => place % 2 === 0 && name.toLowerCase() === "host").length;
  const host = request.headers.host;
  if (hosts !== 1 || host === undefined || !rules.hosts.has(host)) {
    return { code: "FOREIGN_HOST", message: "this address is not one of the app's" };
  }
  const { method = "", url = "" } = request;
  if (!url.startsWith("/") || url.startsWith("//"))
    return { code: "FOREIGN_HOST", message: "the request is for another server" };
  if (method !== "GET" && method !== "POST" && method !== "HEAD") {
    return { code: "INVALID_ARGUMENTS", message: `the method ${method.slice(0, 16)} is not used here` };
  }
  const path = pathOf(url);
  return inspectOrigin(request, host, path) ?? (method === "POST" ? inspectBody(request, path) : undefined);
}

function inspectOrigin(request: IncomingMessage, host: string, path: string): Refusal | undefined {
  const { origin } = request.headers;
  // `https` only behind a proxy that was named; there the proxy keeps the host.
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return { code: "FORBIDDEN", message: "the request comes from another page" };
  }
  const site = request.headers["sec-fetch-site"];
  if (site === undefined || site === "same-origin" || site === "none") return undefined;
  const opensTab =
    request.method === "GET" &&
    request.headers["sec-fetch-mode"] === "navigate" &&
    request.headers["sec-fetch-dest"] === "document" &&
    OPEN_TO_LINKS.has(path);
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
export function guard(request: IncomingMessage, response: ServerResponse, rules: GuardRules): boolean {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  const refusal = inspect(request, rules);
  if (!refusal) return true;
  const text = JSON.stringify(faultBody(refusal.code, refusal.message));
  // What is left of the body is not read: the connection ends with the answer.
  response.writeHead(statusOf(refusal.code), {
    ...JSON_HEADERS,
    "content-length": Buffer.byteLength(text),
    connection: "close",
  });
  response.end(request.method === "HEAD" ? undefined : text);
  return false;
}
