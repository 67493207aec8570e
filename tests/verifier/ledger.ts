// An auditor that shares nothing with what it audits: Node, the npm `libsql` package and the published rules. It recomputes the
// chain, the newest head, the canonical form of every event, every blob, and the digest of every completed run.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";

export interface Report {
  ok: boolean;
  events: number;
  blobs: number;
  /** Completed runs whose record gives their digest. */
  digests: number;
  headHash: string;
  /** In the order they were found, the chain's first; empty when all is well. */
  problems: string[];
  firstBadSequence?: number;
}

/** As the package gives them: cells of bytes are plain buffers. */
interface Row {
  sequence: number;
  hash: ArrayBuffer;
  bytes: ArrayBuffer;
}

interface Fact {
  type: string;
  runId?: string;
  status?: string;
  runDigest?: string | null;
  recordHash?: string | null;
  artifacts?: { path: string; checksum: string }[];
}

interface RunRecord {
  deliverables: { path: string; checksum: string }[];
}

const DOMAIN = "openwrap/event/1";

/** Of a data folder that no program has open. */
export function verifyLedger(home: string): Report {
  const database = new Database(join(home, "ledger.db"), { readonly: true });
  try {
    return new Audit(home, database).report();
  } finally {
    database.close();
  }
}

class Audit {
  private readonly home: string;
  private readonly database: Database.Database;
  private readonly problems: string[] = [];
  private readonly runs: Fact[] = [];
  private firstBad: number | undefined;

  constructor(home: string, database: Database.Database) {
    this.home = home;
    this.database = database;
  }

  report(): Report {
    const { events, head } = this.chain();
    this.head(events, head);
    const blobs = this.blobs();
    const digests = this.runs.filter((fact) => this.digest(fact, blobs)).length;
    return {
      ok: this.problems.length === 0,
      events,
      blobs: blobs.size,
      digests,
      headHash: head.toString("hex"),
      problems: this.problems,
      ...(this.firstBad === undefined ? {} : { firstBadSequence: this.firstBad }),
    };
  }

  private chain(): { events: number; head: Buffer } {
    const rows = this.database.prepare("SELECT sequence, hash, bytes FROM events ORDER BY sequence").iterate();
    let head: Buffer = Buffer.alloc(32);
    let events = 0;
    for (const row of rows as Iterable<Row>) {
      const expected = events + 1;
      if (row.sequence !== expected)
        return this.broken(expected, `the next one found is ${row.sequence}`, events, head);
      const place = Buffer.alloc(8);
      place.writeBigUInt64BE(BigInt(row.sequence));
      const bytes = Buffer.from(row.bytes);
      const computed = sha256(DOMAIN, place, head, bytes);
      if (!computed.equals(Buffer.from(row.hash))) return this.broken(expected, "its hash does not fit", events, head);
      this.event(row.sequence, bytes.toString("utf8"));
      head = computed;
      events += 1;
    }
    return { events, head };
  }

  private broken(sequence: number, problem: string, events: number, head: Buffer): { events: number; head: Buffer } {
    this.firstBad = sequence;
    this.problems.push(`event ${sequence}: ${problem}`);
    return { events, head };
  }

  private event(sequence: number, text: string): void {
    let fact: Fact;
    try {
      fact = JSON.parse(text) as Fact;
    } catch {
      this.problems.push(`event ${sequence}: is no JSON`);
      return;
    }
    if (canonical(fact) !== text) this.problems.push(`event ${sequence}: is not in canonical form`);
    if (fact.type === "run_finished" && fact.status === "completed") this.runs.push(fact);
  }

  /** The record may lag behind, by rows nobody was told about, but is never ahead. */
  private head(events: number, head: Buffer): void {
    const record = readFileSync(join(this.home, "head"), "utf8");
    const [, sequence = "", hash = ""] = /^(\d{20}) ([0-9a-f]{64})\n$/.exec(record) ?? [];
    if (this.firstBad !== undefined) return;
    if (Number(sequence) !== events || hash !== head.toString("hex"))
      this.problems.push(`the head file says ${Number(sequence)} ${hash.slice(0, 8)}, the chain ends at ${events}`);
  }

  private blobs(): Map<string, Buffer> {
    const blobs = new Map<string, Buffer>();
    const rows = this.database.prepare("SELECT hash, bytes FROM blobs ORDER BY hash").iterate();
    for (const { hash, bytes } of rows as Iterable<Pick<Row, "hash" | "bytes">>)
      this.blob(blobs, Buffer.from(hash).toString("hex"), Buffer.from(bytes));
    const folder = join(this.home, "blobs");
    for (const first of existsSync(folder) ? readdirSync(folder).sort() : [])
      for (const rest of readdirSync(join(folder, first)).sort())
        this.blob(blobs, `${first}${rest}`, readFileSync(join(folder, first, rest)));
    return blobs;
  }

  private blob(blobs: Map<string, Buffer>, name: string, bytes: Buffer): void {
    if (sha256(bytes).toString("hex") !== name) this.problems.push(`blob ${name}: its content has another hash`);
    blobs.set(name, bytes);
  }

  private digest({ runId, runDigest, recordHash, artifacts = [] }: Fact, blobs: Map<string, Buffer>): boolean {
    const bytes = blobs.get(recordHash ?? "");
    if (!bytes) {
      this.problems.push(`run ${runId}: its record is not there`);
      return false;
    }
    const record = JSON.parse(bytes.toString("utf8")) as RunRecord;
    const found = this.problems.length;
    if (sha256(canonical(record)).toString("hex") !== runDigest)
      this.problems.push(`run ${runId}: its record has another digest`);
    const listed = (list: { path: string; checksum: string }[]): string =>
      list
        .map(({ path, checksum }) => `${path} ${checksum}`)
        .sort()
        .join("\n");
    if (listed(record.deliverables) !== listed(artifacts))
      this.problems.push(`run ${runId}: what it delivered is not what its record says`);
    return this.problems.length === found;
  }
}

function sha256(...parts: (string | Buffer)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** RFC 8785: members by UTF-16 code units, numbers and strings as ECMAScript writes them. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`);
  return `{${members.join(",")}}`;
}
