// A clock that ticks each second while something on screen reads it.

import { type Accessor, createSignal } from "solid-js";

const [now, setNow] = createSignal(Date.now());
setInterval(() => {
  if (document.visibilityState === "visible") setNow(Date.now());
}, 1_000);
document.addEventListener("visibilitychange", () => setNow(Date.now()));

/** Milliseconds since the epoch, by the second. */
export const useNow = (): Accessor<number> => now;

/** True while the media query holds. */
export function createMedia(query: string): Accessor<boolean> {
  const list = matchMedia(query);
  const [matches, setMatches] = createSignal(list.matches);
  list.addEventListener("change", () => setMatches(list.matches));
  return matches;
}

/** No room for the tape and columns beside each other. */
export const narrow = createMedia("(max-width: 1100px)");
