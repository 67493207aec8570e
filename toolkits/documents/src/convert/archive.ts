// Parts of a ZIP package, read by its directory: nothing is unpacked that is not asked for, and nothing beyond its limits.

import { inflateRawSync } from "node:zlib";
import { LIMITS } from "../limits.ts";
import type { Source } from "./source.ts";

const { archiveEntriesMax, partBytesMax, partsBytesMax } = LIMITS.convert;

const END = { signature: 0x06054b50, size: 22, commentMax: 0xffff };
const ENTRY = { signature: 0x02014b50, size: 46 };
const LOCAL = { signature: 0x04034b50, size: 30 };
const METHOD = { stored: 0, deflated: 8 };
const FLAG_ENCRYPTED = 1;
/** A field of 32 bits that says "look elsewhere". */
const ELSEWHERE = 0xffffffff;

interface Entry {
  method: number;
  packed: number;
  unpacked: number;
  offset: number;
}

export class Archive {
  private readonly source: Source;
  private readonly view: DataView;
  private readonly entries = new Map<string, Entry>();
  private unpackedBytes = 0;

  constructor(source: Source) {
    this.source = source;
    const { buffer, byteOffset, byteLength } = source.bytes;
    this.view = new DataView(buffer, byteOffset, byteLength);
    this.readDirectory();
  }

  has(name: string): boolean {
    return this.entries.has(name.toLowerCase());
  }

  /** The bytes of a part; none when it is not there. Names are compared in any case, as the format wants. */
  part(name: string): Uint8Array | undefined {
    const entry = this.entries.get(name.toLowerCase());
    if (entry === undefined) return undefined;
    const { source } = this;
    const most = Math.min(partBytesMax, partsBytesMax - this.unpackedBytes);
    const tooMuch = (): Error =>
      source.tooMuch(`unpacks to more than ${partBytesMax} bytes in ${name}, or ${partsBytesMax} in all`);
    if (entry.unpacked > most) throw tooMuch();
    const packed = this.packedBytes(entry, name);
    let bytes = packed;
    if (entry.method !== METHOD.stored)
      try {
        // The size that the directory tells may be a lie; one byte more than it is one too many.
        bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.unpacked) });
      } catch (error) {
        const isLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
        throw isLarge ? source.tooMuch(`is larger in ${name} than it says`) : source.broken(`is damaged in ${name}`);
      }
    if (bytes.byteLength !== entry.unpacked) throw source.broken(`is damaged in ${name}`);
    this.unpackedBytes += bytes.byteLength;
    return bytes;
  }

  private packedBytes(entry: Entry, name: string): Uint8Array {
    const { view, source } = this;
    const isThere =
      entry.offset + LOCAL.size <= view.byteLength && view.getUint32(entry.offset, true) === LOCAL.signature;
    if (!isThere) throw source.broken(`is damaged before ${name}`);
    const begin =
      entry.offset + LOCAL.size + view.getUint16(entry.offset + 26, true) + view.getUint16(entry.offset + 28, true);
    if (begin + entry.packed > view.byteLength) throw source.broken(`is cut off in ${name}`);
    return source.bytes.subarray(begin, begin + entry.packed);
  }

  private readDirectory(): void {
    const { view, source } = this;
    const end = this.endOfDirectory();
    const count = view.getUint16(end + 10, true);
    let at = view.getUint32(end + 16, true);
    if (count > archiveEntriesMax) throw source.tooMuch(`has ${count} parts, ${archiveEntriesMax} are the most`);
    for (let place = 0; place < count; place += 1) {
      if (at + ENTRY.size > end || view.getUint32(at, true) !== ENTRY.signature)
        throw source.broken("has a damaged directory");
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) =>
        view.getUint16(at + field, true),
      ) as [number, number, number];
      const nameAt = at + ENTRY.size;
      const name = new TextDecoder().decode(source.bytes.subarray(nameAt, nameAt + nameLength));
      this.addEntry(name.toLowerCase(), at);
      at = nameAt + nameLength + extraLength + commentLength;
    }
  }

  private addEntry(name: string, at: number): void {
    const { view, source } = this;
    const entry = {
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      unpacked: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    };
    if ((view.getUint16(at + 8, true) & FLAG_ENCRYPTED) !== 0) throw source.broken("is protected by a password");
    if (entry.method !== METHOD.stored && entry.method !== METHOD.deflated)
      throw source.broken(`is packed in a way that is not known (${entry.method})`);
    if (entry.packed === ELSEWHERE || entry.unpacked === ELSEWHERE || entry.offset === ELSEWHERE)
      throw source.tooMuch("is a ZIP64 archive");
    // What two readers could take for different parts is taken for none.
    if (this.entries.has(name)) throw source.broken(`has ${name} twice`);
    this.entries.set(name, entry);
  }

  private endOfDirectory(): number {
    const { view, source } = this;
    const first = Math.max(0, view.byteLength - END.size - END.commentMax);
    for (let at = view.byteLength - END.size; at >= first; at -= 1)
      if (view.getUint32(at, true) === END.signature) return at;
    throw source.broken("is no Office file: it is not a ZIP archive");
  }
}
