// `@ku0/native-bindings/model-fabric` in Node.

import { type Entry, loadEntry } from "../loader.ts";
import type { ModelFabricAddon } from "./fabric.ts";

export { NativeUnavailable } from "../feature.ts";
export type { ModelFabric, ModelFabricAddon } from "./fabric.ts";

const entry: Entry<ModelFabricAddon> = loadEntry<ModelFabricAddon>("model-fabric", ["ModelFabric", "contractsHash"]);

/** The addon, or `null`: then `error` says why. */
export const native = entry.native;
export const error = entry.error;
