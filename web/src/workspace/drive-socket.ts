// What the driver types goes up, and what a terminal shows comes down, on one socket: no request of its own for each key.

import type { Fault, SessionInput } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import type { SurfaceFrame } from "../stream/surface-frames.ts";

export const DRIVE_PROTOCOL = "openwrap.drive";

export interface DrivePorts {
  open: () => WebSocket;
  frame: (frame: SurfaceFrame) => void;
  /** Closed by the other side, or never opened. */
  ended: () => void;
}

export interface DriveRequest {
  sessionId: string;
  token: string;
  sequence: number;
  inputs: SessionInput[];
}

const OFFSET_BYTES = 8;

/** A frame as it came: how many bytes were before it, then bytes; all ones: the view is to be asked for again. */
export function frameOf(message: ArrayBuffer): SurfaceFrame {
  const offset = new DataView(message).getBigUint64(0);
  if (offset === 0xffff_ffff_ffff_ffffn) return { kind: "changed" };
  return { kind: "terminal", offset: Number(offset), bytes: new Uint8Array(message, OFFSET_BYTES) };
}

export class DriveSocket {
  private readonly socket: WebSocket;
  /** Who waits for an answer, in the order of the requests. */
  private readonly waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  private over = false;

  constructor({ open, frame, ended }: DrivePorts) {
    this.socket = open();
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data === "string") this.answer(data);
      else frame(frameOf(data));
    });
    this.socket.addEventListener("close", () => {
      for (const { reject } of this.waiting.splice(0)) reject(undefined);
      if (!this.over) ended();
    });
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Rejects with the fault, or with nothing when the socket ended before the answer: it may have been done or not. */
  send(request: DriveRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.send(JSON.stringify(request));
    });
  }

  end(): void {
    this.over = true;
    this.socket.close();
  }

  private answer(text: string): void {
    const one = this.waiting.shift();
    const answer = JSON.parse(text) as Partial<Fault>;
    if (answer.code === undefined) one?.resolve();
    else one?.reject(new ApiFault(answer as Fault, 409));
  }
}
