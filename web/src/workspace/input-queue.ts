// What the driver does, on its way to the core: in order, in batches, numbered, one request at a time.

import type { ErrorCode, SessionInput } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";

export interface InputPorts {
  send: (sequence: number, inputs: SessionInput[]) => Promise<unknown>;
  /** `over`: the lease has ended, or nothing can be delivered, and nothing more is sent; else only this input was refused. */
  failed: (fault: ApiFault, over: boolean) => void;
}

/** Inputs that wait while a request is under way; beyond it the surface does not follow and newer ones are dropped. */
const WAITING_MAX = 2_000;
/** A batch; the core takes it whole. */
const BATCH_MAX = 200;
/** Text of one input: a page takes 64 KiB at once, and no character has more than three bytes for each unit of ours. */
const TEXT_CHARS_MAX = 16_384;
/** Text of a batch, well within what a request may hold. */
const BATCH_CHARS_MAX = 8 * TEXT_CHARS_MAX;
const TRIES_MAX = 4;
const RETRY_MS = 300;
/** After these there is nothing left to drive. Another refusal (an address that may not be opened) leaves the lease as it is. */
const ENDINGS: ReadonlySet<ErrorCode> = new Set(["LEASE_LOST", "NOT_FOUND", "UNAUTHORIZED", "FORBIDDEN"]);

/** Two inputs as one where the first says nothing that the second does not. */
export function merged(first: SessionInput, second: SessionInput): SessionInput | undefined {
  if (first.kind === "text" && second.kind === "text") {
    const text = first.text + second.text;
    return text.length <= TEXT_CHARS_MAX ? { kind: "text", text } : undefined;
  }
  if (first.kind === "resize" && second.kind === "resize") return second;
  if (first.kind === "pointer" && second.kind === "pointer" && first.act === "move" && second.act === "move") {
    return first.button === second.button ? second : undefined;
  }
  if (first.kind === "wheel" && second.kind === "wheel") {
    return { ...second, deltaX: first.deltaX + second.deltaX, deltaY: first.deltaY + second.deltaY };
  }
  return undefined;
}

/** No character is cut in two. */
function cutText(text: string): [string, string] {
  const high = text.charCodeAt(TEXT_CHARS_MAX - 1) >> 10 === 0x36;
  const at = high ? TEXT_CHARS_MAX - 1 : TEXT_CHARS_MAX;
  return [text.slice(0, at), text.slice(at)];
}

export class InputQueue {
  private readonly ports: InputPorts;
  private waiting: SessionInput[] = [];
  private sequence: number;
  private sending = false;
  private over = false;

  /** `sequence`: of the last request of this lease; whether that one arrived is not known, so it is sent again with nothing in it. */
  constructor(ports: InputPorts, sequence = 0) {
    this.ports = ports;
    this.sequence = Math.max(0, sequence - 1);
    if (sequence > 0) void this.flush(true);
  }

  push(input: SessionInput): void {
    if (this.over) return;
    if (input.kind === "text" && input.text.length > TEXT_CHARS_MAX) {
      const [head, rest] = cutText(input.text);
      this.push({ kind: "text", text: head });
      this.push({ kind: "text", text: rest });
      return;
    }
    const last = this.waiting.at(-1);
    const one = last ? merged(last, input) : undefined;
    if (one) this.waiting[this.waiting.length - 1] = one;
    else if (this.waiting.length < WAITING_MAX) this.waiting.push(input);
    if (!this.sending) void this.flush();
  }

  /** Nothing more goes out. */
  end(): void {
    this.over = true;
    this.waiting = [];
  }

  private async flush(empty = false): Promise<void> {
    this.sending = true;
    // What happens in the same turn (a pasted text, down and up of a tap) travels together.
    await Promise.resolve();
    for (let first = empty; (first || this.waiting.length > 0) && !this.over; first = false) {
      const inputs = first ? [] : this.batch();
      this.sequence += 1;
      await this.deliver(this.sequence, inputs);
    }
    this.sending = false;
  }

  private batch(): SessionInput[] {
    let [count, chars] = [0, 0];
    for (const input of this.waiting) {
      chars += input.kind === "text" ? input.text.length : 0;
      if (count > 0 && (count >= BATCH_MAX || chars > BATCH_CHARS_MAX)) break;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  /** The same number again: a request that arrived although its answer did not is done once. */
  private async deliver(sequence: number, inputs: SessionInput[]): Promise<void> {
    for (let tries = 1; !this.over; tries += 1) {
      try {
        await this.ports.send(sequence, inputs);
        return;
      } catch (error) {
        if (!(error instanceof ApiFault)) throw error;
        if (error.status === 0 && tries < TRIES_MAX) {
          await new Promise((wait) => setTimeout(wait, RETRY_MS * tries));
          continue;
        }
        const over = error.status === 0 || ENDINGS.has(error.code);
        if (over) this.end();
        this.ports.failed(error, over);
        return;
      }
    }
  }
}
