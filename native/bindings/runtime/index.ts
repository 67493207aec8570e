// `@ku0/native-bindings/runtime` outside Node: the core is native only, and this says so.

import { NativeUnavailable } from "../feature.ts";
import type { RuntimeAddon } from "./core.ts";

export type { CoreHandle, RuntimeAddon, Subscription } from "./core.ts";
export { NativeUnavailable };

export const native: RuntimeAddon | null = null;
export const error: NativeUnavailable | null = new NativeUnavailable("runtime", "the core runs in Node only");
export const switchedOff = (): { feature: string; switch: string }[] => [];
