// `@ku0/native-bindings/agent-toolkit` in Node.

import { type Entry, loadEntry } from "../loader.ts";
import type { AgentToolkitAddon } from "./registry.ts";

export { NativeUnavailable } from "../feature.ts";
export type { AgentToolkitAddon, AgentToolkitRegistry } from "./registry.ts";

const entry: Entry<AgentToolkitAddon> = loadEntry<AgentToolkitAddon>("agent-toolkit", [
  "AgentToolkitRegistry",
  "contractsHash",
]);

/** The addon, or `null`: then `error` says why. */
export const native = entry.native;
export const error = entry.error;
