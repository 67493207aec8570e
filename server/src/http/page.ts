// The built page. Only files that were there when the folder was first listed are served: no path from outside is ever opened.

import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { Hono } from "hono";
import { refuse } from "./fault.ts";
import { plainPage } from "./plain-page.ts";

const MEDIA_TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  json: "application/json; charset=utf-8",
  webmanifest: "application/manifest+json; charset=utf-8",
  woff2: "font/woff2",
  txt: "text/plain; charset=utf-8",
};

/** Files of the folder by their path under the origin. */
function listFolder(folder: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    const path = `/${relative(folder, full).split(sep).join("/")}`;
    if (!path.startsWith("/.")) files.set(path, full);
  }
  return files;
}

/** The folder of the built page. */
export class BuiltPage {
  private readonly folder: string;
  private listed: Map<string, string> | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Throws while it is not built. */
  private files(): Map<string, string> {
    this.listed ??= listFolder(this.folder);
    return this.listed;
  }

  has(path: string): boolean {
    return this.files().has(path);
  }

  async text(path: string): Promise<string> {
    return await readFile(this.files().get(path) ?? "", "utf8");
  }

  /** A file by its path under the origin; nothing when there is none. */
  async serve(path: string, request: Request): Promise<Response | undefined> {
    const files = this.files();
    const file = path.endsWith(".br") ? undefined : files.get(path);
    if (file === undefined) return undefined;
    const takesCompressed = /\bbr\b/.test(request.headers.get("accept-encoding") ?? "");
    const compressed = takesCompressed ? files.get(`${path}.br`) : undefined;
    const headers = new Headers({
      "content-type": MEDIA_TYPES[path.split(".").pop() ?? ""] ?? "application/octet-stream",
      // Names below /assets/ carry the hash of their content.
      "cache-control": path.startsWith("/assets/")
        ? "public, max-age=31536000, immutable"
        : path.endsWith(".html")
          ? "no-store"
          : "no-cache",
      vary: "accept-encoding",
    });
    if (compressed !== undefined) headers.set("content-encoding", "br");
    const bytes = await readFile(compressed ?? file);
    headers.set("content-length", String(bytes.byteLength));
    return new Response(request.method === "HEAD" ? null : new Uint8Array(bytes), { headers });
  }
}

export function mountPage(app: Hono, page: BuiltPage): void {
  app.get("*", async (context) => {
    const request = context.req.raw;
    const path = new URL(request.url).pathname;
    if (path.startsWith("/api/")) return refuse("NOT_FOUND", "there is no such route");
    try {
      const wantsDocument = (request.headers.get("accept") ?? "").includes("text/html");
      // The page finds its own way; addresses inside it all start at the same document.
      const start = path === "/" || (!page.has(path) && wantsDocument && !/\.[a-z0-9]+$/i.test(path));
      const served = await page.serve(start ? "/index.html" : path, request);
      return served ?? refuse("NOT_FOUND", "there is no such file");
    } catch {
      return plainPage(503, "The page is not built. Run: npm run build");
    }
  });
}
