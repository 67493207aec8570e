// `@ku0/native-bindings/agent-toolkit` outside Node: the toolkit registry is native only, and this says so.

import { NativeUnavailable } from "../feature.ts";
import type { AgentToolkitAddon } from "./registry.ts";

export type { AgentToolkitAddon, AgentToolkitRegistry } from "./registry.ts";
export { NativeUnavailable };

export const native: AgentToolkitAddon | null = null;
export const error: NativeUnavailable | null = new NativeUnavailable(
  "agent-toolkit",
  "the toolkit registry runs in Node only",
);
