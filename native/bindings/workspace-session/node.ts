// `@ku0/native-bindings/workspace-session` in Node.

import { type Entry, loadEntry } from "../loader.ts";
import type { WorkspaceSessionAddon } from "./manager.ts";

export { NativeUnavailable } from "../feature.ts";
export type { WorkspaceSessionAddon, WorkspaceSessionManager } from "./manager.ts";

const entry: Entry<WorkspaceSessionAddon> = loadEntry<WorkspaceSessionAddon>("workspace-session", [
  "WorkspaceSessionManager",
  "contractsHash",
]);

/** The addon, or `null`: then `error` says why. */
export const native = entry.native;
export const error = entry.error;
