// `@ku0/native-bindings/workspace-session` outside Node: the session manager is native only, and this says so.

import { NativeUnavailable } from "../feature.ts";
import type { WorkspaceSessionAddon } from "./manager.ts";

export type { WorkspaceSessionAddon, WorkspaceSessionManager } from "./manager.ts";
export { NativeUnavailable };

export const native: WorkspaceSessionAddon | null = null;
export const error: NativeUnavailable | null = new NativeUnavailable(
  "workspace-session",
  "the session manager runs in Node only",
);
