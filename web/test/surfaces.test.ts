import type { SessionInput } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { previewHost } from "../src/parts/preview-host.ts";
import { bytesOf, type SurfaceFrame, SurfaceFrames } from "../src/stream/surface-frames.ts";
import { deedOf } from "../src/workspace/deeds.ts";
import { InputQueue, merged } from "../src/workspace/input-queue.ts";
import { addressOf, buttonOf, clickInputs, modifiersOf, pagePoint } from "../src/workspace/page-keys.ts";
import { type PictureFrame, PictureParser } from "../src/workspace/picture-stream.ts";
import { TerminalFeed, type TerminalScreen } from "../src/workspace/terminal-feed.ts";
import { controlled, terminalSequence } from "../src/workspace/terminal-sequences.ts";
import { type Gesture, LONG_PRESS_MS, TouchGestures } from "../src/workspace/touch-gestures.ts";

const tick = (): Promise<void> => new Promise((done) => setTimeout(done, 0));
const fault = (code: "LEASE_LOST" | "INTERNAL" | "EGRESS_DENIED", status: number): ApiFault =>
  new ApiFault({ code, message: "", hint: "" }, status);

describe("surface frames", () => {
  it("go to who listens, and to nobody else", () => {
    const frames = new SurfaceFrames();
    const heard: SurfaceFrame[] = [];
    const stop = frames.listen("s", (frame) => heard.push(frame));
    const output = { kind: "terminal", offset: 3, bytes: bytesOf(btoa("ab")) } as const;
    frames.show("s", output);
    frames.show("other", output);
    frames.take({ kind: "surface", sessionId: "s" });
    frames.take({ kind: "surface", sessionId: "other" });
    frames.missed();
    expect(heard).toEqual([output, { kind: "changed" }, { kind: "changed" }]);
    stop();
    frames.missed();
    expect(heard.length).toBe(3);
  });
});

describe("terminal feed", () => {
  it("shows every byte once, whatever is lost, late or comes twice", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 30 }),
        fc.array(fc.constantFrom("take", "lose", "twice", "changed"), { minLength: 30, maxLength: 30 }),
        async (parts, fates) => {
          const whole: number[] = [];
          let shown: number[] = [];
          const feed = new TerminalFeed({
            view: async (): Promise<TerminalScreen> => {
              const screen = Uint8Array.from(whole);
              return { columns: 80, rows: 24, screen, offset: whole.length };
            },
            paint: ({ screen }) => {
              shown = [...screen];
            },
            write: (bytes) => shown.push(...bytes),
            failed: (error) => {
              throw error;
            },
          });
          feed.ask();
          for (const [place, bytes] of parts.entries()) {
            const frame: SurfaceFrame = { kind: "terminal", offset: whole.length, bytes };
            whole.push(...bytes);
            const fate = fates[place];
            if (fate === "lose") continue;
            feed.take(frame);
            if (fate === "twice") feed.take(frame);
            if (fate === "changed") feed.take({ kind: "changed" });
            if (place % 3 === 0) await tick();
          }
          // A frame after the last loss tells of it.
          feed.take({ kind: "terminal", offset: whole.length, bytes: Uint8Array.of(7) });
          whole.push(7);
          await tick();
          await tick();
          expect(shown).toEqual(whole);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("pictures", () => {
  const encode = (frame: PictureFrame): Uint8Array => {
    const { bytes, ...head } = frame;
    const text = new TextEncoder().encode(JSON.stringify(head));
    const all = new Uint8Array(8 + text.length + bytes.length);
    const view = new DataView(all.buffer);
    view.setUint32(0, text.length);
    view.setUint32(4, bytes.length);
    all.set(text, 8);
    all.set(bytes, 8 + text.length);
    return all;
  };
  const picture = fc
    .record({
      bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }),
      width: fc.nat(3_000),
      height: fc.nat(3_000),
      takenAt: fc.nat(),
    })
    .map((one) => ({ ...one, bytes: Uint8Array.from(one.bytes), mediaType: "image/jpeg" }));

  it("are the same however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(picture, { maxLength: 6 }), fc.integer({ min: 1, max: 50 }), (frames, size) => {
        const all = frames.flatMap((frame) => [...encode(frame)]);
        const parser = new PictureParser();
        const found: PictureFrame[] = [];
        for (let at = 0; at < all.length; at += size) {
          found.push(...parser.push(Uint8Array.from(all.slice(at, at + size))));
        }
        expect(found).toEqual(frames);
      }),
      { numRuns: 100 },
    );
  });

  it("refuse a length that is not ours", () => {
    expect(() => new PictureParser().push(Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 1))).toThrow("too long");
  });
});

