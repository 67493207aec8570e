// Something read from the server for the screen: the newest key wins, and what was known stays while it is read again.

import { ApiFault } from "@openwrap/contracts/client";
import { type Accessor, createEffect, createSignal, on, onCleanup } from "solid-js";

export interface Read<T> {
  value: Accessor<T | undefined>;
  fault: Accessor<ApiFault | undefined>;
  busy: Accessor<boolean>;
  again: () => void;
}

/** Reads nothing while the key is undefined. A key counts as the same when its JSON is. `keep`: what another key gave stays meanwhile. */
export function createRead<K, T>(
  key: () => K | undefined,
  load: (key: K) => Promise<T>,
  { keep = false }: { keep?: boolean } = {},
): Read<T> {
  const [value, setValue] = createSignal<T>();
  const [fault, setFault] = createSignal<ApiFault>();
  const [busy, setBusy] = createSignal(false);
  const [turn, setTurn] = createSignal(0);
  let newest = 0;
  let shown = "";
  onCleanup(() => {
    newest = -1;
  });
  const read = async (wanted: K, name: string): Promise<void> => {
    newest += 1;
    const mine = newest;
    if (name !== shown && !keep) setValue(undefined);
    shown = name;
    setBusy(true);
    try {
      const found = await load(wanted);
      if (mine !== newest) return;
      setFault(undefined);
      setValue(() => found);
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
      if (mine === newest) setFault(() => error);
    } finally {
      if (mine === newest) setBusy(false);
    }
  };
  const name = (): string | undefined => {
    const wanted = key();
    return wanted === undefined ? undefined : JSON.stringify(wanted);
  };
  createEffect(
    on([name, turn], ([current]) => {
      const wanted = key();
      if (current !== undefined && wanted !== undefined) void read(wanted, current);
      else setValue(undefined);
    }),
  );
  return { value, fault, busy, again: () => setTurn((before) => before + 1) };
}
