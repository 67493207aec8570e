// Fingers on the picture of a page: tap = click, long press = right click, one finger that moves = drag, two = wheel, pinch = zoom of
// the picture alone.

export type Gesture =
  | { kind: "click"; x: number; y: number; button: 1 | 3 }
  | { kind: "drag"; act: "down" | "move" | "up"; x: number; y: number }
  | { kind: "wheel"; x: number; y: number; deltaX: number; deltaY: number }
  | { kind: "zoom"; factor: number };

export interface Finger {
  id: number;
  x: number;
  y: number;
}

export const LONG_PRESS_MS = 500;
/** CSS pixels a finger may tremble. */
const STILL = 10;
/** Change of the distance between two fingers that makes a pinch of it. */
const PINCH = 28;

type Mode = "none" | "press" | "drag" | "held" | "pair" | "wheel" | "pinch";

export class TouchGestures {
  private readonly emit: (gesture: Gesture) => void;
  private fingers = new Map<number, Finger>();
  private mode: Mode = "none";
  private from: Finger = { id: 0, x: 0, y: 0 };
  private span = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(emit: (gesture: Gesture) => void) {
    this.emit = emit;
  }

  down(finger: Finger): void {
    this.fingers.set(finger.id, finger);
    clearTimeout(this.timer);
    if (this.fingers.size === 1) {
      this.mode = "press";
      this.from = finger;
      this.timer = setTimeout(() => this.hold(), LONG_PRESS_MS);
    } else {
      if (this.mode === "drag") this.emit({ kind: "drag", act: "up", x: finger.x, y: finger.y });
      this.mode = this.fingers.size === 2 ? "pair" : "none";
      this.span = this.distance();
      this.from = this.middle();
    }
  }

  move(finger: Finger): void {
    if (!this.fingers.has(finger.id)) return;
    this.fingers.set(finger.id, finger);
    if (this.mode === "press" && Math.hypot(finger.x - this.from.x, finger.y - this.from.y) > STILL) {
      clearTimeout(this.timer);
      this.mode = "drag";
      this.emit({ kind: "drag", act: "down", x: this.from.x, y: this.from.y });
    }
    if (this.mode === "drag") this.emit({ kind: "drag", act: "move", x: finger.x, y: finger.y });
    if (this.mode === "pair" || this.mode === "wheel" || this.mode === "pinch") this.pair();
  }

  up(finger: Finger): void {
    if (!this.fingers.delete(finger.id)) return;
    clearTimeout(this.timer);
    if (this.mode === "press") this.emit({ kind: "click", x: this.from.x, y: this.from.y, button: 1 });
    if (this.mode === "drag") this.emit({ kind: "drag", act: "up", x: finger.x, y: finger.y });
    // A finger that is left over after two is no press.
    this.mode = "none";
  }

  /** The browser took the fingers for itself. */
  cancel(finger: Finger): void {
    if (!this.fingers.delete(finger.id)) return;
    clearTimeout(this.timer);
    if (this.mode === "drag") this.emit({ kind: "drag", act: "up", x: finger.x, y: finger.y });
    this.mode = "none";
  }

  private hold(): void {
    if (this.mode !== "press") return;
    this.mode = "held";
    this.emit({ kind: "click", x: this.from.x, y: this.from.y, button: 3 });
  }

  private pair(): void {
    const middle = this.middle();
    const span = this.distance();
    if (this.mode === "pair") {
      if (Math.abs(span - this.span) > PINCH) this.mode = "pinch";
      else if (Math.hypot(middle.x - this.from.x, middle.y - this.from.y) > STILL) this.mode = "wheel";
      else return;
    }
    if (this.mode === "pinch") {
      if (this.span > 0 && span > 0) this.emit({ kind: "zoom", factor: span / this.span });
      this.span = span;
    } else {
      const [deltaX, deltaY] = [this.from.x - middle.x, this.from.y - middle.y];
      this.emit({ kind: "wheel", x: middle.x, y: middle.y, deltaX, deltaY });
    }
    this.from = middle;
  }

  private middle(): Finger {
    const all = [...this.fingers.values()];
    const sum = all.reduce((total, one) => ({ x: total.x + one.x, y: total.y + one.y }), { x: 0, y: 0 });
    return { id: -1, x: sum.x / all.length, y: sum.y / all.length };
  }

  private distance(): number {
    const [a, b] = [...this.fingers.values()];
    return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  }
}
