import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LiveText, withDelta } from "../src/run/live-text.ts";
import { readFragment } from "../src/session/session.ts";
import { EventStream, type StreamState } from "../src/stream/event-stream.ts";
import { type Frame, FrameParser } from "../src/stream/frame-parser.ts";
import { facts } from "./random-facts.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("frame parser", () => {
  it("reads the same frames however the bytes are cut", () => {
    fc.assert(
      fc.property(
        facts,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.constantFrom("\n", "\r\n"),
        (log, cuts, end) => {
          const text = log
            .map(
              ([sequence, event]) =>
                `: \u2014${end}${end}id: ${sequence}${end}data: ${JSON.stringify(event)}${end}${end}`,
            )
            .join("");
          const all = bytes(`${text}event: text${end}data: {"text":"\u00e4\u{1f30d}"}${end}${end}`);
          const parser = new FrameParser();
          const frames: Frame[] = [];
          for (let at = 0, turn = 0; at < all.length; turn += 1) {
            const size = cuts[turn % cuts.length] ?? 1;
            frames.push(...parser.push(all.subarray(at, at + size)));
            at += size;
          }
          expect(frames.slice(0, -1)).toEqual(
            log.map(([sequence, event]) => ({
              kind: "event",
              sequence,
              event: JSON.parse(JSON.stringify(event)) as unknown,
            })),
          );
          expect(frames.at(-1)).toEqual({ kind: "text", delta: { text: "\u00e4\u{1f30d}" } });
        },
      ),
      { numRuns: 60 },
    );
  });

  it("passes over comments and kinds it does not know, and keeps half a frame", () => {
    const parser = new FrameParser();
    expect(parser.push(bytes(": open\n\nevent: later\ndata: {}\n\nid: 7\ndata: {"))).toEqual([]);
    expect(parser.push(bytes('"type":"run_paused"}\n\n'))).toEqual([
      { kind: "event", sequence: 7, event: { type: "run_paused" } },
    ]);
    expect(parser.push(bytes('event: fault\ndata: {"code":"INTERNAL"}\n\n'))).toEqual([
      { kind: "fault", fault: { code: "INTERNAL" } },
    ]);
  });

  it("refuses what is no frame of ours", () => {
    expect(() => new FrameParser().push(bytes("data: {}\n\n"))).toThrow("sequence");
    expect(() => new FrameParser().push(bytes("id: 1\ndata: {\n\n"))).toThrow();
  });
});

describe("live text", () => {
  it("is the whole text whatever arrives twice or overlaps", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        (parts, again) => {
          let offset = 0;
          const deltas = parts.map((text) => {
            const delta = { runId: "r", taskId: "t", stepId: "t.1.1", offset, text };
            offset += bytes(text).length;
            return delta;
          });
          let live: LiveText | undefined;
          deltas.forEach((delta, place) => {
            live = withDelta(live, delta);
            if (again.includes(place) && place > 0) live = withDelta(live, deltas[place] ?? delta);
          });
          expect(live?.text).toBe(parts.join(""));
        },
      ),
      { numRuns: 100 },
    );
  });

  it("marks a gap and begins anew with a new step", () => {
    const first = withDelta(undefined, { runId: "r", taskId: "t", stepId: "1", offset: 0, text: "ab" });
    expect(withDelta(first, { runId: "r", taskId: "t", stepId: "1", offset: 9, text: "z" }).text).toBe("ab\u2026 z");
    expect(withDelta(first, { runId: "r", taskId: "t", stepId: "2", offset: 0, text: "q" }).text).toBe("q");
  });
});

describe("event stream", () => {
  it("resumes after the last sequence, without a gap and without a repeat", async () => {
    const asked: number[] = [];
    const taken: number[] = [];
    const states: StreamState[] = [];
    const parts = ["id: 1\ndata: {}\n\nid: 2\nda", "id: 2\ndata: {}\n\nid: 3\ndata: {}\n\n", ""];
    await new Promise<void>((done) => {
      const stream = new EventStream({
        open: async (after) => {
          asked.push(after);
          const part = parts.shift();
          if (part === "" || part === undefined) return new Response(null, { status: 401 });
          return new Response(part);
        },
        after: () => taken.at(-1) ?? 0,
        frames: (frames) => taken.push(...frames.flatMap((frame) => (frame.kind === "event" ? [frame.sequence] : []))),
        state: (state) => {
          states.push(state);
          if (state === "waiting") stream.nudge();
          if (state === "refused") done();
        },
      });
      stream.start();
    });
    expect(taken).toEqual([1, 2, 3]);
    expect(asked).toEqual([0, 1, 3]);
    expect(states.filter((state) => state === "live").length).toBe(2);
  });
});

describe("launch fragment", () => {
  it("takes a secret and a device, nothing else", () => {
    const secret = "s".repeat(43);
    expect(readFragment(`#tab=${secret}&device=device_1`)).toEqual({ secret, deviceId: "device_1" });
    expect(readFragment(`#tab=${secret}`)).toEqual({ secret, deviceId: undefined });
    expect(readFragment("#tab=short")).toBeUndefined();
    expect(readFragment(`#tab=${"<".repeat(40)}`)).toBeUndefined();
    expect(readFragment("")).toBeUndefined();
  });
});
