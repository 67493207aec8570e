// Files a person gives to a project: the body is the file, the query says where it goes.

import type { Fault } from "@openwrap/contracts";
import { LIMITS } from "@openwrap/contracts/limits";
import type { Hono } from "hono";
import { CoreFault } from "../core.ts";
import type { OpenedCore } from "./api.ts";
import { carriesEnough, credentialsOf, type Way } from "./credentials.ts";
import { faultResponse, JSON_HEADERS, refuse } from "./fault.ts";
import { UPLOAD_PATH } from "./guard.ts";

/** Uploads whose bytes are held at once. */
const UPLOADS_MAX = 4;

export function mountUpload(app: Hono, core: OpenedCore, way: Way): void {
  let underWay = 0;
  app.post(UPLOAD_PATH, async (context) => {
    const credentials = credentialsOf(context.req.raw.headers, way);
    if (!carriesEnough(credentials)) return refuse("UNAUTHORIZED", "this browser is not signed in");
    const { projectId, path } = context.req.query();
    if (!projectId || !path) return refuse("INVALID_ARGUMENTS", "projectId and path are needed");
    if (underWay >= UPLOADS_MAX) return refuse("TOO_MANY_REQUESTS", `${UPLOADS_MAX} files are being sent already`);
    underWay += 1;
    try {
      return await take(
        await core(),
        context.req.raw,
        JSON.stringify({ projectId, path }),
        JSON.stringify(credentials),
      );
    } catch (error) {
      if (error instanceof CoreFault) return faultResponse(error.fault);
      throw error;
    } finally {
      underWay -= 1;
    }
  });
}

type Opened = Awaited<ReturnType<OpenedCore>>;

async function take(core: Opened, request: Request, params: string, credentials: string): Promise<Response> {
  // Before a byte is read: a stranger, and a name that may not be, cost nothing.
  await core.mayUpload(params, credentials);
  const bytes = await readFile(request);
  if (bytes === undefined) return refuse("LIMIT_EXCEEDED", `the file is larger than ${LIMITS.UPLOAD_BYTES_MAX} bytes`);
  const answer = JSON.parse(await core.upload(params, credentials, bytes)) as { ok?: unknown; error?: Fault };
  if (answer.error) return faultResponse(answer.error);
  return new Response(JSON.stringify(answer.ok), { headers: JSON_HEADERS });
}

async function readFile(request: Request): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > LIMITS.UPLOAD_BYTES_MAX) return undefined;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.byteLength;
    if (size > LIMITS.UPLOAD_BYTES_MAX) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
