// The one event stream of a page: frames as the core made them, a heartbeat, and a pace that the reader sets.

import { LIMITS } from "@openwrap/contracts/limits";
import type { Hono } from "hono";
import { type Core, CoreFault, type Subscription } from "../core.ts";
import type { OpenedCore } from "./api.ts";
import { carriesEnough, credentialsOf, type Way } from "./credentials.ts";
import { cutLater, outgoingOf } from "./cut.ts";
import { OpenSockets } from "./drive.ts";
import { faultResponse, refuse } from "./fault.ts";
import { OpenPictures } from "./pictures.ts";
import { Places } from "./places.ts";

/** A comment goes out so often; a reader that hears nothing for twice as long reconnects. */
const HEARTBEAT_MS = 15_000;
/** How the frame begins with which the core ends a stream. */
const FAULT = "event: fault\n";
/** Text that waits for a slow reader. Beyond it the core waits until the reader has caught up. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** Streams of one device, and those that are kept for this machine. */
const STREAMS_EACH = 8;
const STREAMS_HERE = 16;

/** Streams that are open, so that a shutdown can end them. */
export class OpenStreams {
  /** Pictures of live sessions, which have streams of their own. */
  readonly pictures = new OpenPictures();
  /** Of those who drive. */
  readonly sockets = new OpenSockets();
  readonly places = new Places({ most: LIMITS.STREAMS_MAX, each: STREAMS_EACH, here: STREAMS_HERE });
  private readonly live = new Set<EventStream>();

  get count(): number {
    return this.live.size;
  }

  /** `cut`: ends the connection of a reader that does not take the core's last word. */
  open(core: Core, credentialsJson: string, after: number, left: () => void, cut: () => void): EventStream {
    const onEnd = (): void => {
      this.live.delete(stream);
      left();
    };
    const stream = new EventStream(core, credentialsJson, after, onEnd, cut);
    this.live.add(stream);
    return stream;
  }

  endAll(): void {
    for (const stream of [...this.live]) stream.end();
    this.pictures.endAll();
    this.sockets.endAll();
  }
}

/** One reader. */
export class EventStream {
  private readonly core: Core;
  private readonly credentialsJson: string;
  private readonly onEnd: () => void;
  private readonly cut: () => void;
  private readonly after: number;
  private subscription: Subscription | undefined;
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private paused = false;
  private ended = false;

  constructor(core: Core, credentialsJson: string, after: number, onEnd: () => void, cut: () => void) {
    this.core = core;
    this.credentialsJson = credentialsJson;
    this.after = after;
    this.onEnd = onEnd;
    this.cut = cut;
  }

  /** Rejects when the core refuses the reader. */
  async response(): Promise<Response> {
    try {
      const body = new ReadableStream<Uint8Array>(
        {
          start: (controller) => {
            this.controller = controller;
          },
          pull: () => this.pace(),
          cancel: () => this.end(),
        },
        new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES_MAX }),
      );
      await this.subscribe();
      this.heartbeat = setInterval(() => this.push(": \n\n"), HEARTBEAT_MS);
      // A first comment lets the page know at once that the stream is there.
      this.push(": open\n\n");
      return new Response(body, {
        headers: {
          "content-type": "text/event-stream",
          "cache-control": "no-cache, no-transform",
          "x-accel-buffering": "no",
        },
      });
    } catch (error) {
      this.end();
      throw error;
    }
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.heartbeat);
    this.subscription?.close();
    try {
      this.controller?.close();
    } catch {
      // The reader has gone already.
    }
    this.onEnd();
  }

  private async subscribe(): Promise<void> {
    const subscription = await this.core.subscribe(this.credentialsJson, this.after, (text) => {
      this.push(text);
      // The core's last word: the reader was signed out, or it cannot go on.
      if (!text.startsWith(FAULT)) return this.pace();
      this.end();
      this.cut();
    });
    if (this.ended) return subscription.close();
    this.subscription = subscription;
    this.pace();
  }

  /** The core goes on as the reader does: what is on its way is still taken. */
  private pace(): void {
    const full = (this.controller?.desiredSize ?? 0) <= 0;
    if (this.ended || !this.subscription || full === this.paused) return;
    this.paused = full;
    if (full) this.subscription.pause();
    else this.subscription.resume();
  }

  private push(text: string): void {
    if (!this.ended) this.controller?.enqueue(Buffer.from(text, "utf8"));
  }
}

export function mountStream(app: Hono, core: OpenedCore, streams: OpenStreams, way: Way): void {
  app.get("/api/stream", async (context) => {
    if (context.req.raw.method !== "GET") return refuse("INVALID_ARGUMENTS", "use GET here");
    const credentials = credentialsOf(context.req.raw.headers, way);
    if (!carriesEnough(credentials)) return refuse("UNAUTHORIZED", "this browser is not signed in");
    const after = context.req.query("after") ?? "0";
    if (!/^\d{1,10}$/.test(after)) return refuse("INVALID_ARGUMENTS", "after must be a sequence");
    const left = streams.places.take(credentials, way);
    if (!left) return refuse("TOO_MANY_REQUESTS", "too many streams are open already");
    const cut = (): unknown => cutLater(outgoingOf(context));
    try {
      return await streams.open(await core(), JSON.stringify(credentials), Number(after), left, cut).response();
    } catch (error) {
      left();
      if (error instanceof CoreFault) return faultResponse(error.fault);
      throw error;
    }
  });
}
