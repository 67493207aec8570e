// `@ku0/native-bindings/runtime` in Node: the whole core.

import { type Entry, loadRuntime, switchedOff } from "../loader.ts";
import type { RuntimeAddon } from "./core.ts";

export { NativeUnavailable } from "../feature.ts";
export type { CoreHandle, RuntimeAddon, Subscription } from "./core.ts";
export { switchedOff };

const entry: Entry<RuntimeAddon> = loadRuntime<RuntimeAddon>(["open", "contractsHash"]);

/** The addon, or `null`: then `error` says why. */
export const native = entry.native;
export const error = entry.error;
