// Keeps one event stream open: resumes after the last sequence, notices silence, waits longer after each failure.

import { type Frame, FrameParser } from "./frame-parser.ts";

/** The server sends a comment every 15 s; after this much silence the connection is dead, whatever the socket says. */
export const SILENCE_MS = 35_000;
const WAITS_MS = [250, 500, 1_000, 2_000, 5_000];

export type StreamState = "connecting" | "live" | "waiting" | "refused";

export interface StreamPorts {
  /** Opens the stream after a sequence. */
  open: (after: number, signal: AbortSignal) => Promise<Response>;
  /** Sequence of the newest fact that was taken. */
  after: () => number;
  frames: (frames: Frame[]) => void;
  state: (state: StreamState) => void;
}

export class EventStream {
  private readonly ports: StreamPorts;
  private running = false;
  private failures = 0;
  private abort: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wake: (() => void) | undefined;
  private heardAt = 0;

  constructor(ports: StreamPorts) {
    this.ports = ports;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    void this.loop();
  }

  stop(): void {
    this.running = false;
    this.reopen();
  }

  /** Opens anew: at once when waiting, and instead of a connection nothing was heard of for long. */
  nudge(): void {
    if (this.wake) this.wake();
    else if (Date.now() - this.heardAt > SILENCE_MS / 2) this.reopen();
  }

  /** Drops the connection; while running a new one follows. */
  reopen(): void {
    this.abort?.abort();
    this.wake?.();
  }

  private async loop(): Promise<void> {
    while (this.running) {
      this.ports.state("connecting");
      const outcome = await this.read();
      if (!this.running) return;
      if (outcome === "refused") {
        this.running = false;
        this.ports.state("refused");
        return;
      }
      this.ports.state("waiting");
      const wait = WAITS_MS[Math.min(this.failures, WAITS_MS.length - 1)] ?? 5_000;
      this.failures += 1;
      await this.sleep(wait);
    }
  }

  private async read(): Promise<"ended" | "refused"> {
    const abort = new AbortController();
    this.abort = abort;
    this.hear();
    try {
      const response = await this.ports.open(this.ports.after(), abort.signal);
      if (response.status === 401 || response.status === 403) return "refused";
      if (!response.ok || !response.body) return "ended";
      const parser = new FrameParser();
      const reader = response.body.getReader();
      this.ports.state("live");
      for (;;) {
        const { done, value } = await reader.read();
        if (done || abort.signal.aborted) return "ended";
        this.hear();
        this.failures = 0;
        const frames = parser.push(value);
        if (frames.length > 0) this.ports.frames(frames);
        // The core ends a stream it cannot go on with by a fault.
        if (frames.some((frame) => frame.kind === "fault")) return "ended";
      }
    } catch {
      return "ended";
    } finally {
      clearTimeout(this.timer);
      abort.abort();
    }
  }

  private hear(): void {
    this.heardAt = Date.now();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.abort?.abort(), SILENCE_MS);
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.wake = done;
    });
  }
}