describe("input", () => {
  it("goes out in order, numbered, one request at a time", async () => {
    const sent: [number, SessionInput[]][] = [];
    let underWay = 0;
    const queue = new InputQueue({
      send: async (sequence, inputs) => {
        underWay += 1;
        expect(underWay).toBe(1);
        await tick();
        sent.push([sequence, inputs]);
        underWay -= 1;
      },
      failed: () => undefined,
    });
    for (const text of "abc") queue.push({ kind: "text", text });
    await tick();
    queue.push({ kind: "key", down: true, key: "Enter", code: "Enter", modifiers: 0 });
    queue.push({ kind: "text", text: "d" });
    await vi.waitFor(() => expect(sent.length).toBe(2));
    expect(sent.map(([sequence]) => sequence)).toEqual([1, 2]);
    expect(sent[0]?.[1]).toEqual([{ kind: "text", text: "abc" }]);
    expect(sent[1]?.[1].map((input) => input.kind)).toEqual(["key", "text"]);
  });

  it("says the same number again when no answer came, and ends when the lease is lost", async () => {
    const tried: number[] = [];
    const failed: string[] = [];
    const answers = [fault("INTERNAL", 0), undefined, fault("EGRESS_DENIED", 403), fault("LEASE_LOST", 409)];
    const queue = new InputQueue({
      send: async (sequence) => {
        tried.push(sequence);
        const answer = answers.shift();
        if (answer) throw answer;
      },
      failed: (lost, over) => failed.push(`${lost.code} ${over}`),
    });
    queue.push({ kind: "text", text: "a" });
    await vi.waitFor(() => expect(tried.length).toBe(2), { timeout: 3_000 });
    queue.push({ kind: "text", text: "b" });
    await vi.waitFor(() => expect(failed).toEqual(["EGRESS_DENIED false"]));
    queue.push({ kind: "text", text: "c" });
    await vi.waitFor(() => expect(failed.at(-1)).toBe("LEASE_LOST true"));
    queue.push({ kind: "text", text: "d" });
    await tick();
    expect(tried).toEqual([1, 1, 2, 3]);
  });

  it("cuts a long text into pieces that are taken, and no character in two", async () => {
    const sent: SessionInput[][] = [];
    const queue = new InputQueue({ send: async (_, inputs) => sent.push(inputs), failed: () => undefined });
    const text = `a${"\u{1f30d}".repeat(120_000)}`;
    queue.push({ kind: "text", text });
    await vi.waitFor(() =>
      expect(sent.flat().reduce((sum, one) => sum + (one.kind === "text" ? one.text.length : 0), 0)).toBe(text.length),
    );
    const pieces = sent.flat().flatMap((input) => (input.kind === "text" ? input.text : []));
    expect(pieces.join("")).toBe(text);
    expect(Math.max(...pieces.map((piece) => new TextEncoder().encode(piece).length))).toBeLessThanOrEqual(65_536);
    expect(pieces.every((piece) => !/\p{Cs}/u.test(piece))).toBe(true);
    expect(sent.length).toBeGreaterThan(1);
  });

  it("goes on after a reload with the last number again, empty, and then the next", async () => {
    const sent: [number, number][] = [];
    const queue = new InputQueue(
      { send: async (sequence, inputs) => sent.push([sequence, inputs.length]), failed: () => undefined },
      7,
    );
    queue.push({ kind: "text", text: "a" });
    await vi.waitFor(() => expect(sent.length).toBe(2));
    expect(sent).toEqual([
      [7, 0],
      [8, 1],
    ]);
  });

  it("joins what says nothing more, and nothing else", () => {
    const move = { kind: "pointer", act: "move", x: 1, y: 1, button: 0, clicks: 0, modifiers: 0 } as const;
    expect(merged(move, { ...move, x: 9 })).toEqual({ ...move, x: 9 });
    expect(merged(move, { ...move, act: "down", button: 1 })).toBeUndefined();
    const wheel = { kind: "wheel", x: 0, y: 0, deltaX: 1, deltaY: 2 } as const;
    expect(merged(wheel, wheel)).toEqual({ ...wheel, deltaX: 2, deltaY: 4 });
    expect(merged({ kind: "text", text: "a" }, move)).toBeUndefined();
  });

  it("names deeds and never what was typed", () => {
    expect(deedOf({ kind: "text", text: "hunter2" })).toBe("Typed");
    expect(deedOf({ kind: "key", down: true, key: "h", code: "KeyH", modifiers: 0 })).toBe("Typed");
    expect(deedOf({ kind: "navigate", url: "https://a.example/x?token=1" })).toBe("Went to a.example");
  });
});

