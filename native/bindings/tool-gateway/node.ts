// `@ku0/native-bindings/tool-gateway` in Node.

import { type Entry, loadEntry } from "../loader.ts";
import type { ToolGatewayAddon } from "./gateway.ts";

export { NativeUnavailable } from "../feature.ts";
export type { ToolGateway, ToolGatewayAddon } from "./gateway.ts";

const entry: Entry<ToolGatewayAddon> = loadEntry<ToolGatewayAddon>("tool-gateway", ["ToolGateway", "contractsHash"]);

/** The addon, or `null`: then `error` says why. */
export const native = entry.native;
export const error = entry.error;
