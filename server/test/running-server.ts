// A real server on a free port, and real requests with any header one likes.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createListener } from "../src/http/app.ts";
import { driveListener } from "../src/http/drive.ts";
import { type Door, ownHosts } from "../src/http/guard.ts";
import { OpenStreams } from "../src/http/stream.ts";
import { listen } from "../src/listen.ts";
import { COOKIE_VALUE, FakeCore, TAB } from "./fake-core.ts";

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  text: string;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string;
  address?: string;
}

export const SIGNED_IN = { cookie: `openwrap_device=${COOKIE_VALUE}`, "x-openwrap-tab": TAB };

export async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), "openwrap-page-"));
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>Open Wrap</title>");
  writeFileSync(join(folder, "assets/app-1a2b.js"), "export {};".repeat(50));
  writeFileSync(join(folder, "assets/app-1a2b.js.br"), "compressed");
  writeFileSync(join(folder, ".secret"), "hidden");
  const core = new FakeCore();
  const streams = new OpenStreams();
  const rules: Door = { kind: "loopback", hosts: new Set(), proxies: new Set() };
  const listening = await listen(["127.0.0.1", "::1"], 0, {
    listener: createListener({ core: async () => core, door: rules, page: folder, streams }),
    upgrade: driveListener(async () => core, rules, streams),
  });
  const { port } = listening;
  rules.hosts = ownHosts(port);

  const open = (path: string, ask: Ask = {}): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { method = "GET", headers = {}, body, address = "127.0.0.1" } = ask;
      const sent = request(
        { host: address, port, path, method, agent: false, headers: { host: `localhost:${port}`, ...headers } },
        resolve,
      );
      sent.on("error", reject);
      sent.end(body);
    });

  const ask = async (path: string, options: Ask = {}): Promise<Answer> => {
    const response = await open(path, options);
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part as Buffer);
    return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString("utf8") };
  };

  const post = (path: string, value: unknown, headers: Ask["headers"] = {}): Promise<Answer> =>
    ask(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(value),
    });

  const stop = async (): Promise<void> => {
    const closed = listening.close();
    streams.endAll();
    await closed;
    rmSync(folder, { recursive: true, force: true });
  };

  return { core, port, streams, open, ask, post, stop };
}

export type RunningServer = Awaited<ReturnType<typeof startServer>>;
