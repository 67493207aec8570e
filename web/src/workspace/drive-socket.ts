// What the driver types goes up, and what a terminal shows comes down, on one socket: no request of its own for each key.

import type { Fault, SessionInput } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import type { SurfaceFrame } from "../stream/surface-frames.ts";

export const DRIVE_PROTOCOL = "openwrap.drive";

export interface DrivePorts {
  open: () => WebSocket;
  frame: (frame: SurfaceFrame) => void;
  /** Closed by the other side with this code, never opened, or given up as dead. */
  ended: (code: number) => void;
}

export interface DriveRequest {
  sessionId: string;
  token: string;
  sequence: number;
  inputs: SessionInput[];
}

/** A request without an answer for so long: the connection is dead, whatever the socket says. */
export const ANSWER_MS = 6_000;

/** As a browser calls a connection that was lost without a word. */
const LOST = 1006;

const OFFSET_BYTES = 8;

/** A frame as it came: how many bytes were before it, then bytes; all ones: the view is to be asked for again. */
export function frameOf(message: ArrayBuffer): SurfaceFrame {
  const offset = new DataView(message).getBigUint64(0);
  if (offset === 0xffff_ffff_ffff_ffffn) return { kind: "changed" };
  return { kind: "terminal", offset: Number(offset), bytes: new Uint8Array(message, OFFSET_BYTES) };
}

interface Waiting {
  resolve: () => void;
  reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class DriveSocket {
  private readonly socket: WebSocket;
  private readonly ports: DrivePorts;
  /** Who waits for an answer, in the order of the requests. */
  private readonly waiting: Waiting[] = [];
  private over = false;

  constructor(ports: DrivePorts) {
    this.ports = ports;
    this.socket = ports.open();
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (this.over) return;
      if (typeof data === "string") this.answer(data);
      else ports.frame(frameOf(data));
    });
    this.socket.addEventListener("close", ({ code }) => this.lost(code));
  }

  get isOpen(): boolean {
    return !this.over && this.socket.readyState === WebSocket.OPEN;
  }

  /** Rejects with the fault, or with nothing when the socket ended before the answer: it may have been done or not. */
  send(request: DriveRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.lost(LOST), ANSWER_MS);
      this.waiting.push({ resolve, reject, timer });
      this.socket.send(JSON.stringify(request));
    });
  }

  /** At once: a dead connection takes its time to close. */
  end(): void {
    if (this.over) return;
    this.over = true;
    for (const { reject, timer } of this.waiting.splice(0)) {
      clearTimeout(timer);
      reject(undefined);
    }
    this.socket.close();
  }

  private lost(code: number): void {
    if (this.over) return;
    this.end();
    this.ports.ended(code);
  }

  private answer(text: string): void {
    const one = this.waiting.shift();
    clearTimeout(one?.timer);
    const answer = JSON.parse(text) as Partial<Fault>;
    if (answer.code === undefined) one?.resolve();
    else one?.reject(new ApiFault(answer as Fault, 409));
  }
}
