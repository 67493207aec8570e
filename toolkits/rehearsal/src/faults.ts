// Faults on demand: which requests fail, how often, and how.

import { createHash } from "node:crypto";
import type { Conversation } from "./conversation.ts";

export type Fault =
  /** Refused with this status before any answer. */
  | { kind: "status"; status: 429 | 500 | 503 | 529; retryAfter?: string; message?: string }
  /** The connection breaks after so many chunks. */
  | { kind: "cut"; after: number }
  /** … after that part of all bytes, from 0 to 1, wherever in a line or a character that is. */
  | { kind: "cut"; part: number }
  /** A chunk that is no JSON after so many chunks, then the rest. */
  | { kind: "malformed"; after: number }
  /** An error inside the stream after so many chunks. */
  | { kind: "error"; after: number }
  /** Silence after so many chunks, until the client goes; `-1`: not even headers. */
  | { kind: "hang"; after: number }
  /** So many milliseconds before each chunk. */
  | { kind: "slow"; ms: number };

export interface FaultRule {
  match?: { goal?: string; role?: string; task?: string; turn?: number; share?: number };
  /** How often one and the same request fails before it succeeds; once when left out. */
  times?: number;
  fault: Fault;
}

const KINDS = new Set(["status", "cut", "malformed", "error", "hang", "slow"]);
const STATUSES = [429, 500, 503, 529];

/** @throws {Error} naming the rule that is wrong. */
export function readFaultRules(value: unknown, where: string): FaultRule[] {
  if (!Array.isArray(value)) throw new Error(`${where}: faults are a list`);
  return value.map((rule: Partial<FaultRule>, index) => {
    const fault = rule?.fault;
    const bad = (why: string) => new Error(`${where}: fault ${index}: ${why}`);
    if (typeof fault !== "object" || !KINDS.has(fault.kind)) throw bad(`its kind is none of ${[...KINDS].join(", ")}`);
    if (fault.kind === "status" && !STATUSES.includes(fault.status))
      throw bad(`its status is none of ${STATUSES.join(", ")}`);
    if (fault.kind === "cut" && "part" in fault && !(fault.part >= 0 && fault.part <= 1))
      throw bad("`part` is not 0 to 1");
    if ("after" in fault && !Number.isInteger(fault.after)) throw bad("`after` is no whole number");
    if (fault.kind === "slow" && !Number.isFinite(fault.ms)) throw bad("`ms` is no number");
    return { ...rule, fault };
  });
}

/** A number from 0 up to 1 that depends on the request and the seed only. */
export function shareOf(seed: string, hash: string, salt: string): number {
  const digest = createHash("sha256").update(`${seed}\n${salt}\n${hash}`).digest();
  return digest.readUInt32BE(0) / 2 ** 32;
}

/** Hands out faults; remembers how often each request had one. */
export class FaultDesk {
  readonly #seed: string;
  readonly #given = new Map<string, number>();

  constructor(seed: string) {
    this.#seed = seed;
  }

  next(rules: readonly FaultRule[], conversation: Conversation, hash: string): Fault | undefined {
    for (const [index, rule] of rules.entries()) {
      if (!this.#fits(rule, conversation, hash, index)) continue;
      const key = `${index} ${hash}`;
      const given = this.#given.get(key) ?? 0;
      if (given >= (rule.times ?? 1)) continue;
      this.#given.set(key, given + 1);
      return rule.fault;
    }
    return undefined;
  }

  /** As `next`, for what is no conversation: only rules for this role. */
  nextOf(role: string, rules: readonly FaultRule[], hash: string): Fault | undefined {
    for (const [index, rule] of rules.entries()) {
      const key = `${index} ${hash}`;
      const given = this.#given.get(key) ?? 0;
      if (rule.match?.role !== role || given >= (rule.times ?? 1)) continue;
      this.#given.set(key, given + 1);
      return rule.fault;
    }
    return undefined;
  }

  #fits({ match = {} }: FaultRule, conversation: Conversation, hash: string, index: number): boolean {
    const { goal, role, task, turn, share } = match;
    return (
      (goal === undefined || new RegExp(goal, "i").test(conversation.goal)) &&
      (role === undefined || role === conversation.role) &&
      (task === undefined || task === conversation.task.id) &&
      (turn === undefined || turn === conversation.turn) &&
      (share === undefined || shareOf(this.#seed, hash, `fault ${index}`) < share)
    );
  }
}
