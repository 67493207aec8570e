// Facts of runs as the server tells them, and what can be read from them.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Event, EventOf } from "@openwrap/contracts";
import { events } from "../../server/src/cli/event-stream.ts";
import type { TestServer } from "./server.ts";

export interface Fact {
  sequence: number;
  event: Event;
}

/** Facts after a sequence as they are written, until the caller breaks off or the server goes. */
export async function* factsAfter(server: TestServer, after: number, signal?: AbortSignal): AsyncGenerator<Fact> {
  const init = { headers: { authorization: `Bearer ${server.token}` }, ...(signal ? { signal } : {}) };
  yield* events(() => fetch(`${server.url}/api/stream?after=${after}`, init));
}

/** All facts of a run so far. */
export async function runFacts(server: TestServer, runId: string): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (;;) {
    const page = await server.client.run.events({ runId, after: facts.at(-1)?.sequence ?? 0 });
    facts.push(...page.events.map((event, place) => ({ event, sequence: page.sequences[place] ?? 0 })));
    if (page.events.length === 0 || (facts.at(-1)?.sequence ?? 0) >= page.lastSequence) return facts;
  }
}

export function factsOf<T extends Event["type"]>(facts: readonly Fact[], type: T): EventOf<T>[] {
  return facts.flatMap(({ event }) => (event.type === type ? [event as EventOf<T>] : []));
}

/** Most attempts between start and end at one moment, by the order of the facts. */
export function mostAtOnce(facts: readonly Fact[]): number {
  const running = new Set<string>();
  let most = 0;
  for (const { event } of facts) {
    if (event.type === "task_started") running.add(event.taskId ?? "");
    if (/^task_(completed|failed|canceled|squashed|reopened|needs_head)$/.test(event.type))
      running.delete(event.taskId ?? "");
    most = Math.max(most, running.size);
  }
  return most;
}

/** Path to hash of each file of a folder, sorted. */
export function hashesOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const hashes = files.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [relative(folder, path), createHash("sha256").update(readFileSync(path)).digest("hex")] as const;
  });
  return Object.fromEntries(hashes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