describe("page", () => {
  it("maps the picture to the page and stays inside it", () => {
    const drawn = { left: 10, top: 20, width: 400, height: 300 };
    const page = { width: 800, height: 600 };
    expect(pagePoint({ x: 210, y: 170 }, drawn, page)).toEqual({ x: 400, y: 300 });
    expect(pagePoint({ x: -50, y: 9_999 }, drawn, page)).toEqual({ x: 0, y: 599 });
    expect(pagePoint({ x: 5, y: 5 }, { left: 0, top: 0, width: 0, height: 0 }, page)).toEqual({ x: 0, y: 0 });
  });

  it("speaks of buttons, modifiers and addresses", () => {
    expect([0, 1, 2, 4].map(buttonOf)).toEqual([1, 2, 3, 0]);
    expect(modifiersOf({ altKey: true, ctrlKey: true, metaKey: false, shiftKey: true })).toBe(11);
    expect(clickInputs({ x: 1, y: 2 }, 1).map((input) => input.kind === "pointer" && input.act)).toEqual([
      "move",
      "down",
      "up",
    ]);
    expect(addressOf(" a.example/x ")).toBe("https://a.example/x");
    expect(addressOf("localhost:4000/")).toBe("http://localhost:4000/");
    expect(addressOf("127.0.0.1:4000")).toBe("http://127.0.0.1:4000");
    expect(addressOf("http://a.example")).toBe("http://a.example");
  });

  it("links pages served here and nothing else", () => {
    expect(previewHost("http://127.0.0.1:4100/x")).toBe("127.0.0.1:4100");
    for (const url of [
      "http://localhost:1/",
      "https://127.0.0.1:1/",
      "http://127.0.0.1@evil.example/",
      "javascript:1",
      "x",
    ]) {
      expect(previewHost(url)).toBeUndefined();
    }
  });
});

describe("keys of a tablet", () => {
  it("speak as a terminal's keys do", () => {
    const none = new Set<"Control" | "Alt">();
    expect(terminalSequence("ArrowUp", none, false)).toBe("\u001b[A");
    expect(terminalSequence("ArrowUp", none, true)).toBe("\u001bOA");
    expect(terminalSequence("ArrowLeft", new Set(["Control"]), false)).toBe("\u001b[1;5D");
    expect(terminalSequence("Enter", new Set(["Alt"]), false)).toBe("\u001b\r");
    expect(controlled("c")).toBe("\u0003");
    expect(controlled("7")).toBe("7");
  });
});

describe("fingers", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const record = () => {
    const seen: Gesture[] = [];
    return { seen, fingers: new TouchGestures((gesture) => seen.push(gesture)) };
  };

  it("tap, hold and drag", () => {
    const { seen, fingers } = record();
    fingers.down({ id: 1, x: 5, y: 5 });
    fingers.move({ id: 1, x: 8, y: 6 });
    fingers.up({ id: 1, x: 8, y: 6 });
    expect(seen).toEqual([{ kind: "click", x: 5, y: 5, button: 1 }]);
    fingers.down({ id: 2, x: 5, y: 5 });
    vi.advanceTimersByTime(LONG_PRESS_MS);
    fingers.up({ id: 2, x: 5, y: 5 });
    expect(seen.slice(1)).toEqual([{ kind: "click", x: 5, y: 5, button: 3 }]);
    fingers.down({ id: 3, x: 0, y: 0 });
    fingers.move({ id: 3, x: 40, y: 0 });
    fingers.up({ id: 3, x: 40, y: 0 });
    expect(seen.slice(2).map((gesture) => gesture.kind === "drag" && gesture.act)).toEqual(["down", "move", "up"]);
  });

  it("scroll and pinch with two, and what is left over is no tap", () => {
    const { seen, fingers } = record();
    fingers.down({ id: 1, x: 0, y: 100 });
    fingers.down({ id: 2, x: 20, y: 100 });
    fingers.move({ id: 1, x: 0, y: 70 });
    fingers.move({ id: 2, x: 20, y: 70 });
    fingers.up({ id: 1, x: 0, y: 70 });
    fingers.up({ id: 2, x: 20, y: 70 });
    expect(seen.every((gesture) => gesture.kind === "wheel")).toBe(true);
    expect(seen.reduce((sum, gesture) => sum + (gesture.kind === "wheel" ? gesture.deltaY : 0), 0)).toBe(30);
    const pinch = record();
    pinch.fingers.down({ id: 1, x: 0, y: 0 });
    pinch.fingers.down({ id: 2, x: 40, y: 0 });
    pinch.fingers.move({ id: 2, x: 80, y: 0 });
    expect(pinch.seen).toEqual([{ kind: "zoom", factor: 2 }]);
  });
});
