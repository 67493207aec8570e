// The HTTP face: the routes of the provider's API that a workforce uses.

import { createHash, timingSafeEqual } from "node:crypto";
import { appendFileSync } from "node:fs";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { readConversation } from "./conversation.ts";
import { type Fault, FaultDesk, type FaultRule, shareOf } from "./faults.ts";
import { Refusal } from "./refusal.ts";
import { answerOf, type Scenario, scenarioOf } from "./scenario.ts";
import { readRecording, transcribed } from "./transcriptions.ts";
import { FLUSH_MS, pause, transmit } from "./transmission.ts";
import { type Wire, wireOf } from "./wires.ts";

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
  /** The words of every recording; without them the answer says that nobody has listened. */
  transcript?: string;
  /** A file that gets one line of JSON a request. */
  record?: string;
  /** A file that gets every request as it came, keys aside: `{path, headers, body}`, a line each. */
  requests?: string;
}

type Env = { Bindings: HttpBindings; Variables: { body: Buffer; wire: Wire; requestId: string } };

const BODY_BYTES_MAX = 16 * 1024 * 1024;
const RECORDINGS = "/v1/audio/transcriptions";

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
    return refuse(c, error);
  });
  app.use("*", async (c, next) => {
    const wire = wireOf(c.req.path, (name) => c.req.header(name));
    c.set("wire", wire);
    c.set("requestId", "req_unread");
    if (c.req.path.startsWith("/v1/")) {
      // Read before anything is refused: a client that still sends would lose the answer.
      c.set("body", await readBody(c.req.raw, c.req.path === RECORDINGS ? 2 * BODY_BYTES_MAX : BODY_BYTES_MAX));
      c.set(
        "requestId",
        `req_${createHash("sha256").update(c.req.path).update(c.get("body")).digest("hex").slice(0, 24)}`,
      );
      keepRequest(c, config);
      checkKey(c, config);
      wire.checkHeaders((name) => c.req.header(name));
    }
    await next();
    c.header(wire.idHeader, c.get("requestId"));
  });
  app.notFound((c) => {
    const why = `Unknown request URL: ${c.req.method} ${c.req.path}. Please check the URL for typos.`;
    return refuse(c, new Refusal(404, c.get("wire").name === "chat" ? why : "Not Found"));
  });
  app.get("/v1/models", (c) => c.json(c.get("wire").models(config.models)));
  app.get("/v1/models/:id", (c) => {
    const id = c.req.param("id");
    if (config.models.includes(id)) return c.json(c.get("wire").model(id));
    throw c.get("wire").noModel(id);
  });
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    app.post(path, async (c) => answer(c, config, desk, note));
    app.all(path, (c) => {
      throw new Refusal(405, `Not allowed to ${c.req.method} on ${c.req.path} (HINT: Perhaps you meant to use POST?)`);
    });
  }
  app.post(RECORDINGS, async (c) => listen(c, config, desk, note));
  return app;
}

async function listen(
  c: Context<Env>,
  config: ServerConfig,
  desk: FaultDesk,
  note: (line: object) => void,
): Promise<Response> {
  const bytes = c.get("body");
  const recording = await readRecording(c.req.header("content-type"), bytes, config.models);
  const hash = createHash("sha256").update(recording.bytes).digest("hex");
  const fault = desk.nextOf("audio", config.faults, hash);
  note({
    status: fault?.kind === "status" ? fault.status : 200,
    hash,
    role: "audio",
    file: recording.name,
    prompt: recording.prompt,
    ...(fault ? { fault: fault.kind } : {}),
  });
  if (fault?.kind === "status") return refused(c, fault);
  const key = c.get("wire").keyOf((name) => c.req.header(name));
  const echo = config.echoKey === "answer" && key !== "" ? ` ${spellings(key).join(" ")}` : "";
  const answer = JSON.stringify(
    transcribed(recording, config.transcript === undefined ? undefined : config.transcript + echo),
  );
  await pause(config.latencyMs[0], c.req.raw.signal);
  if (fault?.kind === "cut") {
    const half = new ReadableStream<Uint8Array>({
      start: async (controller) => {
        controller.enqueue(Buffer.from(answer.slice(0, answer.length / 2)));
        await pause(FLUSH_MS);
        c.env.outgoing.destroy();
      },
    });
    return c.body(half, 200, { "content-type": "application/json" });
  }
  return c.body(fault?.kind === "malformed" ? "{" : answer, 200, { "content-type": "application/json" });
}

