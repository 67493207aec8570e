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
    if (frame.kind === "surface") this.show(frame.sessionId, { kind: "changed" });
  }

  /** A frame of one session, from wherever it came. */
  show(sessionId: string, frame: SurfaceFrame): void {
    for (const listener of this.listeners.get(sessionId) ?? []) listener(frame);
  }

  /** The stream had a hole: every view is old. */
  missed(): void {
    for (const sessionId of this.listeners.keys()) this.show(sessionId, { kind: "changed" });
  }
}
