// Who is not paired gets the pairing page, what that page is made of, and nothing else of the app.

import type { Hono } from "hono";
import type { OpenedCore } from "./api.ts";
import { credentialsOf } from "./credentials.ts";
import { refuse } from "./fault.ts";
import { isKnown } from "./known.ts";
import type { BuiltPage } from "./page.ts";
import { plainPage } from "./plain-page.ts";

const DOCUMENT = "/pair.html";

/** Script, style and icon the document names, and the fonts its styles name. */
async function partsOf(page: BuiltPage): Promise<ReadonlySet<string>> {
  const html = await page.text(DOCUMENT);
  const named = [...html.matchAll(/(?:src|href)="(\/[\w./-]+)"/g)].map(([, path = ""]) => path);
  const styles = named.filter((path) => path.endsWith(".css"));
  const fonts = await Promise.all(
    styles.map(async (path) =>
      [...(await page.text(path)).matchAll(/url\((\/[\w./-]+)\)/g)].map(([, font = ""]) => font),
    ),
  );
  return new Set([...named, ...fonts.flat()]);
}

export function mountPairing(app: Hono, page: BuiltPage): void {
  let read: Promise<ReadonlySet<string>> | undefined;
  const parts = async (): Promise<ReadonlySet<string>> => {
    read ??= partsOf(page);
    return await read.catch(() => {
      read = undefined;
      return new Set<string>();
    });
  };
  const document = async (request: Request): Promise<Response> => {
    const served = await page.serve(DOCUMENT, request).catch(() => undefined);
    return served ?? plainPage(503, "The page is not built. Run: npm run build");
  };
  app.get("/pair", (context) => document(context.req.raw));
  app.get("/pair/:link", (context) => document(context.req.raw));
  app.get("*", async (context, next) => {
    const { pathname } = new URL(context.req.url);
    const served = (await parts()).has(pathname) ? await page.serve(pathname, context.req.raw) : undefined;
    return served ?? (await next());
  });
}

/** Before the page: a browser whose cookie is of no device is sent to be paired. */
export function keepUnpaired(app: Hono, core: OpenedCore): void {
  app.get("*", async (context, next) => {
    const request = context.req.raw;
    const credentials = credentialsOf(request.headers, "beyond");
    if (await isKnown(core, credentials)) return next();
    const wantsDocument = (request.headers.get("accept") ?? "").includes("text/html");
    if (!wantsDocument) return refuse("UNAUTHORIZED", "this browser is not paired", "Open /pair in it.");
    return new Response(null, { status: 303, headers: { location: "/pair", "cache-control": "no-store" } });
  });
}
