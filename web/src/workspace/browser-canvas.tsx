// The picture of the page. While one drives, what is done on it is done on the page.

import type { SessionInput } from "@openwrap/contracts";
import { createEffect, createSignal, type JSX, on, onCleanup, Show } from "solid-js";
import { visible } from "../words/visible-text.ts";
import type { Sticky } from "./key-bar.tsx";
import { buttonOf, clickInputs, MODIFIERS, modifiersOf, pagePoint } from "./page-keys.ts";
import type { PictureFrame } from "./picture-stream.ts";
import { type Gesture, TouchGestures } from "./touch-gestures.ts";

export interface CanvasProps {
  frame: PictureFrame | undefined;
  driving: boolean;
  title: string;
  sticky: Sticky;
  push: (input: SessionInput) => void;
  release: () => void;
  /** The field that brings up a tablet's keyboard. */
  keyboard: (element: HTMLTextAreaElement) => void;
}

const ZOOM = { least: 1, most: 4 } as const;
/** The ring that shows where a finger was heard. */
const RING_MS = 600;

export function BrowserCanvas(props: CanvasProps): JSX.Element {
  let canvas: HTMLCanvasElement | undefined;
  const [zoom, setZoom] = createSignal(1);
  const [ring, setRing] = createSignal<{ x: number; y: number }>();
  const point = (x: number, y: number) =>
    pagePoint(
      { x, y },
      canvas?.getBoundingClientRect() ?? { left: 0, top: 0, width: 0, height: 0 },
      props.frame ?? { width: 0, height: 0 },
    );
  createPainter(
    () => props.frame,
    () => canvas,
  );
  const mouse = createMouse(props, point);
  const touch = createTouch(props, point, {
    zoom: (factor) => setZoom((before) => Math.min(ZOOM.most, Math.max(ZOOM.least, before * factor))),
    ring: setRing,
  });
  const of =
    (finger: (event: PointerEvent) => void, pointer: (event: PointerEvent) => void) =>
    (event: PointerEvent): void => {
      if (props.driving && event.pointerType === "touch") finger(event);
      else if (props.driving) pointer(event);
    };
  return (
    <div class="page-scroller" tabIndex={props.driving ? undefined : 0} role="group" aria-label="The page">
      <canvas
        class="page-canvas"
        classList={{ driven: props.driving }}
        style={{ "inline-size": `${zoom() * 100}%` }}
        width={1}
        height={1}
        tabIndex={props.driving ? 0 : undefined}
        role={props.driving ? "application" : "img"}
        aria-label={
          props.driving
            ? `Page ${visible(props.title)}, in your control. Shift Escape gives the keyboard back.`
            : `Picture of the page ${visible(props.title)}; its text stands beside it`
        }
        ref={(element) => {
          canvas = element;
        }}
        onPointerDown={of(touch.down, mouse.down)}
        onPointerMove={of(touch.move, mouse.move)}
        onPointerUp={of(touch.up, mouse.up)}
        onPointerCancel={of(touch.cancel, mouse.up)}
        onWheel={mouse.wheel}
        {...keyboardOf(props)}
      />
      <Show when={ring()}>
        {(at) => (
          <span class="tap-ring" style={{ "inset-inline-start": `${at().x}px`, "inset-block-start": `${at().y}px` }} />
        )}
      </Show>
      <Show when={props.driving}>
        <KeyboardField {...props} />
      </Show>
    </div>
  );
}

/** Draws the newest picture; one that is overtaken while it is decoded is never drawn. */
function createPainter(frame: () => PictureFrame | undefined, canvas: () => HTMLCanvasElement | undefined): void {
  let busy = false;
  let next: PictureFrame | undefined;
  let over = false;
  onCleanup(() => {
    over = true;
  });
  const paint = async (): Promise<void> => {
    busy = true;
    while (next && !over) {
      const one = next;
      next = undefined;
      try {
        const bitmap = await createImageBitmap(new Blob([one.bytes], { type: one.mediaType }));
        const target = canvas();
        if (target && !over) {
          if (target.width !== bitmap.width) target.width = bitmap.width;
          if (target.height !== bitmap.height) target.height = bitmap.height;
          target.getContext("2d")?.drawImage(bitmap, 0, 0);
          target.dataset.takenAt = String(one.takenAt);
        }
        bitmap.close();
      } catch {
        // A picture that cannot be decoded is left out; the next one is whole again.
      }
    }
    busy = false;
  };
  createEffect(
    on(frame, (newest) => {
      next = newest;
      if (newest && !busy) void paint();
    }),
  );
}

type ToPage = (x: number, y: number) => { x: number; y: number };

