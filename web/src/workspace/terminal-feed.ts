// A terminal kept whole: its screen as it was, then every later byte once; where bytes are missing, the screen again.

import type { SurfaceFrame } from "../stream/surface-frames.ts";

export interface TerminalScreen {
  columns: number;
  rows: number;
  /** Paints the screen on a fresh terminal. */
  screen: Uint8Array;
  /** Bytes of output it covers. */
  offset: number;
}

export interface TerminalPorts {
  /** Rejects when there is nothing to show any more. */
  view: () => Promise<TerminalScreen>;
  /** Clears everything and paints a screen. */
  paint: (screen: TerminalScreen) => void;
  write: (bytes: Uint8Array) => void;
  failed: (error: unknown) => void;
}

/** Bytes kept while the screen is on its way; beyond it the screen is asked for once more instead. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;

export class TerminalFeed {
  private readonly ports: TerminalPorts;
  private offset: number | undefined;
  private ahead: { offset: number; bytes: Uint8Array }[] = [];
  private aheadBytes = 0;
  private asking = false;
  private stale = false;
  private over = false;

  constructor(ports: TerminalPorts) {
    this.ports = ports;
  }

  take(frame: SurfaceFrame): void {
    if (this.over) return;
    if (frame.kind === "changed") this.ask();
    else if (this.asking || this.offset === undefined) this.keep(frame.offset, frame.bytes);
    else this.add(frame.offset, frame.bytes);
  }

  /** Asks for the screen; once more afterwards when it was asked for meanwhile. */
  ask(): void {
    if (this.over) return;
    if (this.asking) {
      this.stale = true;
      return;
    }
    this.asking = true;
    void this.load();
  }

  end(): void {
    this.over = true;
    this.ahead = [];
  }

  private async load(): Promise<void> {
    try {
      do {
        this.stale = false;
        const screen = await this.ports.view();
        if (this.over) return;
        this.ports.paint(screen);
        this.offset = screen.offset;
      } while (this.stale);
    } catch (error) {
      if (!this.over) this.ports.failed(error);
      return;
    } finally {
      this.asking = false;
    }
    const kept = this.ahead;
    this.ahead = [];
    this.aheadBytes = 0;
    for (const { offset, bytes } of kept) this.take({ kind: "terminal", offset, bytes });
  }

  private keep(offset: number, bytes: Uint8Array): void {
    this.aheadBytes += bytes.length;
    if (this.aheadBytes <= AHEAD_BYTES_MAX) {
      this.ahead.push({ offset, bytes });
      return;
    }
    this.ahead = [];
    this.aheadBytes = 0;
    this.stale = true;
  }

  private add(offset: number, bytes: Uint8Array): void {
    const known = this.offset ?? 0;
    if (offset > known) {
      this.keep(offset, bytes);
      this.ask();
      return;
    }
    const end = offset + bytes.length;
    if (end <= known) return;
    this.ports.write(bytes.subarray(known - offset));
    this.offset = end;
  }
}
