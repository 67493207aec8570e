// The HTTP face: the routes of the provider's API that a workforce uses.

import { createHash, timingSafeEqual } from "node:crypto";
import { appendFileSync } from "node:fs";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { complete } from "./chat-wire.ts";
import { readConversation } from "./conversation.ts";
import { type Fault, FaultDesk, type FaultRule, shareOf } from "./faults.ts";
import { Refusal } from "./refusal.ts";
import { checkRequest } from "./request-check.ts";
import { answerOf, type Scenario, scenarioOf } from "./scenario.ts";
import { pause, transmit } from "./transmission.ts";

export interface ServerConfig {
  /** Ids this server answers to. */
  models: readonly string[];
  scenarios: readonly Scenario[];
  faults: readonly FaultRule[];
  /** Milliseconds of an answer, from and to; which one depends on the request and the seed. */
  latencyMs: readonly [number, number];
  seed: string;
  chunkBytes?: number;
  /** The key every request has to carry. */
  apiKey?: string;
  /** Repeats the key of a request: in the error about it, or in the text of every answer. */
  echoKey?: "error" | "answer";
  /** A file that gets one line of JSON a request. */
  record?: string;
}

type Env = { Bindings: HttpBindings; Variables: { body: Buffer } };

const BODY_BYTES_MAX = 16 * 1024 * 1024;

export function createApp(config: ServerConfig): Hono<Env> {
  const app = new Hono<Env>();
  const desk = new FaultDesk(config.seed);
  let requests = 0;
  const note = (line: object): void => {
    if (config.record !== undefined) appendFileSync(config.record, `${JSON.stringify({ n: ++requests, ...line })}\n`);
  };
  app.onError((error, c) => {
    if (!(error instanceof Refusal)) throw error;
    note({ status: error.status, message: error.message });
    // What is left of the body is not read any more.
    if (error.status === 413) c.header("connection", "close");
    return c.json(error.body(), error.status);
  });
  app.notFound((c) => {
    const refusal = new Refusal(
      404,
      `Unknown request URL: ${c.req.method} ${c.req.path}. Please check the URL for typos.`,
    );
    return c.json(refusal.body(), 404);
  });
  app.use("/v1/*", async (c, next) => {
    // Read before anything is refused: a client that still sends would lose the answer.
    c.set("body", await readBody(c.req.raw));
    checkKey(c.req.header("authorization"), config);
    await next();
  });
  app.get("/v1/models", (c) => c.json({ object: "list", data: config.models.map(modelOf) }));
  app.get("/v1/models/:id", (c) => {
    const id = c.req.param("id");
    if (config.models.includes(id)) return c.json(modelOf(id));
    throw new Refusal(404, `The model '${id}' does not exist`, { param: "model", code: "model_not_found" });
  });
  app.post("/v1/chat/completions", async (c) => chat(c, config, desk, note));
  app.all("/v1/chat/completions", (c) => {
    throw new Refusal(405, `Not allowed to ${c.req.method} on ${c.req.path} (HINT: Perhaps you meant to use POST?)`);
  });
  return app;
}

function modelOf(id: string) {
  return { id, object: "model", created: 0, owned_by: "open-wrap" };
}

async function chat(
  c: Context<Env>,
  config: ServerConfig,
  desk: FaultDesk,
  note: (line: object) => void,
): Promise<Response> {
  const bytes = c.get("body");
  checkContentType(c.req.header("content-type"));
  const request = checkRequest(parse(bytes), config.models);
  const hash = createHash("sha256").update(bytes).digest("hex");
  const conversation = readConversation(request);
  const scenario = scenarioOf(config.scenarios, conversation);
  const fault = desk.next([...config.faults, ...(scenario?.faults ?? [])], conversation, hash);
  const { role, turn } = conversation;
  const about = { hash, role, task: conversation.task.id, turn, scenario: scenario?.name ?? null };
  note({ status: fault?.kind === "status" ? fault.status : 200, ...about, ...(fault ? { fault: fault.kind } : {}) });
  if (fault?.kind === "status") return refused(c, fault);
  const answer = echoed(c, config, answerOf(scenario, conversation));
  const completion = complete(request, answer, hash);
  const [least, most] = config.latencyMs;
  const latencyMs = least + (most - least) * shareOf(config.seed, hash, "latency");
  const breakOff = (): void => void c.env.outgoing.destroy();
  if (fault?.kind === "hang" && fault.after < 0) {
    await gone(c.req.raw.signal);
    breakOff();
  }
  if (request.stream !== true) {
    await pause(latencyMs, c.req.raw.signal);
    return c.body(completion.whole, 200, { "content-type": "application/json" });
  }
  const stream = transmit({ completion, latencyMs, chunkBytes: config.chunkBytes, fault, breakOff });
  return c.body(stream, 200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
}

function checkContentType(contentType: string | undefined): void {
  if (/^application\/json\s*(;|$)/i.test(contentType ?? "")) return;
  const why = `Unsupported content type: '${contentType ?? ""}'. This API method only accepts 'application/json' requests.`;
  throw new Refusal(415, why);
}

/** At most `BODY_BYTES_MAX`. */
async function readBody(request: Request): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of request.body ?? []) {
    total += chunk.length;
    if (total > BODY_BYTES_MAX) throw new Refusal(413, `Request body is larger than ${BODY_BYTES_MAX} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal(400, "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload.");
  }
}

function checkKey(header: string | undefined, config: ServerConfig): void {
  if (config.apiKey === undefined) return;
  const key = keyOf(header);
  if (key === "") {
    throw new Refusal(
      401,
      "You didn't provide an API key. You need to provide your API key in an Authorization header.",
    );
  }
  const [given, wanted] = [key, config.apiKey].map((text) => createHash("sha256").update(text).digest());
  if (given !== undefined && wanted !== undefined && timingSafeEqual(given, wanted)) return;
  const shown = config.echoKey === "error" ? spellings(key).join(" ") : `${key.slice(0, 3)}***${key.slice(-4)}`;
  throw new Refusal(401, `Incorrect API key provided: ${shown}.`, { code: "invalid_api_key" });
}

function keyOf(header: string | undefined): string {
  return /^Bearer (.+)$/i.exec(header ?? "")?.[1]?.trim() ?? "";
}

/** The ways a careless provider may spell a key back. */
function spellings(key: string): string[] {
  const bytes = Buffer.from(key);
  return [key, bytes.toString("base64"), bytes.toString("hex"), encodeURIComponent(key)];
}

function echoed(
  c: Context<Env>,
  config: ServerConfig,
  answer: ReturnType<typeof answerOf>,
): ReturnType<typeof answerOf> {
  const key = keyOf(c.req.header("authorization"));
  if (config.echoKey !== "answer" || key === "") return answer;
  return { ...answer, text: `${answer.text} ${spellings(key).join(" ")}`.trim() };
}

function refused(c: Context<Env>, fault: Fault & { kind: "status" }): Response {
  const limited = fault.status === 429;
  const message =
    fault.message ??
    (limited ? "Rate limit reached for requests." : "The server had an error while processing your request.");
  const about = limited ? { kind: "requests", code: "rate_limit_exceeded" } : {};
  if (fault.retryAfter !== undefined) c.header("retry-after", fault.retryAfter);
  return c.json(new Refusal(fault.status, message, about).body(), fault.status);
}

function gone(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
}