function createMouse(props: CanvasProps, point: ToPage) {
  const send = (event: PointerEvent, act: "move" | "down" | "up"): void => {
    event.preventDefault();
    const held = event.buttons & 1 ? 1 : event.buttons & 4 ? 2 : event.buttons & 2 ? 3 : 0;
    const button = act === "move" ? held : buttonOf(event.button);
    props.push({
      kind: "pointer",
      act,
      ...point(event.clientX, event.clientY),
      button,
      clicks: act === "move" ? 0 : Math.max(clicks, 1),
      modifiers: modifiersOf(event),
    });
  };
  let clicks = 0;
  let last = { at: 0, x: 0, y: 0 };
  return {
    down: (event: PointerEvent): void => {
      const near = Math.hypot(event.clientX - last.x, event.clientY - last.y) < 5 && event.timeStamp - last.at < 500;
      clicks = near ? Math.min(clicks + 1, 3) : 1;
      last = { at: event.timeStamp, x: event.clientX, y: event.clientY };
      if (event.currentTarget instanceof HTMLElement) {
        event.currentTarget.focus({ preventScroll: true });
        event.currentTarget.setPointerCapture(event.pointerId);
      }
      send(event, "down");
    },
    move: (event: PointerEvent): void => send(event, "move"),
    up: (event: PointerEvent): void => send(event, "up"),
    wheel: (event: WheelEvent): void => {
      if (!props.driving) return;
      event.preventDefault();
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const at = point(event.clientX, event.clientY);
      props.push({ kind: "wheel", ...at, deltaX: event.deltaX * unit, deltaY: event.deltaY * unit });
    },
  };
}

function createTouch(
  props: CanvasProps,
  point: ToPage,
  show: { zoom: (factor: number) => void; ring: (at: { x: number; y: number } | undefined) => void },
) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const act = (gesture: Gesture): void => {
    switch (gesture.kind) {
      case "click":
        for (const input of clickInputs(point(gesture.x, gesture.y), gesture.button)) props.push(input);
        show.ring({ x: gesture.x, y: gesture.y });
        clearTimeout(timer);
        timer = setTimeout(() => show.ring(undefined), RING_MS);
        return;
      case "drag":
        props.push({
          kind: "pointer",
          act: gesture.act,
          ...point(gesture.x, gesture.y),
          button: 1,
          clicks: gesture.act === "move" ? 0 : 1,
          modifiers: 0,
        });
        return;
      case "wheel": {
        const { deltaX, deltaY } = gesture;
        props.push({ kind: "wheel", ...point(gesture.x, gesture.y), deltaX, deltaY });
        return;
      }
      case "zoom":
        show.zoom(gesture.factor);
    }
  };
  const gestures = new TouchGestures(act);
  onCleanup(() => clearTimeout(timer));
  const finger = (event: PointerEvent) => {
    event.preventDefault();
    return { id: event.pointerId, x: event.clientX, y: event.clientY };
  };
  return {
    down: (event: PointerEvent): void => gestures.down(finger(event)),
    move: (event: PointerEvent): void => gestures.move(finger(event)),
    up: (event: PointerEvent): void => gestures.up(finger(event)),
    cancel: (event: PointerEvent): void => gestures.cancel(finger(event)),
  };
}

/** Keys and pasted text, and no menu of this browser over that of the page. */
function keyboardOf(props: CanvasProps) {
  return {
    onKeyDown: (event: KeyboardEvent): void => key(props, event, true),
    onKeyUp: (event: KeyboardEvent): void => key(props, event, false),
    onContextMenu: (event: Event): void => {
      if (props.driving) event.preventDefault();
    },
    onPaste: (event: ClipboardEvent): void => {
      if (!props.driving) return;
      event.preventDefault();
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (text !== "") props.push({ kind: "text", text });
    },
  };
}

/** A key goes to the page whole: shortcuts and arrows are more than text. Shift Escape is the way out. */
function key(props: CanvasProps, event: KeyboardEvent, down: boolean): void {
  if (!props.driving || event.isComposing) return;
  if (event.key === "Escape" && event.shiftKey) {
    event.preventDefault();
    if (down) props.release();
    return;
  }
  // Pasting brings the text of this machine, by the paste event.
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v") return;
  event.preventDefault();
  props.push({ kind: "key", down, key: event.key, code: event.code, modifiers: modifiersOf(event) });
}

/** Out of sight: a tablet shows its keyboard for it, and what it writes goes to the page. */
function KeyboardField(props: CanvasProps): JSX.Element {
  const plain = (name: string): void => {
    for (const down of [true, false]) props.push({ kind: "key", down, key: name, code: name, modifiers: 0 });
  };
  const write = (text: string): void => {
    const held = props.sticky.held();
    if (held.size === 0) {
      props.push({ kind: "text", text });
      return;
    }
    const modifiers = (held.has("Alt") ? MODIFIERS.alt : 0) | (held.has("Control") ? MODIFIERS.control : 0);
    const code = /^[a-z]$/i.test(text) ? `Key${text.toUpperCase()}` : text;
    for (const down of [true, false]) props.push({ kind: "key", down, key: text, code, modifiers });
    props.sticky.release();
  };
  return (
    <textarea
      class="keyboard-field"
      aria-label="Text for the page"
      autocapitalize="off"
      autocomplete="off"
      spellcheck={false}
      tabIndex={-1}
      rows="1"
      ref={props.keyboard}
      onKeyDown={(event) => {
        if (event.key.length > 1 && event.key !== "Unidentified" && !event.isComposing) key(props, event, true);
      }}
      onInput={(event) => {
        const { inputType, isComposing } = event as InputEvent;
        if (isComposing) return;
        const text = event.currentTarget.value;
        event.currentTarget.value = "";
        if (inputType === "deleteContentBackward") plain("Backspace");
        else if (text === "\n") plain("Enter");
        else if (text !== "") write(text);
      }}
      onCompositionEnd={(event) => {
        const text = event.data;
        event.currentTarget.value = "";
        if (text !== "") write(text);
      }}
    />
  );
}
