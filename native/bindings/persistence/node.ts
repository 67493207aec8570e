// `@ku0/native-bindings/persistence` in Node.

import { type Entry, loadEntry } from "../loader.ts";
import type { PersistenceAddon } from "./store.ts";

export { NativeUnavailable } from "../feature.ts";
export type { PersistenceAddon, PersistenceStore } from "./store.ts";

const entry: Entry<PersistenceAddon> = loadEntry<PersistenceAddon>("persistence", [
  "PersistenceStore",
  "contractsHash",
]);

/** The addon, or `null`: then `error` says why. */
export const native = entry.native;
export const error = entry.error;
