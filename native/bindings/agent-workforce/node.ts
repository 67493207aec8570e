// `@ku0/native-bindings/agent-workforce` in Node.

import { type Entry, loadEntry } from "../loader.ts";
import type { WorkforceAddon } from "./orchestrator.ts";

export { NativeUnavailable } from "../feature.ts";
export type { WorkforceAddon, WorkforceOrchestrator } from "./orchestrator.ts";

const entry: Entry<WorkforceAddon> = loadEntry<WorkforceAddon>("agent-workforce", [
  "WorkforceOrchestrator",
  "contractsHash",
]);

/** The addon, or `null`: then `error` says why. */
export const native = entry.native;
export const error = entry.error;
