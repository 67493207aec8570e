// `@ku0/native-bindings/agent-workforce` outside Node: the orchestrator is native only, and this says so.

import { NativeUnavailable } from "../feature.ts";
import type { WorkforceAddon } from "./orchestrator.ts";

export type { WorkforceAddon, WorkforceOrchestrator } from "./orchestrator.ts";
export { NativeUnavailable };

export const native: WorkforceAddon | null = null;
export const error: NativeUnavailable | null = new NativeUnavailable(
  "agent-workforce",
  "the orchestrator runs in Node only",
);
