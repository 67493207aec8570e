// Keys and pointers of the person's browser as inputs of the worker's page.

import type { SessionInput } from "@openwrap/contracts";

/** Bits of the DevTools protocol. */
export const MODIFIERS = { alt: 1, control: 2, meta: 4, shift: 8 } as const;

interface Modified {
  altKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
}

export function modifiersOf(event: Modified): number {
  return (
    (event.altKey ? MODIFIERS.alt : 0) |
    (event.ctrlKey ? MODIFIERS.control : 0) |
    (event.metaKey ? MODIFIERS.meta : 0) |
    (event.shiftKey ? MODIFIERS.shift : 0)
  );
}

/** 0 none, 1 left, 2 middle, 3 right, from a DOM event's `button`. */
export function buttonOf(button: number): number {
  return button >= 0 && button <= 2 ? button + 1 : 0;
}

export interface Area {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A place on the drawn picture in CSS pixels of the page it shows, held inside the page. */
export function pagePoint(
  client: { x: number; y: number },
  drawn: Area,
  page: { width: number; height: number },
): { x: number; y: number } {
  const within = (value: number, size: number): number => Math.min(Math.max(value, 0), Math.max(size - 1, 0));
  const x = drawn.width > 0 ? ((client.x - drawn.left) * page.width) / drawn.width : 0;
  const y = drawn.height > 0 ? ((client.y - drawn.top) * page.height) / drawn.height : 0;
  return { x: within(Math.round(x), page.width), y: within(Math.round(y), page.height) };
}

/** A click as a mouse makes it. Touch events are never sent besides: the browser would make a second click of them. */
export function clickInputs(point: { x: number; y: number }, button: number, clicks = 1): SessionInput[] {
  const at = { ...point, modifiers: 0 };
  return [
    { kind: "pointer", act: "move", ...at, button: 0, clicks: 0 },
    { kind: "pointer", act: "down", ...at, button, clicks },
    { kind: "pointer", act: "up", ...at, button, clicks },
  ];
}

/** What a person wrote into the address bar as an address. */
export function addressOf(text: string): string {
  const trimmed = text.trim();
  if (/^[a-z][a-z0-9+.-]*:/i.test(trimmed) && !/^[^/]+:\d+(\/|$)/.test(trimmed)) return trimmed;
  return /^(localhost|127\.|\[::1\])/i.test(trimmed) ? `http://${trimmed}` : `https://${trimmed}`;
}
