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
  /** Opened so often, and nothing came. */
  tries: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Until a socket that ended is opened again and the view asked for: at first, and at most. */
const AGAIN_MS = 500;
const AGAIN_MS_MAX = 16_000;

export class SessionSockets {
  private readonly ports: SocketPorts;
  private readonly kept = new Map<string, Kept>();

  constructor(ports: SocketPorts) {
    this.ports = ports;
  }

  /** Keeps a session's socket; returns how to let go of it. */
  keep(sessionId: string): () => void {
    const known = this.kept.get(sessionId);
    const kept = known ?? { socket: this.open(sessionId), users: 0, tries: 0, timer: undefined };
    if (!known) this.kept.set(sessionId, kept);
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

  private open(sessionId: string): DriveSocket {
    return new DriveSocket({
      open: () => this.ports.open(sessionId),
      frame: (frame) => {
        const kept = this.kept.get(sessionId);
        if (kept) kept.tries = 0;
        this.ports.frame(sessionId, frame);
      },
      ended: () => this.ended(sessionId),
    });
  }

  private ended(sessionId: string): void {
    const kept = this.kept.get(sessionId);
    if (!kept) return;
    const wait = Math.min(AGAIN_MS * 2 ** kept.tries, AGAIN_MS_MAX);
    kept.tries += 1;
    kept.timer = setTimeout(() => {
      this.ports.frame(sessionId, { kind: "changed" });
      kept.socket = this.open(sessionId);
    }, wait);
  }
}
