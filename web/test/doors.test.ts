// Sealing keys, recomputing the chain, and what is made of a provider's form.

import { createHash, createHmac, randomBytes } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import type { AuditRow, AuditRows } from "@openwrap/contracts";
import { describe, expect, it } from "vitest";
import { BEGINNING, hashOf, verifyChain } from "../src/audit/chain.ts";
import { amountFault, budgetOf, countFault } from "../src/models/amounts.ts";
import {
  afterTest,
  emptyDraft,
  idFrom,
  kindOfKey,
  providerOf,
  suggestedId,
  withAddress,
  withKind,
} from "../src/models/provider-draft.ts";
import { seal } from "../src/models/seal.ts";
import { money } from "../src/words/format.ts";

describe("a sealed key", () => {
  const secret = x25519.utils.randomSecretKey();
  const publicKey = Buffer.from(x25519.getPublicKey(secret)).toString("base64url");

  function open(name: string, sealed: string): string {
    const bytes = Buffer.from(sealed, "base64url");
    const [ephemeral, nonce, rest] = [bytes.subarray(0, 32), bytes.subarray(32, 56), bytes.subarray(56)];
    const shared = x25519.getSharedSecret(secret, ephemeral);
    const recipient = Buffer.from(publicKey, "base64url");
    const key = createHash("sha256")
      .update("openwrap/seal/1")
      .update(shared)
      .update(ephemeral)
      .update(recipient)
      .digest();
    return Buffer.from(xchacha20poly1305(key, nonce, Buffer.from(name)).decrypt(rest)).toString("utf8");
  }

  it("is opened by the core's secret and under its own name alone", () => {
    for (const text of ["sk-1", "", "\u00e9\u{1f511}", "x".repeat(5_000)]) {
      const bytes = new TextEncoder().encode(text);
      const sealed = seal("provider:one", bytes, publicKey);
      expect(open("provider:one", sealed)).toBe(text);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
      expect(() => open("provider:two", sealed)).toThrow();
    }
    const once = seal("n", new TextEncoder().encode("same"), publicKey);
    expect(seal("n", new TextEncoder().encode("same"), publicKey)).not.toBe(once);
    expect(() => seal("n", new Uint8Array(3), "c2hvcnQ")).toThrow("32 bytes");
  });
});

describe("the chain", () => {
  /** As the ledger makes it, by Node's own hash. */
  function rowsOf(texts: string[]): AuditRow[] {
    let previous = Buffer.alloc(32);
    return texts.map((text, place) => {
      const sequence = Buffer.alloc(8);
      sequence.writeBigUInt64BE(BigInt(place + 1));
      const hash = createHash("sha256")
        .update("openwrap/event/1")
        .update(sequence)
        .update(previous)
        .update(text)
        .digest();
      previous = hash;
      return { sequence: place + 1, hash: hash.toString("hex"), text };
    });
  }
  const texts = Array.from({ length: 57 }, (_, at) => JSON.stringify({ at, text: `\u00fc${"x".repeat(at * 7)}` }));
  const rows = rowsOf(texts);
  const head = rows.at(-1)?.hash ?? "";

  async function verify(
    kept: readonly AuditRow[],
    options: { head?: string; known?: Map<number, string>; page?: number } = {},
  ) {
    const seen: number[] = [];
    const read = (after: number): Promise<AuditRows> =>
      Promise.resolve({
        rows: kept.filter((row) => row.sequence > after).slice(0, options.page ?? 10),
        headSequence: rows.length,
        headHash: options.head ?? head,
      });
    const stop = new AbortController();
    const outcome = await verifyChain(read, options.known ?? new Map(), (done) => seen.push(done), stop.signal);
    return { outcome, seen };
  }

  it("is followed from nothing to the head, page by page", async () => {
    const { outcome, seen } = await verify(rows);
    expect(outcome).toMatchObject({ events: rows.length, hash: head });
    expect(outcome.broken).toBeUndefined();
    expect(seen).toEqual([10, 20, 30, 40, 50, 57]);
    expect(hashOf(BEGINNING.hash, 1, texts[0] ?? "")).toBe(rows[0]?.hash);
    expect((await verify(rows, { known: new Map([[31, rows[30]?.hash ?? ""]]) })).outcome.broken).toBeUndefined();
  });

  it("breaks where it was touched, however it was touched", async () => {
    const changed = (sequence: number, change: (row: AuditRow) => AuditRow): AuditRow[] =>
      rows.map((row) => (row.sequence === sequence ? change(row) : row));
    const broken = async (kept: AuditRow[], options = {}) => (await verify(kept, options)).outcome.broken?.sequence;
    expect(await broken(changed(23, (row) => ({ ...row, text: row.text.replace("x", "y") })))).toBe(23);
    expect(
      await broken(changed(23, (row) => ({ ...row, hash: createHmac("sha256", "k").update("x").digest("hex") }))),
    ).toBe(23);
    expect(await broken(rows.filter((row) => row.sequence !== 11))).toBe(11);
    expect(await broken(rows.slice(0, 40))).toBe(41);
    expect(await broken(rows, { head: randomBytes(32).toString("hex") })).toBe(57);
    // Made anew from a changed event on: whole in itself, but not what this page was told before.
    const forged = rowsOf(texts.map((text, place) => (place === 4 ? text.replace("x", "z") : text)));
    const known = new Map([[57, head]]);
    expect(await broken(forged, { head: forged.at(-1)?.hash, known })).toBe(57);
    expect(await broken(forged, { head: forged.at(-1)?.hash })).toBeUndefined();
  });

  it("stops when it is told to", async () => {
    const stop = new AbortController();
    let pages = 0;
    const read = (after: number): Promise<AuditRows> => {
      pages += 1;
      if (pages === 3) stop.abort();
      return Promise.resolve({ rows: rows.slice(after, after + 10), headSequence: rows.length, headHash: head });
    };
    await expect(verifyChain(read, new Map(), () => undefined, stop.signal)).rejects.toThrow();
    expect(pages).toBe(3);
  });
});

