// A static server for one folder, on an inherited listening socket. It is a confined child: it reads its folder and nothing else.
// Pages are made by agents, so nothing here trusts them: no cookies, no other host name, no names with a dot in front.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const [folder, port] = process.argv.slice(2);
const HOST = `127.0.0.1:${port}`;

const TYPES = {
  html: "text/html; charset=utf-8",
  htm: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  json: "application/json",
  csv: "text/csv; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  md: "text/plain; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  ico: "image/x-icon",
  woff2: "font/woff2",
  pdf: "application/pdf",
  wasm: "application/wasm",
};

const HEADERS = {
  "content-security-policy":
    "default-src 'self' 'unsafe-inline' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; " +
    "form-action 'self'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=()",
  "cache-control": "no-store",
};

/** Parts of the path below the folder; nothing for a path that is none. */
function partsOf(url) {
  const path = /^\/[^?#]*/.exec(url)?.[0];
  if (path === undefined) return undefined;
  let text;
  try {
    text = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (/[\\\0]/.test(text)) return undefined;
  const parts = text.split("/").filter((part) => part !== "");
  return parts.some((part) => part.startsWith(".")) ? undefined : parts;
}

async function found(parts) {
  const path = join(folder, ...parts);
  const about = await stat(path).catch(() => undefined);
  if (about?.isFile()) return { path, size: about.size };
  if (!about?.isDirectory()) return undefined;
  const index = join(path, "index.html");
  const page = await stat(index).catch(() => undefined);
  return page?.isFile() ? { path: index, size: page.size, folder: true } : undefined;
}

function refuse(request, response, status, text) {
  const body = Buffer.from(`${text}\n`);
  response.writeHead(status, {
    ...HEADERS,
    "content-type": "text/plain; charset=utf-8",
    "content-length": body.length,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

async function answer(request, response) {
  // Another name for this address is another site's page that looks in.
  if (request.headers.host !== HOST) return refuse(request, response, 421, "this address is not served here");
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(request, response, 405, "use GET");
  const parts = partsOf(request.url ?? "");
  const file = parts && (await found(parts));
  if (!file) return refuse(request, response, 404, "there is no such page");
  const path = (request.url ?? "").replace(/[?#].*$/, "");
  if (file.folder && !path.endsWith("/")) {
    // Built from the checked parts: two slashes in front would lead to another host.
    response.writeHead(308, {
      ...HEADERS,
      location: `/${parts.map(encodeURIComponent).join("/")}/`,
      "content-length": 0,
    });
    return response.end();
  }
  const ending = /\.([A-Za-z0-9]+)$/.exec(file.path)?.[1]?.toLowerCase() ?? "";
  const type = Object.hasOwn(TYPES, ending) ? TYPES[ending] : "application/octet-stream";
  response.writeHead(200, { ...HEADERS, "content-type": type, "content-length": file.size });
  if (request.method === "HEAD") return response.end();
  const content = createReadStream(file.path);
  content.on("error", () => response.destroy());
  content.pipe(response);
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.headersTimeout = 10_000;
server.requestTimeout = 30_000;
server.listen({ fd: 3 }, () => process.stdout.write("ready\n"));
