// Files of a project, or of what a task sees, as downloads: never shown inside the app's origin.

import type { Hono } from "hono";
import { CoreFault } from "../core.ts";
import type { OpenedCore } from "./api.ts";
import { carriesEnough, credentialsOf, type Way } from "./credentials.ts";
import { faultResponse, refuse } from "./fault.ts";

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

export function mountDownload(app: Hono, core: OpenedCore, way: Way): void {
  app.get("/api/files/content", async (context) => {
    if (context.req.raw.method !== "GET") return refuse("INVALID_ARGUMENTS", "use GET here");
    const credentials = credentialsOf(context.req.raw.headers, way);
    if (!carriesEnough(credentials)) return refuse("UNAUTHORIZED", "this browser is not signed in");
    const { projectId, path, runId, taskId, delivered } = context.req.query();
    if (!projectId || !path) return refuse("INVALID_ARGUMENTS", "projectId and path are needed");
    const wanted = JSON.stringify({ projectId, path, runId, taskId, delivered: delivered === "true" });
    try {
      const bytes = await (await core()).readFile(wanted, JSON.stringify(credentials));
      return new Response(new Uint8Array(bytes), {
        headers: {
          "content-type": "application/octet-stream",
          "content-disposition": disposition(path),
          "content-security-policy": "sandbox; default-src 'none'",
          "cache-control": "no-store",
        },
      });
    } catch (error) {
      if (error instanceof CoreFault) return faultResponse(error.fault);
      throw error;
    }
  });
}
