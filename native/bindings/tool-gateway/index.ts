// `@ku0/native-bindings/tool-gateway` outside Node: the tool gateway is native only, and this says so.

import { NativeUnavailable } from "../feature.ts";
import type { ToolGatewayAddon } from "./gateway.ts";

export type { ToolGateway, ToolGatewayAddon } from "./gateway.ts";
export { NativeUnavailable };

export const native: ToolGatewayAddon | null = null;
export const error: NativeUnavailable | null = new NativeUnavailable(
  "tool-gateway",
  "the tool gateway runs in Node only",
);
