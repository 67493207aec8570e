// Routes of the server, behind the guard.

import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { CoreFault } from "../core.ts";
import { mountApi, type OpenedCore } from "./api.ts";
import { mountDownload } from "./download.ts";
import { faultResponse, refuse } from "./fault.ts";
import { type GuardRules, guard } from "./guard.ts";
import { takesInput } from "./input.ts";
import { mountLaunch } from "./launch.ts";
import { mountPage } from "./page.ts";
import { mountPictures } from "./pictures.ts";
import { mountStream, type OpenStreams } from "./stream.ts";
import { mountUpload } from "./upload.ts";

export interface AppParts {
  core: OpenedCore;
  rules: GuardRules;
  /** Folder of the built page. */
  page: string;
  streams: OpenStreams;
}

export type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Methods, stream, downloads and uploads: what page and command line share. */
export function createApp({ core, streams }: Pick<AppParts, "core" | "streams">): Hono {
  const app = new Hono();
  mountApi(app, core);
  mountStream(app, core, streams);
  mountPictures(app, core, streams.pictures);
  mountDownload(app, core);
  mountUpload(app, core);
  app.notFound(() => refuse("NOT_FOUND", "there is no such route"));
  app.onError((error) => {
    if (error instanceof CoreFault) return faultResponse(error.fault);
    console.error(`request failed: ${error.message}`);
    return refuse("INTERNAL", "the server could not answer; its output says more");
  });
  return app;
}

export function createListener({ core, rules, page, streams }: AppParts): Listener {
  const app = createApp({ core, streams });
  mountLaunch(app, core);
  mountPage(app, page);
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return (request, response) => {
    if (!guard(request, response, rules) || takesInput(core, request, response)) return;
    void listener(request, response);
  };
}
