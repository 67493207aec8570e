// A press that was meant for what stood at the same place a moment before, or for another window, answers nothing: a question takes
// answers only after it has stood in front for a moment. A second click of a double click is over by then, and so is one that
// another page led here by closing its own window under the pointer.

import { type Accessor, createEffect, createSignal, on, onCleanup } from "solid-js";

/** Longer than the pause in a double click. */
const SETTLE_MS = 600;

/** Whether what `key` names has stood in front for long enough. */
export function createSettled(key: Accessor<string>): Accessor<boolean> {
  const [settled, setSettled] = createSignal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const begin = (): void => {
    clearTimeout(timer);
    setSettled(false);
    timer = setTimeout(() => setSettled(document.visibilityState === "visible"), SETTLE_MS);
  };
  createEffect(on(key, begin));
  addEventListener("focus", begin);
  document.addEventListener("visibilitychange", begin);
  onCleanup(() => {
    clearTimeout(timer);
    removeEventListener("focus", begin);
    document.removeEventListener("visibilitychange", begin);
  });
  return settled;
}
