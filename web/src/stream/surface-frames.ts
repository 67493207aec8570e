// Frames of live surfaces, to whoever shows them. What nobody shows is dropped: a view is asked for when one looks.

import type { Frame } from "./frame-parser.ts";

export type SurfaceFrame = { kind: "terminal"; offset: number; bytes: Uint8Array } | { kind: "changed" };

export type SurfaceListener = (frame: SurfaceFrame) => void;

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

export class SurfaceFrames {
  private readonly listeners = new Map<string, Set<SurfaceListener>>();

  /** Returns how to stop listening. */
  listen(sessionId: string, listener: SurfaceListener): () => void {
    const all = this.listeners.get(sessionId) ?? new Set();
    this.listeners.set(sessionId, all.add(listener));
    return () => {
      all.delete(listener);
      if (all.size === 0 && this.listeners.get(sessionId) === all) this.listeners.delete(sessionId);
    };
  }

  take(frame: Frame): void {
    if (frame.kind === "surface") this.tell(frame.sessionId, { kind: "changed" });
    if (frame.kind !== "terminal") return;
    const { sessionId, offset, bytes } = frame.output;
    if (this.listeners.has(sessionId)) this.tell(sessionId, { kind: "terminal", offset, bytes: bytesOf(bytes) });
  }

  /** A frame that came another way than by the stream. */
  show(sessionId: string, frame: SurfaceFrame): void {
    this.tell(sessionId, frame);
  }

  /** The stream had a hole: every view is old. */
  missed(): void {
    for (const sessionId of this.listeners.keys()) this.tell(sessionId, { kind: "changed" });
  }

  private tell(sessionId: string, frame: SurfaceFrame): void {
    for (const listener of this.listeners.get(sessionId) ?? []) listener(frame);
  }
}
