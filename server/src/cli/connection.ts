// How a command reaches the core: through the running server of the data folder, or by opening the core itself. Either way
// it speaks the same routes with the same client; only the way the bytes travel differs.

import type { Event, Fault } from "@openwrap/contracts";
import { type Client, createClient } from "@openwrap/contracts/client";
import type { Core } from "../core.ts";
import { CoreFault } from "../core.ts";
import { ensureHome, freshToken, isAlive, type LockFile, readLock } from "../lock-file.ts";
import { readSettings, type Settings } from "../settings.ts";
import { type CommandCall, UsageError } from "./command.ts";
import { events } from "./event-stream.ts";

export interface Sequenced {
  sequence: number;
  event: Event;
}

export interface Connection {
  client: Client;
  /** Address of the running server; nothing when the core was opened for this command. */
  url: string | undefined;
  /** Facts after a sequence, until the signal aborts or the other side ends. */
  events(after: number, signal: AbortSignal): AsyncGenerator<Sequenced>;
  close(): Promise<void>;
}

type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

export function settingsOf(call: CommandCall): Settings {
  const home = call.value("home");
  const port = call.value("port");
  const listen = call.value("listen");
  const named = {
    ...(home === undefined ? {} : { home }),
    ...(port === undefined ? {} : { port }),
    ...(listen === undefined ? {} : { listen }),
  };
  try {
    return readSettings(named, call.terminal.env);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The server that runs on this data folder. */
export function runningServer(settings: Settings): LockFile | undefined {
  const lock = readLock(settings.home);
  return lock && isAlive(lock) ? lock : undefined;
}

export async function connect(call: CommandCall): Promise<Connection> {
  const settings = settingsOf(call);
  const lock = runningServer(settings);
  return lock ? connectTo(lock) : await openOwn(settings, call);
}

/** Connects to the running server, or says that there is none. */
export function connectToServer(call: CommandCall): Connection {
  const lock = runningServer(settingsOf(call));
  if (!lock) {
    throw new CoreFault({
      code: "INVALID_STATE",
      message: "no server runs on this data folder",
      hint: "Start one with: openwrap serve",
    });
  }
  return connectTo(lock);
}

function unreachable(lock: LockFile, reason: unknown): CoreFault {
  const why = reason instanceof Error ? reason.message : String(reason);
  const fault: Fault = {
    code: "INVALID_STATE",
    message: `the server at ${lock.url} did not answer (${why})`,
    hint: "If it was stopped, start it again with `openwrap serve`: runs that were under way go on.",
  };
  return new CoreFault(fault);
}

function connectTo(lock: LockFile): Connection {
  // By the loopback name, whatever address people use: the token goes to this machine only.
  const baseUrl = `http://localhost:${lock.port}`;
  const reach: Fetch = async (url, init) => {
    try {
      return await fetch(url, init);
    } catch (error) {
      if (init?.signal?.aborted) throw error;
      throw unreachable(lock, error);
    }
  };
  return connection(baseUrl, lock.token, reach, lock.url, async () => {});
}

async function openOwn(settings: Settings, call: CommandCall): Promise<Connection> {
  ensureHome(settings.home);
  const token = freshToken();
  const { openConfigured } = await import("../serve.ts");
  // Nothing listens: the rules that keep programs off the app's own port have none to keep them off.
  // Runs that were cut off belong to the next server.
  const core = await openConfigured(settings, 0, token, false, call.openCore);
  const { reach, end } = await inProcess(core);
  return connection("http://localhost", token, reach, undefined, async () => {
    end();
    await core.close();
  });
}

/** The server's routes without a socket: the guard is for strangers, and there are none here. */
async function inProcess(core: Core): Promise<{ reach: Fetch; end(): void }> {
  const [{ createApp }, { OpenStreams }] = await Promise.all([import("../http/app.ts"), import("../http/stream.ts")]);
  const streams = new OpenStreams();
  const app = createApp({ core: async () => core, streams });
  return { reach: async (url, init) => await app.fetch(new Request(url, init)), end: () => streams.endAll() };
}

function connection(
  baseUrl: string,
  token: string,
  reach: Fetch,
  url: string | undefined,
  close: () => Promise<void>,
): Connection {
  const headers = { authorization: `Bearer ${token}` };
  return {
    client: createClient({ baseUrl, fetch: reach as typeof fetch, headers }),
    url,
    events: (after, signal) => events(() => reach(`${baseUrl}/api/stream?after=${after}`, { headers, signal })),
    close,
  };
}
