// Keys and pointer of who drives a session: many small requests, each waited for by a person. They are taken off the socket as they
// are; the core reads them and checks everything.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Fault } from "@openwrap/contracts";
import { LIMITS } from "@openwrap/contracts/limits";
import { METHODS } from "@openwrap/contracts/methods";
import { CoreFault } from "../core.ts";
import type { OpenedCore } from "./api.ts";
import { carriesEnough, credentialsOf, type Way } from "./credentials.ts";
import { faultBody, JSON_HEADERS, statusOf } from "./fault.ts";
import { mayBeRead } from "./known.ts";

const METHOD = "session.input";
const PATH = METHODS.find(({ name }) => name === METHOD)?.path;
const OK_PREFIX = '{"ok":';
const utf8 = new TextDecoder("utf-8", { fatal: true });

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { ...JSON_HEADERS, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function refuse(response: ServerResponse, fault: Fault): void {
  send(response, statusOf(fault.code), JSON.stringify(fault));
}

/** Rejects when the request breaks off. */
function bodyOf(request: IncomingMessage): Promise<string | Fault> {
  const limit = LIMITS.REQUEST_BODY_BYTES_MAX;
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on("data", (part: Buffer) => {
      size += part.length;
      if (size > limit) resolve(faultBody("LIMIT_EXCEEDED", `the body is longer than ${limit} bytes`));
      else parts.push(part);
    });
    request.on("end", () => {
      try {
        resolve(utf8.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
      } catch {
        resolve(faultBody("INVALID_ARGUMENTS", "the body is not UTF-8"));
      }
    });
    request.on("error", reject);
  });
}

async function answer(core: OpenedCore, request: IncomingMessage, response: ServerResponse, way: Way): Promise<void> {
  const { headers } = request;
  const credentials = credentialsOf({ get: (name) => (headers[name] as string | undefined) ?? null }, way);
  if (!(carriesEnough(credentials) && (await mayBeRead(core, credentials, way)))) {
    return refuse(response, faultBody("UNAUTHORIZED", "this browser is not signed in"));
  }
  const body = await bodyOf(request);
  if (typeof body !== "string") return refuse(response, body);
  const text = await (await core()).call(METHOD, body, JSON.stringify(credentials));
  if (text.startsWith(OK_PREFIX)) send(response, 200, text.slice(OK_PREFIX.length, -1));
  else refuse(response, (JSON.parse(text) as { error: Fault }).error);
}

/** Answers when the request is one; else returns false. The guard has let it through. */
export function takesInput(core: OpenedCore, request: IncomingMessage, response: ServerResponse, way: Way): boolean {
  if (request.url !== PATH || request.method !== "POST") return false;
  answer(core, request, response, way).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else if (error instanceof CoreFault) refuse(response, error.fault);
    else refuse(response, faultBody("INTERNAL", "the server could not answer; its output says more"));
  });
  return true;
}