function refuse(c: Context<Env>, refusal: Refusal): Response {
  const wire = c.get("wire");
  const id = c.get("requestId");
  c.header(wire.idHeader, id);
  return c.json(wire.refusal(refusal, id), refusal.status as 400);
}

/** Headers that hold a key are kept by name only. */
const KEY_HEADERS = new Set(["authorization", "x-api-key"]);

function keepRequest(c: Context<Env>, { requests }: ServerConfig): void {
  if (requests === undefined) return;
  const headers = Object.fromEntries(
    Object.entries(c.req.header()).map(([name, value]) => [name, KEY_HEADERS.has(name) ? "" : value]),
  );
  const body = c.get("body").toString("utf8");
  appendFileSync(requests, `${JSON.stringify({ method: c.req.method, path: c.req.path, headers, body })}\n`);
}

async function answer(
  c: Context<Env>,
  config: ServerConfig,
  desk: FaultDesk,
  note: (line: object) => void,
): Promise<Response> {
  const bytes = c.get("body");
  checkContentType(c.req.header("content-type"));
  const asked = c.get("wire").read(parse(bytes), config.models, (name) => c.req.header(name));
  const hash = createHash("sha256").update(bytes).digest("hex");
  const conversation = readConversation(asked.chat);
  const scenario = scenarioOf(config.scenarios, conversation);
  const fault = desk.next([...config.faults, ...(scenario?.faults ?? [])], conversation, hash);
  const { role, turn } = conversation;
  const about = { hash, role, task: conversation.task.id, turn, scenario: scenario?.name ?? null };
  note({ status: fault?.kind === "status" ? fault.status : 200, ...about, ...(fault ? { fault: fault.kind } : {}) });
  if (fault?.kind === "status") return refused(c, fault);
  const completion = asked.complete(echoed(c, config, answerOf(scenario, conversation)), hash);
  const [least, most] = config.latencyMs;
  const latencyMs = least + (most - least) * shareOf(config.seed, hash, "latency");
  const breakOff = (): void => void c.env.outgoing.destroy();
  if (fault?.kind === "hang" && fault.after < 0) {
    await gone(c.req.raw.signal);
    breakOff();
  }
  if (!asked.stream) {
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

async function readBody(request: Request, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of request.body ?? []) {
    total += chunk.length;
    if (total > bytesMax) throw new Refusal(413, `Request body is larger than ${bytesMax} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal(400, "We could not parse the JSON body of your request. This API expects a JSON payload.");
  }
}

function checkKey(c: Context<Env>, config: ServerConfig): void {
  if (config.apiKey === undefined) return;
  const wire = c.get("wire");
  const key = wire.keyOf((name) => c.req.header(name));
  if (key === "") throw new Refusal(401, wire.noKey);
  const [given, wanted] = [key, config.apiKey].map((text) => createHash("sha256").update(text).digest());
  if (given !== undefined && wanted !== undefined && timingSafeEqual(given, wanted)) return;
  throw wire.wrongKey(config.echoKey === "error" ? spellings(key).join(" ") : `${key.slice(0, 3)}***${key.slice(-4)}`);
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
  const key = c.get("wire").keyOf((name) => c.req.header(name));
  if (config.echoKey !== "answer" || key === "") return answer;
  return { ...answer, text: `${answer.text} ${spellings(key).join(" ")}`.trim() };
}

function refused(c: Context<Env>, fault: Fault & { kind: "status" }): Response {
  const { message, ...about } = c.get("wire").faultWords(fault.status);
  if (fault.retryAfter !== undefined) c.header("retry-after", fault.retryAfter);
  return refuse(c, new Refusal(fault.status, fault.message ?? message, about));
}

function gone(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
}