describe("a provider's form", () => {
  it("brings address and model with the kind, and keeps what was typed", () => {
    const openai = emptyDraft("openai");
    expect(withKind(openai, "anthropic")).toMatchObject({
      baseUrl: "https://api.anthropic.com",
      models: "claude-sonnet-4-5",
    });
    const typed = withAddress(openai, "http://127.0.0.1:9/v1");
    expect(typed).toMatchObject({ baseUrl: "http://127.0.0.1:9/v1", models: "" });
    expect(withKind(typed, "anthropic").baseUrl).toBe("http://127.0.0.1:9/v1");
    expect(withAddress({ ...openai, models: "mine" }, "http://x").models).toBe("mine");
    expect([kindOfKey("sk-ant-api03"), kindOfKey("sk-proj-abc"), kindOfKey("sk-abc")]).toEqual([
      "anthropic",
      "openai",
      undefined,
    ]);
  });

  it("names what has no name, never twice the same", () => {
    expect(suggestedId(emptyDraft("openai"), [])).toBe("openai");
    expect(suggestedId(emptyDraft("openai"), ["openai", "openai-2"])).toBe("openai-3");
    const other = withAddress(emptyDraft("openai"), "https://api.groq.com/openai/v1");
    expect(suggestedId(other, [])).toBe("groq-com");
    expect(idFrom("  \u00c9t\u00e9 42 --")).toMatch(/^[a-z0-9][a-z0-9-]*$/);
    expect(idFrom("rehearsal")).not.toBe("rehearsal");
    expect(providerOf({ ...other, models: "a, b  a" }, [], true)).toEqual({
      providerId: "groq-com",
      kind: "openai",
      baseUrl: "https://api.groq.com/openai/v1",
      modelIds: ["a", "b"],
      defaultModelId: "a",
      authRef: "provider:groq-com",
    });
  });

  it("keeps the model that answered first, with the listed ones when none was named", () => {
    const unnamed = providerOf({ ...emptyDraft("local"), models: "" }, [], false);
    expect(afterTest(unnamed, "b", ["a", "b", "c"])).toMatchObject({ modelIds: ["b", "a", "c"], defaultModelId: "b" });
    const named = providerOf({ ...emptyDraft("local"), models: "b" }, [], false);
    expect(afterTest(named, "b", ["a", "b", "c"]).modelIds).toEqual(["b"]);
  });

  it("reads amounts and writes money", () => {
    expect(budgetOf("", " ")).toBeUndefined();
    expect(budgetOf("$1.50", "")).toEqual({ costMicroUsd: 1_500_000 });
    expect(budgetOf("", "20000")).toEqual({ tokens: 20_000 });
    expect(budgetOf("-1", "x")).toBeUndefined();
    expect(budgetOf("2,50", "")).toEqual({ costMicroUsd: 2_500_000 });
    expect(budgetOf("0,125", "7")).toEqual({ costMicroUsd: 125_000, tokens: 7 });
    for (const text of ["1,000", "1e3", "0x10", "5 5", ".", "Infinity"]) {
      expect(amountFault(text), text).toBeDefined();
      expect(budgetOf(text, ""), text).toBeUndefined();
    }
    for (const text of ["0.5", "1,5", "0", "x"]) expect(countFault(text), text).toBeDefined();
    expect([amountFault(""), amountFault("2,5"), countFault(" "), countFault("50000")]).toEqual(Array(4));
    const spent = (costMicroUsd: number, unpricedTokens = 0) => money({ costMicroUsd, unpricedTokens, tokens: 10 });
    expect([spent(0), spent(9_999), spent(840_000), spent(840_000, 3), spent(0, 10)]).toEqual([
      "$0",
      "under $0.01",
      "$0.84",
      "$0.84 and unpriced",
      "no price known",
    ]);
  });
});
