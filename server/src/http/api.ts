// The method table as routes.

import type { Fault } from "@openwrap/contracts";
import { METHODS, type MethodRow } from "@openwrap/contracts/methods";
import type { Context, Hono } from "hono";
import type { Core } from "../core.ts";
import { carriesEnough, credentialsOf, deviceCookie, type Way } from "./credentials.ts";
import { faultBody, faultResponse, JSON_HEADERS, refuse } from "./fault.ts";
import { bodyLimit, mayBeRead } from "./known.ts";

/** The core, as soon as it is open. */
export type OpenedCore = () => Promise<Core>;

/** Launch links are for browsers of this machine; beyond it devices are paired. */
const HERE_ONLY: ReadonlySet<string> = new Set(["session.redeem"]);

export function mountApi(app: Hono, core: OpenedCore, way: Way): void {
  for (const row of METHODS) {
    app.on(row.verb, row.path, (context) =>
      way === "beyond" && HERE_ONLY.has(row.name)
        ? refuse("FORBIDDEN", "launch links work on the machine that Open Wrap runs on")
        : answer(context, row, core, way),
    );
  }
}

async function answer(context: Context, row: MethodRow, core: OpenedCore, way: Way): Promise<Response> {
  // Hono serves HEAD with GET handlers; a command or query is never meant by it.
  if (context.req.raw.method !== row.verb) return refuse("INVALID_ARGUMENTS", `use ${row.verb} here`);
  const credentials = credentialsOf(context.req.raw.headers, way);
  // Before the parameters are looked at, so that a stranger learns nothing about them.
  const open = row.access === "open";
  if (!open && !(carriesEnough(credentials) && (await mayBeRead(core, credentials, way))))
    return refuse("UNAUTHORIZED", "this browser is not signed in");
  const read =
    row.verb === "GET"
      ? readQuery(new URL(context.req.url).searchParams, row)
      : await readBody(context.req.raw, bodyLimit(open, way));
  if ("fault" in read) return faultResponse(read.fault);
  const { problemOf } = await import("@openwrap/contracts/validators");
  const problem = problemOf(row.params as Parameters<typeof problemOf>[0], read.params);
  if (problem !== undefined) return refuse("INVALID_ARGUMENTS", `${row.name}: ${problem}`);
  const opened = await core();
  const answered = await opened.call(row.name, JSON.stringify(read.params), JSON.stringify(credentials));
  return toResponse(answered, way);
}

type Read = { params: unknown } | { fault: Fault };

function readQuery(query: URLSearchParams, row: MethodRow): Read {
  const params: Record<string, unknown> = {};
  for (const [name, text] of query) {
    if (Object.hasOwn(params, name))
      return { fault: faultBody("INVALID_ARGUMENTS", `${row.name}: ${name} is there twice`) };
    // Own properties only: the name comes from outside.
    const kind = Object.hasOwn(row.query, name) ? row.query[name] : undefined;
    if (kind === "integer" && /^-?\d{1,16}$/.test(text)) params[name] = Number(text);
    else if (kind === "boolean" && (text === "true" || text === "false")) params[name] = text === "true";
    else Object.defineProperty(params, name, { value: text, enumerable: true });
  }
  return { params };
}

async function readBody(request: Request, limit: number): Promise<Read> {
  const tooLong = (): Read => ({ fault: faultBody("LIMIT_EXCEEDED", `the body is longer than ${limit} bytes`) });
  if (Number(request.headers.get("content-length") ?? 0) > limit) return tooLong();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.byteLength;
    if (size > limit) return tooLong();
    parts.push(part);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
    return { params: JSON.parse(text) as unknown };
  } catch {
    return { fault: faultBody("INVALID_ARGUMENTS", "the body is not JSON") };
  }
}

const OK_PREFIX = '{"ok":';

/** The core's result goes out as the bytes it came in, but for a cookie, which travels in its own header. */
function toResponse(text: string, way: Way): Response {
  if (!text.startsWith(OK_PREFIX)) {
    const { error } = JSON.parse(text) as { error: Fault };
    return faultResponse(error);
  }
  const body = text.slice(OK_PREFIX.length, -1);
  if (!body.includes('"cookie":')) return new Response(body, { headers: JSON_HEADERS });
  const { cookie, ...rest } = JSON.parse(body) as { cookie?: unknown };
  // The word may also stand inside a list or a text of another result.
  if (typeof cookie !== "string") return new Response(body, { headers: JSON_HEADERS });
  return new Response(JSON.stringify(rest), {
    headers: { ...JSON_HEADERS, "set-cookie": deviceCookie(cookie, way) },
  });
}
