// The only file that imports the addon.

import { availableParallelism } from "node:os";
import { error, native, switchedOff } from "@ku0/native-bindings/runtime";
import type { Fault } from "@openwrap/contracts";
import { type Core, CoreFault } from "./core.ts";
import type { CoreConfig } from "./settings.ts";

const RUNTIME_WORKERS_MAX = 8;

/**
 * The core's runtime wakes a sleeping worker for whatever another one leaves lying; with as many workers as processors that costs a step of
 * an agent a fifth of its time, and beside them run the page's thread, the ledger's and those that wait for files.
 */
function limitRuntimeWorkers(): void {
  const workers = Math.min(Math.max(1, Math.floor(availableParallelism() / 2)), RUNTIME_WORKERS_MAX);
  process.env.TOKIO_WORKER_THREADS ??= String(workers);
}

/** Reads what the addon rejected with: the JSON text of a fault, or a defect. */
function faultOf(reason: unknown): CoreFault {
  const text = reason instanceof Error ? reason.message : String(reason);
  try {
    const fault = JSON.parse(text) as Partial<Fault>;
    if (fault.code !== undefined && fault.message !== undefined && fault.hint !== undefined)
      return new CoreFault(fault as Fault);
  } catch {
    // Not JSON: a defect below the core's own error handling.
  }
  return new CoreFault({ code: "INTERNAL", message: text, hint: "This is a defect; the message says where." });
}

/** Opens the core. Without persistence there is none, and what is left says why. */
export async function openCore(config: Omit<CoreConfig, "disabled">): Promise<Core> {
  const disabled = switchedOff();
  const persistence = disabled.find((off) => off.feature === "persistence");
  if (persistence) return closedCore(disabled, persistence.switch);
  if (!native) {
    throw new CoreFault({
      code: "NATIVE_UNAVAILABLE",
      message: error?.message ?? "the core is missing",
      hint: "Build it with `npm run build`.",
    });
  }
  limitRuntimeWorkers();
  const full: CoreConfig = { ...config, disabled };
  const handle = await native.open(JSON.stringify(full)).catch((reason: unknown) => {
    throw faultOf(reason);
  });
  const orFault = <T>(promise: Promise<T>): Promise<T> =>
    promise.catch((reason: unknown) => {
      throw faultOf(reason);
    });
  return {
    call: (method, params, credentials) => orFault(handle.call(method, params, credentials)),
    input: (params, credentials) => {
      const answer = handle.input(params, credentials);
      return typeof answer === "string" ? answer : orFault(answer);
    },
    subscribe: (credentials, after, frames) => orFault(handle.subscribe(credentials, after, frames)),
    watchTerminal: (sessionId, credentials, frames) => orFault(handle.watchTerminal(sessionId, credentials, frames)),
    watchPictures: (sessionId, credentials, frames) => orFault(handle.watchPictures(sessionId, credentials, frames)),
    readFile: (params, credentials) => orFault(handle.readFile(params, credentials)),
    mayUpload: (params, credentials) => orFault(handle.mayUpload(params, credentials)),
    upload: (params, credentials, bytes) => orFault(handle.upload(params, credentials, Buffer.from(bytes))),
    listenBeyond: (beyond) => orFault(handle.listenBeyond(beyond)),
    close: () => orFault(handle.close()),
  };
}

/** What is left when the ledger is switched off: health, and the reason. */
function closedCore(disabled: { feature: string; switch: string }[], off: string): Core {
  const fault: Fault = {
    code: "FEATURE_DISABLED",
    message: `persistence is switched off by ${off}, and everything else needs it`,
    hint: "Start again without that variable.",
  };
  const health = { ok: false, version: "", contractsHash: native?.contractsHash() ?? "", disabled };
  return {
    call: async (method) => JSON.stringify(method === "health.get" ? { ok: health } : { error: fault }),
    input: () => JSON.stringify({ error: fault }),
    subscribe: async () => {
      throw new CoreFault(fault);
    },
    watchTerminal: async () => {
      throw new CoreFault(fault);
    },
    watchPictures: async () => {
      throw new CoreFault(fault);
    },
    readFile: async () => {
      throw new CoreFault(fault);
    },
    mayUpload: async () => {
      throw new CoreFault(fault);
    },
    upload: async () => JSON.stringify({ error: fault }),
    listenBeyond: async () => {
      throw new CoreFault(fault);
    },
    close: async () => {},
  };
}
