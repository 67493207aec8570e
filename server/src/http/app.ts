// Routes of the server, behind the guard.

import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { CoreFault } from "../core.ts";
import { mountApi, type OpenedCore } from "./api.ts";
import { credentialsOf, type Way } from "./credentials.ts";
import { cutLater } from "./cut.ts";
import { mountDownload } from "./download.ts";
import { faultResponse, refuse } from "./fault.ts";
import { type Door, guard, wayOf } from "./guard.ts";
import { takesInput } from "./input.ts";
import { isKnown } from "./known.ts";
import { mountLaunch } from "./launch.ts";
import { BuiltPage, mountPage } from "./page.ts";
import { keepUnpaired, mountPairing } from "./pairing.ts";
import { mountPictures } from "./pictures.ts";
import { mountStream, type OpenStreams } from "./stream.ts";
import { mountTrust, type TrustOf } from "./trust.ts";
import { mountUpload } from "./upload.ts";

export interface AppParts {
  core: OpenedCore;
  /** Where these requests come in. */
  door: Door;
  /** Folder of the built page. */
  page: string;
  streams: OpenStreams;
  /** A stranger's request is over by then, answer and all. */
  strangerMs?: number;
  /** The authority that devices are asked to trust, when there is one. */
  trust?: TrustOf;
}

/** Enough for the pairing page over a slow network. */
const STRANGER_MS = 30_000;

export type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Methods, stream, downloads and uploads: what page and command line share. */
export function createApp(parts: Pick<AppParts, "core" | "streams"> & { way?: Way }): Hono {
  const { core, streams, way = "loopback" } = parts;
  const app = new Hono();
  mountApi(app, core, way);
  mountStream(app, core, streams, way);
  mountPictures(app, core, streams.pictures, way);
  mountDownload(app, core, way);
  mountUpload(app, core, way);
  app.notFound(() => refuse("NOT_FOUND", "there is no such route"));
  app.onError((error) => {
    if (error instanceof CoreFault) return faultResponse(error.fault);
    console.error(`request failed: ${error.message}`);
    return refuse("INTERNAL", "the server could not answer; its output says more");
  });
  return app;
}

/** Cuts off who reads no answer, unless it turns out to be a device that was paired. */
function limitStranger(core: OpenedCore, request: IncomingMessage, response: ServerResponse, ms: number): void {
  const goOn = cutLater(response, ms);
  const { headers } = request;
  const credentials = credentialsOf({ get: (name) => (headers[name] as string | undefined) ?? null }, "beyond");
  // What the core cannot say stays a stranger.
  isKnown(core, credentials).then(
    (known) => known && goOn(),
    () => undefined,
  );
}

export function createListener(parts: AppParts): Listener {
  const { core, door, page, streams, trust, strangerMs = STRANGER_MS } = parts;
  const way = wayOf(door);
  const app = createApp({ core, streams, way });
  const built = new BuiltPage(page);
  if (trust) mountTrust(app, trust);
  if (way === "beyond") {
    mountPairing(app, built);
    keepUnpaired(app, core);
  } else mountLaunch(app, core);
  mountPage(app, built);
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return (request, response) => {
    if (way === "beyond") limitStranger(core, request, response, strangerMs);
    if (!guard(request, response, door) || takesInput(core, request, response, way)) return;
    void listener(request, response);
  };
}
