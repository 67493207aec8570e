// A rehearsal server inside the test's own process, on a free port of the loopback.

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import { createAdaptorServer } from "@hono/node-server";
import OpenAI from "openai";
import { createApp, type ServerConfig } from "../src/app.ts";
import { tableAnalysis } from "../src/scenarios/table-analysis.ts";

export interface RunningRehearsal {
  /** Ends in `/v1`. */
  url: string;
  client: OpenAI;
  /** Over the other wire. */
  anthropic: Anthropic;
  close: () => Promise<void>;
}

export async function startRehearsal(config: Partial<ServerConfig> = {}): Promise<RunningRehearsal> {
  const app = createApp({
    models: ["rehearsal"],
    scenarios: [tableAnalysis],
    faults: [],
    latencyMs: [0, 0],
    seed: "",
    ...config,
  });
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const apiKey = "sk-test";
  return {
    url: `${origin}/v1`,
    client: new OpenAI({ baseURL: `${origin}/v1`, apiKey, maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: origin, apiKey, maxRetries: 0 }),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** A request a provider takes. */
export function request(content: string, more: object = {}): Record<string, unknown> {
  return { model: "rehearsal", messages: [{ role: "user", content }], ...more };
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** As `post`, over the wire of messages. */
export async function postMessages(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "k", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}
