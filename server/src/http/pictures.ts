// The pictures of a live session: frames as the core made them, at the pace of whoever looks.

import { LIMITS } from "@openwrap/contracts/limits";
import type { Hono } from "hono";
import { type Core, CoreFault } from "../core.ts";
import type { OpenedCore } from "./api.ts";
import { carriesEnough, credentialsOf, type Way } from "./credentials.ts";
import { cutLater, outgoingOf } from "./cut.ts";
import { faultResponse, refuse } from "./fault.ts";
import { Places } from "./places.ts";

/** One frame waits for the network; further ones give way to newer ones before they are written. */
const WAITING_BYTES_MAX = 256 * 1024;
/** Sessions that one device watches, and places that are kept for this machine. */
const PICTURES_EACH = 16;
const PICTURES_HERE = 16;

/** Picture streams that are open, so that a shutdown can end them. */
export class OpenPictures {
  readonly places = new Places({ most: LIMITS.STREAMS_MAX, each: PICTURES_EACH, here: PICTURES_HERE });
  private readonly live = new Set<PictureReader>();

  get count(): number {
    return this.live.size;
  }

  /** `cut`: ends the connection of a reader that was signed out and stands still. */
  open(core: Core, sessionId: string, credentialsJson: string, left: () => void, cut: () => void): Promise<Response> {
    const onEnd = (): void => {
      this.live.delete(reader);
      left();
    };
    const reader = new PictureReader(onEnd, cut);
    this.live.add(reader);
    return reader.response(core, sessionId, credentialsJson);
  }

  endAll(): void {
    for (const reader of [...this.live]) reader.end();
  }
}

class PictureReader {
  private readonly onEnd: () => void;
  private readonly cut: () => void;
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  private subscription: { close(): void } | undefined;
  /** The newest frame that could not be written yet. */
  private newest: Uint8Array | undefined;
  private ended = false;

  constructor(onEnd: () => void, cut: () => void) {
    this.onEnd = onEnd;
    this.cut = cut;
  }

  async response(core: Core, sessionId: string, credentialsJson: string): Promise<Response> {
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: () => this.write(),
        cancel: () => this.end(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES_MAX }),
    );
    try {
      const subscription = await core.watchPictures(sessionId, credentialsJson, (frame) => {
        if (frame.byteLength === 0) {
          this.end();
          this.cut();
          return;
        }
        this.newest = frame;
        this.write();
      });
      if (this.ended) subscription.close();
      else this.subscription = subscription;
    } catch (error) {
      this.end();
      throw error;
    }
    return new Response(body, {
      headers: { "content-type": "application/octet-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
    });
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.subscription?.close();
    try {
      this.controller?.close();
    } catch {
      // The reader has gone already.
    }
    this.onEnd();
  }

  private write(): void {
    if (this.ended || this.newest === undefined || (this.controller?.desiredSize ?? 0) <= 0) return;
    const frame = this.newest;
    // Before it is taken: taking it may ask for the next one at once.
    this.newest = undefined;
    this.controller?.enqueue(frame);
  }
}

export function mountPictures(app: Hono, core: OpenedCore, pictures: OpenPictures, way: Way): void {
  app.get("/api/sessions/pictures", async (context) => {
    if (context.req.raw.method !== "GET") return refuse("INVALID_ARGUMENTS", "use GET here");
    const credentials = credentialsOf(context.req.raw.headers, way);
    if (!carriesEnough(credentials)) return refuse("UNAUTHORIZED", "this browser is not signed in");
    const sessionId = context.req.query("sessionId") ?? "";
    if (!/^\w{1,64}$/.test(sessionId)) return refuse("INVALID_ARGUMENTS", "sessionId must name a session");
    const left = pictures.places.take(credentials, way);
    if (!left) return refuse("TOO_MANY_REQUESTS", "too many pictures are watched already");
    const cut = (): unknown => cutLater(outgoingOf(context));
    try {
      return await pictures.open(await core(), sessionId, JSON.stringify(credentials), left, cut);
    } catch (error) {
      left();
      if (error instanceof CoreFault) return faultResponse(error.fault);
      throw error;
    }
  });
}
