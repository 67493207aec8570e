// `@ku0/native-bindings/persistence` outside Node: the store is native only, and this says so.

import { NativeUnavailable } from "../feature.ts";
import type { PersistenceAddon } from "./store.ts";

export type { PersistenceAddon, PersistenceStore } from "./store.ts";
export { NativeUnavailable };

export const native: PersistenceAddon | null = null;
export const error: NativeUnavailable | null = new NativeUnavailable("persistence", "the store runs in Node only");
