// The socket of each terminal that is shown or driven here: what it prints comes down on it, what its driver types goes up. Kept while
// anybody needs it, and opened again when it ends. Where there is none (a proxy that knows no sockets, a server that is going), the
// view is asked for again and again.

import type { SurfaceFrame } from "../stream/surface-frames.ts";
import { type DriveRequest, DriveSocket } from "./drive-socket.ts";

export interface SocketPorts {
  open: (sessionId: string) => WebSocket;
  frame: (sessionId: string, frame: SurfaceFrame) => void;
}

interface Kept {
  socket: DriveSocket;
  users: number;
  /** Opened so often, and soon over. */
  tries: number;
  openedAt: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Until a socket that ended is opened again and the view asked for: at first, and at most. */
const AGAIN_MS = 500;
const AGAIN_MS_MAX = 16_000;
/** A socket that lasted so long was a good one: the next is opened soon. */
const STEADY_MS = 5_000;
/** The server's word for "not you": asked again, it says the same. */
const REFUSED = 1008;

export class SessionSockets {
  private readonly ports: SocketPorts;
  private readonly kept = new Map<string, Kept>();

  constructor(ports: SocketPorts) {
    this.ports = ports;
  }

  /** Keeps a session's socket; returns how to let go of it. */
  keep(sessionId: string): () => void {
    const known = this.kept.get(sessionId);
    const kept = known ?? this.fresh(sessionId);
    kept.users += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      kept.users -= 1;
      if (kept.users > 0) return;
      this.kept.delete(sessionId);
      clearTimeout(kept.timer);
      kept.socket.end();
    };
  }

  /** What to send by; undefined where there is no socket now. */
  of(sessionId: string): { send: (request: DriveRequest) => Promise<void> } | undefined {
    const socket = this.kept.get(sessionId)?.socket;
    return socket?.isOpen ? socket : undefined;
  }

  /** Every socket anew: the way to the server is open again, and those of before may be dead without knowing it. */
  reopen(): void {
    for (const [sessionId, kept] of this.kept) {
      kept.tries = 0;
      kept.socket.end();
      this.renew(sessionId, kept);
    }
  }

  /** Nobody is signed in: none is open, and none is opened before `reopen`. */
  end(): void {
    for (const kept of this.kept.values()) {
      clearTimeout(kept.timer);
      kept.socket.end();
    }
  }

  private fresh(sessionId: string): Kept {
    const kept = { socket: this.open(sessionId), users: 0, tries: 0, openedAt: Date.now(), timer: undefined };
    this.kept.set(sessionId, kept);
    return kept;
  }

  private renew(sessionId: string, kept: Kept): void {
    clearTimeout(kept.timer);
    this.ports.frame(sessionId, { kind: "changed" });
    kept.openedAt = Date.now();
    kept.socket = this.open(sessionId);
  }

  private open(sessionId: string): DriveSocket {
    return new DriveSocket({
      open: () => this.ports.open(sessionId),
      frame: (frame) => this.ports.frame(sessionId, frame),
      ended: (code) => this.ended(sessionId, code),
    });
  }

  private ended(sessionId: string, code: number): void {
    const kept = this.kept.get(sessionId);
    if (!kept || code === REFUSED) return;
    if (Date.now() - kept.openedAt >= STEADY_MS) kept.tries = 0;
    const wait = Math.min(AGAIN_MS * 2 ** kept.tries, AGAIN_MS_MAX);
    kept.tries += 1;
    kept.timer = setTimeout(() => this.renew(sessionId, kept), wait);
  }
}
