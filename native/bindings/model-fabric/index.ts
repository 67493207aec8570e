// `@ku0/native-bindings/model-fabric` outside Node: the fabric is native only, and this says so.

import { NativeUnavailable } from "../feature.ts";
import type { ModelFabricAddon } from "./fabric.ts";

export type { ModelFabric, ModelFabricAddon } from "./fabric.ts";
export { NativeUnavailable };

export const native: ModelFabricAddon | null = null;
export const error: NativeUnavailable | null = new NativeUnavailable("model-fabric", "the fabric runs in Node only");
