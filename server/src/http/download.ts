// Files of a project, or of what a task sees, as downloads: never shown inside the app's origin.

import type { Hono } from "hono";
import { CoreFault } from "../core.ts";
import type { OpenedCore } from "./api.ts";
import { carriesEnough, credentialsOf, type Way } from "./credentials.ts";
import { cutLater, outgoingOf } from "./cut.ts";
import { faultResponse, refuse } from "./fault.ts";
import { Places } from "./places.ts";

/** Files whose bytes are held at once: of all, of one device, and those that are kept for this machine. */
const DOWNLOADS = { most: 8, each: 4, here: 2 };
/** A reader that takes nothing for so long is given up. */
const STILL_MS = 30_000;
/** Bytes handed on at once. */
const PART_BYTES = 256 * 1024;
const FILE_NAME_CHARS_MAX = 200;

/** RFC 6266: a plain name for old readers, the true one in UTF-8. */
function disposition(path: string): string {
  // By code points: half a pair would not encode.
  const name = [...(path.split("/").pop() ?? "file")].slice(-FILE_NAME_CHARS_MAX).join("");
  const plain = name.replace(/[^A-Za-z0-9 ._-]/g, "_");
  const full = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${full}`;
}

/** The bytes part by part, without a copy. `over`: all were taken, or nobody takes them any more; `cut`: ends the connection of such a one. */
function partsOf(bytes: Uint8Array, over: () => void, cut: () => void): ReadableStream<Uint8Array> {
  let at = 0;
  let still: NodeJS.Timeout | undefined;
  const end = (): void => {
    clearTimeout(still);
    over();
  };
  const wait = (): void => {
    clearTimeout(still);
    still = setTimeout(() => {
      end();
      cut();
    }, STILL_MS);
    still.unref();
  };
  return new ReadableStream<Uint8Array>(
    {
      start: wait,
      pull: (controller) => {
        if (at >= bytes.byteLength) {
          end();
          return controller.close();
        }
        wait();
        controller.enqueue(bytes.subarray(at, at + PART_BYTES));
        at += PART_BYTES;
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

export function mountDownload(app: Hono, core: OpenedCore, way: Way): void {
  const places = new Places(DOWNLOADS);
  app.get("/api/files/content", async (context) => {
    if (context.req.raw.method !== "GET") return refuse("INVALID_ARGUMENTS", "use GET here");
    const credentials = credentialsOf(context.req.raw.headers, way);
    if (!carriesEnough(credentials)) return refuse("UNAUTHORIZED", "this browser is not signed in");
    const { projectId, path, runId, taskId, delivered } = context.req.query();
    if (!projectId || !path) return refuse("INVALID_ARGUMENTS", "projectId and path are needed");
    const wanted = JSON.stringify({ projectId, path, runId, taskId, delivered: delivered === "true" });
    const left = places.take(credentials, way);
    if (!left) return refuse("TOO_MANY_REQUESTS", "too many files are being downloaded already");
    try {
      const bytes = await (await core()).readFile(wanted, JSON.stringify(credentials));
      return new Response(
        partsOf(bytes, left, () => cutLater(outgoingOf(context), 0)),
        {
          headers: {
            "content-length": String(bytes.byteLength),
            "content-type": "application/octet-stream",
            "content-disposition": disposition(path),
            "content-security-policy": "sandbox; default-src 'none'",
            "cache-control": "no-store",
          },
        },
      );
    } catch (error) {
      left();
      if (error instanceof CoreFault) return faultResponse(error.fault);
      throw error;
    }
  });
}
