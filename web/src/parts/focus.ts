// Where the focus goes when what had it is taken away.

const CONTROLS = "button:enabled, input:enabled, select:enabled, textarea:enabled, a[href], summary";

/** To the first control within, once it is on screen. */
export function focusFirst(within: () => HTMLElement | undefined): void {
  queueMicrotask(() => within()?.querySelector<HTMLElement>(CONTROLS)?.focus());
}

/** As `focusFirst`, but only when nothing has the focus: it is not taken from what a person turned to meanwhile. */
export function focusIfLost(within: () => HTMLElement | undefined): void {
  queueMicrotask(() => {
    if (document.activeElement === document.body) within()?.querySelector<HTMLElement>(CONTROLS)?.focus();
  });
}
