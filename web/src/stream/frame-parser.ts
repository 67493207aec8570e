// Reads server-sent events from bytes, however the network cuts them.

import type { Event, Fault } from "@openwrap/contracts";

/** A piece of a step's answer while it is being written: shown, but no fact. `offset` counts UTF-8 bytes. */
export interface TextDelta {
  runId: string;
  stepId: string;
  taskId: string;
  offset: number;
  text: string;
}

export type Frame =
  | { kind: "event"; sequence: number; event: Event }
  | { kind: "text"; delta: TextDelta }
  /** A live surface changed in a way its frames do not carry: its view is asked for again. */
  | { kind: "surface"; sessionId: string }
  | { kind: "fault"; fault: Fault };

/** One frame, in characters. A single event is far smaller; beyond this the stream is not ours. */
const FRAME_CHARS_MAX = 16 * 1024 * 1024;

export class FrameParser {
  private readonly decoder = new TextDecoder();
  private rest = "";
  private id = "";
  private type = "";
  private data: string[] = [];

  /** Frames that are complete with these bytes. Throws when the stream is not one of ours. */
  push(bytes: Uint8Array): Frame[] {
    this.rest += this.decoder.decode(bytes, { stream: true });
    const frames: Frame[] = [];
    let start = 0;
    for (;;) {
      const end = this.rest.indexOf("\n", start);
      if (end === -1) break;
      const stop = end > start && this.rest[end - 1] === "\r" ? end - 1 : end;
      const frame = this.line(this.rest.slice(start, stop));
      if (frame) frames.push(frame);
      start = end + 1;
    }
    this.rest = this.rest.slice(start);
    if (this.rest.length > FRAME_CHARS_MAX) throw new Error("a frame of the stream is too long");
    return frames;
  }

  private line(line: string): Frame | undefined {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "id") this.id = value;
    else if (field === "event") this.type = value;
    else if (field === "data") this.data.push(value);
    return undefined;
  }

  private dispatch(): Frame | undefined {
    const { id, type, data } = this;
    this.id = "";
    this.type = "";
    this.data = [];
    if (data.length === 0) return undefined;
    const body: unknown = JSON.parse(data.join("\n"));
    if (type === "text") return { kind: "text", delta: body as TextDelta };
    if (type === "session_changed") return { kind: "surface", sessionId: (body as { sessionId: string }).sessionId };
    if (type === "fault") return { kind: "fault", fault: body as Fault };
    // Kinds that later versions add are passed over.
    if (type !== "" && type !== "message") return undefined;
    if (!/^\d{1,15}$/.test(id)) throw new Error("an event of the stream has no sequence");
    return { kind: "event", sequence: Number(id), event: body as Event };
  }
}
