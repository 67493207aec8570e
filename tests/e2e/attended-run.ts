// A run with the scripted model server, in folders of its own, attended through the interface the command line uses.

import { randomUUID } from "node:crypto";
import type { RunSummary } from "@openwrap/contracts";
import { type Folders, temporaryFolders } from "../kit/folders.ts";
import type { ModelServer } from "../kit/model-server.ts";
import { type Fact, factsAfter } from "../kit/run-events.ts";
import { startServer, type TestServer } from "../kit/server.ts";
import { projectWith } from "../kit/tables.ts";

export const GOAL = "Analyse this data and give me a workbook, a report and a deck.";
export const PROVIDER = "scripted";

export interface Place {
  folders: Folders;
  /** The sample, laid out anew. */
  project: string;
}

export function newPlace(): Place {
  const folders = temporaryFolders();
  return { folders, project: projectWith(folders.base, "sample").path };
}

export async function addScripted(server: TestServer, model: ModelServer): Promise<void> {
  const models = { modelIds: ["rehearsal"], defaultModelId: "rehearsal" };
  await server.client.provider.add({ providerId: PROVIDER, kind: "local", baseUrl: model.url, ...models });
}

export async function createRun(place: Place, model: ModelServer): Promise<{ server: TestServer; run: RunSummary }> {
  const server = await startServer({ folders: place.folders });
  await addScripted(server, model);
  const { projectId } = await server.client.project.open({ path: place.project });
  const run = await server.client.run.create({
    requestId: randomUUID(),
    projectId,
    goal: GOAL,
    model: `${PROVIDER}/rehearsal`,
    approve: "ask",
    allow: [],
  });
  return { server, run };
}

/** Answers yes to what is asked, until the run is over or the ledger has reached a sequence; all facts so far. */
export async function attend(server: TestServer, runId: string, stopAt = Number.POSITIVE_INFINITY): Promise<Fact[]> {
  const { sequence: now } = await server.client.overview.get();
  const facts: Fact[] = [];
  const open = new Set<string>();
  for await (const fact of factsAfter(server, 0)) {
    facts.push(fact);
    const { event, sequence } = fact;
    if (event.type === "approval_requested") open.add(event.question.approvalId);
    if (event.type === "approval_resolved" || event.type === "approval_withdrawn") open.delete(event.approvalId);
    if (sequence >= stopAt || (event.type === "run_finished" && event.runId === runId)) break;
    // What is older may have been answered.
    if (sequence < now) continue;
    for (const approvalId of open) {
      open.delete(approvalId);
      const decision = { allow: true, scope: "once" as const };
      await server.client.approval.resolve({ requestId: randomUUID(), approvalId, decision });
    }
  }
  return facts;
}
