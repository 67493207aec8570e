// Sockets of sessions: one that is dead without knowing it is given up, and opened anew when the way is open again.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ANSWER_MS, type DriveRequest } from "../src/workspace/drive-socket.ts";
import { SessionSockets } from "../src/workspace/session-sockets.ts";

/** What a browser has for one: it tells nothing of a line that was cut. */
class Line extends EventTarget {
  binaryType = "blob";
  readyState = 1;
  readonly sent: string[] = [];

  send(text: string): void {
    this.sent.push(text);
  }

  /** A closing handshake that nobody answers. */
  close(): void {
    this.readyState = 2;
  }

  cut(code: number): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }

  say(data: string | ArrayBuffer): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

const request = (sequence: number): DriveRequest => ({ sessionId: "s", token: "t", sequence, inputs: [] });
const AGAIN_MS = 500;

describe("sockets of sessions", () => {
  let lines: Line[];
  let frames: string[];
  let sockets: SessionSockets;
  const line = (place: number): Line => lines.at(place) as Line;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", { OPEN: 1 });
    [lines, frames] = [[], []];
    sockets = new SessionSockets({
      open: () => {
        const made = new Line();
        lines.push(made);
        return made as unknown as WebSocket;
      },
      frame: (_, frame) => frames.push(frame.kind),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("a request without an answer ends the socket, and another is opened", async () => {
    sockets.keep("s");
    const socket = sockets.of("s");
    const first = socket?.send(request(1));
    line(0).say('{"sequence":1}');
    await first;
    const second = socket?.send(request(2)).then(
      () => "answered",
      (error: unknown) => error,
    );
    await vi.advanceTimersByTimeAsync(ANSWER_MS);
    expect(await second).toBe(undefined);
    expect(sockets.of("s")).toBe(undefined);
    await vi.advanceTimersByTimeAsync(AGAIN_MS);
    expect(lines.length).toBe(2);
    expect(frames).toEqual(["changed"]);
    // The close of the old one, at last, is not that of the new one.
    line(0).cut(1006);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines.length).toBe(2);
    expect(sockets.of("s")).toBeDefined();
  });

  it("all are opened anew at once when the way is open again", async () => {
    sockets.keep("s");
    const waits = sockets.of("s")?.send(request(1));
    const outcome = waits?.catch((error: unknown) => error);
    sockets.reopen();
    expect(await outcome).toBe(undefined);
    expect(lines.length).toBe(2);
    expect(frames).toEqual(["changed"]);
    line(0).say(new ArrayBuffer(9));
    expect(frames).toEqual(["changed"]);
    // What waited to be opened is not opened twice.
    line(1).cut(1006);
    sockets.reopen();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines.length).toBe(3);
  });

  it("one that was refused is not asked for again before the way is open anew", async () => {
    sockets.keep("s");
    line(0).cut(1008);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines.length).toBe(1);
    sockets.reopen();
    expect(lines.length).toBe(2);
    line(1).cut(1006);
    sockets.end();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines.length).toBe(2);
  });

  it("one that is over soon waits longer each time, although it said something", async () => {
    sockets.keep("s");
    for (let at = 0; at < 4; at += 1) {
      line(at).say(new ArrayBuffer(9));
      line(at).cut(1006);
      await vi.advanceTimersByTimeAsync(AGAIN_MS * 2 ** at - 1);
      expect(lines.length).toBe(at + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(lines.length).toBe(at + 2);
    }
    await vi.advanceTimersByTimeAsync(10_000);
    line(-1).cut(1006);
    await vi.advanceTimersByTimeAsync(AGAIN_MS);
    expect(lines.length).toBe(6);
  });
});
