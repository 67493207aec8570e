// A command a person gave: under way, failed, or done.

import { ApiFault } from "@openwrap/contracts/client";
import { type Accessor, createSignal } from "solid-js";

export interface Action<A extends unknown[]> {
  run: (...args: A) => Promise<void>;
  /** True while the server has not answered. */
  busy: Accessor<boolean>;
  fault: Accessor<ApiFault | undefined>;
  clear: () => void;
}

/** One at a time: a second press while the first is under way does nothing. */
export function createAction<A extends unknown[]>(act: (...args: A) => Promise<unknown>): Action<A> {
  const [busy, setBusy] = createSignal(false);
  const [fault, setFault] = createSignal<ApiFault>();
  const run = async (...args: A): Promise<void> => {
    if (busy()) return;
    setBusy(true);
    setFault(undefined);
    try {
      await act(...args);
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
      setFault(() => error);
    } finally {
      setBusy(false);
    }
  };
  return { run, busy, fault, clear: () => setFault(undefined) };
}

/** Repeating a command with the same id does it once. */
export function requestId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
}
