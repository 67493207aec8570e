// Recomputes the chain of events over the bytes as they come, with nothing of the core: each hash covers the sequence, the hash before,
// and the bytes, so no event can be changed, added or left out without every later hash being another.

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import type { AuditRow, AuditRows } from "@openwrap/contracts";

const ENCODER = new TextEncoder();
const CONTEXT = ENCODER.encode("openwrap/event/1");
const HASH_BYTES = 32;

/** The chain so far. */
export interface Link {
  sequence: number;
  /** Hex; of nothing: 32 zero bytes. */
  hash: string;
}

export const BEGINNING: Link = { sequence: 0, hash: "00".repeat(HASH_BYTES) };

export interface Break {
  sequence: number;
  problem: string;
}

/** SHA-256 of an event in its place. */
export function hashOf(previous: string, sequence: number, text: string): string {
  const place = new Uint8Array(8);
  new DataView(place.buffer).setBigUint64(0, BigInt(sequence));
  const hash = sha256.create().update(CONTEXT).update(place).update(hexToBytes(previous));
  return bytesToHex(hash.update(ENCODER.encode(text)).digest());
}

/** The chain after these rows, or where it breaks first. */
export function follow(link: Link, rows: readonly AuditRow[]): Link | Break {
  let at = link;
  for (const row of rows) {
    const sequence = at.sequence + 1;
    if (row.sequence !== sequence) return { sequence, problem: `event ${sequence} is missing` };
    const hash = hashOf(at.hash, sequence, row.text);
    if (hash !== row.hash) return { sequence, problem: "its bytes do not give the hash that is kept for it" };
    at = { sequence, hash };
  }
  return at;
}

export interface Outcome {
  events: number;
  /** Of their texts, as they are stored. */
  bytes: number;
  hash: string;
  broken?: Break;
}

/**
 * From the first event to the head as it was when the check began. `known`: hashes this page was told by other ways (snapshot, search):
 * each must be met. Rejects with what `read` rejects with, and when `signal` is aborted.
 */
export async function verifyChain(
  read: (after: number) => Promise<AuditRows>,
  known: ReadonlyMap<number, string>,
  progress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  let link = BEGINNING;
  let bytes = 0;
  let head: Link | undefined;
  for (;;) {
    const page = await read(link.sequence);
    signal.throwIfAborted();
    head ??= { sequence: page.headSequence, hash: page.headHash };
    const { sequence: last } = head;
    const rows = page.rows.filter((row) => row.sequence <= last);
    const from = link;
    const next = follow(from, rows);
    if ("problem" in next) return { events: next.sequence - 1, bytes, hash: from.hash, broken: next };
    const stray = rows.find((row) => known.has(row.sequence) && known.get(row.sequence) !== row.hash);
    if (stray) {
      const problem = "this page was told another hash of it before";
      return { events: stray.sequence - 1, bytes, hash: from.hash, broken: { sequence: stray.sequence, problem } };
    }
    bytes += rows.reduce((sum, row) => sum + ENCODER.encode(row.text).length, 0);
    link = next;
    progress(link.sequence, last);
    if (link.sequence >= last) break;
    if (rows.length === 0) {
      const sequence = link.sequence + 1;
      return { events: link.sequence, bytes, hash: link.hash, broken: { sequence, problem: "the rest is missing" } };
    }
  }
  const broken =
    link.hash === head.hash ? undefined : { sequence: head.sequence, problem: "the head has another hash" };
  return { events: link.sequence, bytes, hash: link.hash, ...(broken ? { broken } : {}) };
}
