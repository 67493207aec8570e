// Sends a completion as server-sent events: paced, cut into writes of any size, and broken where a fault says so.

import type { Completion } from "./answer-pieces.ts";
import type { Fault } from "./faults.ts";

export interface Transmission {
  completion: Completion;
  /** Milliseconds from the request to the last chunk. */
  latencyMs: number;
  /** Bytes of one write; whole events when left out. */
  chunkBytes: number | undefined;
  fault: Fault | undefined;
  /** Breaks the connection. */
  breakOff: () => void;
}

/** Part of the latency before the first chunk: thinking takes longer than talking. */
const FIRST_PART = 0.4;
export const FLUSH_MS = 20;

export function transmit(transmission: Transmission): ReadableStream<Uint8Array> {
  const stopped = new AbortController();
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      // A reader that went away closes the stream under the writer.
      void send(transmission, controller, stopped.signal).catch(() => transmission.breakOff());
    },
    cancel: () => stopped.abort(),
  });
}

async function send(
  { completion, latencyMs, chunkBytes, fault, breakOff }: Transmission,
  controller: ReadableStreamDefaultController<Uint8Array>,
  stopped: AbortSignal,
): Promise<void> {
  const started = performance.now();
  const { events } = completion;
  let left = bytesBefore(fault, completion);
  for (const [index, event] of events.entries()) {
    const due = latencyMs * (FIRST_PART + ((1 - FIRST_PART) * index) / events.length);
    const wait = fault?.kind === "slow" ? fault.ms : due - (performance.now() - started);
    if (wait >= 1) await pause(wait, stopped);
    if (stopped.aborted) return;
    if (fault !== undefined && "after" in fault && index >= fault.after) {
      if (fault.kind === "hang") return;
      if (fault.kind === "cut") return await breakLater(breakOff, stopped);
      if (fault.kind === "error") {
        write(controller, completion.error, chunkBytes);
        return controller.close();
      }
      if (index === fault.after) write(controller, completion.malformed, chunkBytes);
    }
    left = write(controller, event, chunkBytes, left);
    if (left <= 0) return await breakLater(breakOff, stopped);
  }
  left = write(controller, completion.last, chunkBytes, left);
  if (left <= 0) return await breakLater(breakOff, stopped);
  controller.close();
}

/** How many bytes leave before the connection breaks. */
function bytesBefore(fault: Fault | undefined, { events, last }: Completion): number {
  if (fault?.kind !== "cut" || !("part" in fault)) return Number.POSITIVE_INFINITY;
  const all = [...events, last].reduce((sum, event) => sum + Buffer.byteLength(event), 0);
  return Math.floor(all * fault.part);
}

/** What was written before leaves first. */
async function breakLater(breakOff: () => void, stopped: AbortSignal): Promise<void> {
  await pause(FLUSH_MS, stopped);
  breakOff();
}

/** Writes as much as may still leave; answers how much that is afterwards. */
function write(
  controller: ReadableStreamDefaultController<Uint8Array>,
  event: string,
  chunkBytes: number | undefined,
  left = Number.POSITIVE_INFINITY,
): number {
  const whole = Buffer.from(event);
  const bytes = whole.subarray(0, Math.min(whole.length, Math.max(0, left)));
  const size = chunkBytes ?? bytes.length;
  for (let start = 0; start < bytes.length; start += size) controller.enqueue(bytes.subarray(start, start + size));
  return left - whole.length;
}

/** Ends early when the client goes. */
export function pause(ms: number, stopped?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      clearTimeout(timer);
      stopped?.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    stopped?.addEventListener("abort", end, { once: true });
  });
}
