// Pictures of a page from one binary stream, however the network cuts it: only the newest is kept.

/** One picture as it came. */
export interface PictureFrame {
  mediaType: string;
  bytes: Uint8Array<ArrayBuffer>;
  /** CSS pixels of the page that it shows. */
  width: number;
  height: number;
  /** Milliseconds since the epoch, by the server's clock. */
  takenAt: number;
}

interface Head {
  mediaType: string;
  width: number;
  height: number;
  takenAt: number;
}

/** A sharp still of a large page has a few megabytes; beyond this the stream is not ours. */
const FRAME_BYTES_MAX = 32 * 1024 * 1024;
const HEAD_BYTES_MAX = 4_096;
const LENGTH_BYTES = 4;

/** Each frame: length of the head and of the picture, 32 bits each, big-endian; the head as JSON; the picture. */
export class PictureParser {
  private rest = new Uint8Array(0);

  /** Frames that are complete with these bytes. Throws when the stream is not one of ours. */
  push(bytes: Uint8Array): PictureFrame[] {
    this.rest = joined(this.rest, bytes);
    const frames: PictureFrame[] = [];
    for (;;) {
      const view = new DataView(this.rest.buffer, this.rest.byteOffset, this.rest.byteLength);
      if (this.rest.byteLength < 2 * LENGTH_BYTES) return frames;
      const head = view.getUint32(0);
      const body = view.getUint32(LENGTH_BYTES);
      if (head > HEAD_BYTES_MAX || body > FRAME_BYTES_MAX) throw new Error("a frame of the picture stream is too long");
      const start = 2 * LENGTH_BYTES + head;
      if (this.rest.byteLength < start + body) return frames;
      // A frame without a picture only says that the stream lives.
      if (body > 0) frames.push(frameOf(this.rest, start, body));
      this.rest = this.rest.slice(start + body);
    }
  }
}

function frameOf(bytes: Uint8Array<ArrayBuffer>, start: number, size: number): PictureFrame {
  const text = new TextDecoder().decode(bytes.subarray(2 * LENGTH_BYTES, start));
  const { mediaType, width, height, takenAt } = JSON.parse(text) as Head;
  return { mediaType, width, height, takenAt, bytes: bytes.slice(start, start + size) };
}

function joined(a: Uint8Array<ArrayBuffer>, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

export interface PicturePorts {
  open: (signal: AbortSignal) => Promise<Response>;
  frame: (frame: PictureFrame) => void;
  /** It ended, or could not be opened; it is opened again after a while. */
  lost: (error: unknown) => void;
}

const AGAIN_MS = [500, 1_000, 2_000, 5_000];

/** Keeps the stream open while it is wanted. */
export class PictureStream {
  private readonly ports: PicturePorts;
  private abort: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;

  constructor(ports: PicturePorts) {
    this.ports = ports;
  }

  start(): void {
    if (this.abort) return;
    this.abort = new AbortController();
    void this.read(this.abort);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = undefined;
  }

  /** Opens anew: the first picture of a stream is the page as it is. */
  again(): void {
    this.stop();
    this.failures = 0;
    this.start();
  }

  private async read(abort: AbortController): Promise<void> {
    let problem: unknown;
    try {
      const response = await this.ports.open(abort.signal);
      const reader = response.body?.getReader();
      const parser = new PictureParser();
      while (reader) {
        const { done, value } = await reader.read();
        if (done || abort.signal.aborted) break;
        const newest = parser.push(value).at(-1);
        if (!newest) continue;
        this.failures = 0;
        this.ports.frame(newest);
      }
    } catch (error) {
      problem = error;
    }
    if (abort.signal.aborted) return;
    abort.abort();
    this.abort = undefined;
    this.ports.lost(problem);
    const wait = AGAIN_MS[Math.min(this.failures, AGAIN_MS.length - 1)] ?? 5_000;
    this.failures += 1;
    this.timer = setTimeout(() => this.start(), wait);
  }
}
