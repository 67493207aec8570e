// `openwrap run`: one goal, carried to its end.

import { randomUUID } from "node:crypto";
import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { ApprovePolicy, Budget, EventOf, RunSummary } from "@openwrap/contracts";
import { CoreFault } from "../core.ts";
import { readBudget } from "./budget.ts";
import { type CommandCall, UsageError } from "./command.ts";
import { type Connection, connect, type Sequenced } from "./connection.ts";
import { readInputs } from "./playbook-inputs.ts";
import { Questions } from "./questions.ts";
import { RunLog } from "./run-log.ts";
import { jsonLine } from "./visible.ts";

const SLOTS_MAX = 64;
const KINDS = ["read", "write", "run", "net", "env"];
/** Tries to take a stream up again that broke off, and the wait between two. */
const RESUME_TRIES = 5;
const RESUME_WAIT_MS = 500;
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 };

interface Wanted {
  goal: string | undefined;
  playbook: string | undefined;
  project: string;
  approve: ApprovePolicy;
  slots: number | undefined;
  allow: string[];
  deny: string[];
  budget: Budget | undefined;
}

function readWanted(call: CommandCall): Wanted {
  const [goal, playbook] = [call.args[0], call.value("playbook")];
  if ((goal === undefined) === (playbook === undefined)) throw new UsageError("give either a GOAL or --playbook NAME");
  if (playbook === undefined && call.list("input").length > 0) throw new UsageError("--input is for a playbook");
  if (playbook !== undefined && (call.value("model") !== undefined || call.list("budget").length > 0))
    throw new UsageError("no model takes part in a playbook: --model and --budget say nothing to it");
  const approve = call.value("approve") ?? "ask";
  if (approve !== "ask" && approve !== "bundle" && approve !== "all")
    throw new UsageError("--approve must be one of: ask, bundle, all");
  if (approve === "ask" && !call.terminal.interactive)
    throw new UsageError("--approve ask needs a terminal to ask in; give --approve bundle or --approve all");
  const rules = (word: string): string[] =>
    KINDS.flatMap((kind) =>
      call.list(`${word}-${kind}`).flatMap((values) => values.split(",").map((value) => `${kind}:${value.trim()}`)),
    );
  return {
    goal,
    playbook,
    project: folderOf(call.needed("project")),
    approve,
    slots: call.whole("slots", 1, SLOTS_MAX),
    allow: rules("allow"),
    deny: rules("deny"),
    budget: readBudget(call.list("budget")),
  };
}

/** Absolute and without links: what is opened is what is meant. */
function folderOf(path: string): string {
  const full = resolve(path);
  try {
    const real = realpathSync(full);
    if (statSync(real).isDirectory()) return real;
  } catch {
    // Said below.
  }
  throw new CoreFault({
    code: "NOT_FOUND",
    message: `${full} is no folder that can be opened`,
    hint: "Give an existing folder with --project.",
  });
}

async function modelOf(call: CommandCall, { client }: Connection): Promise<string> {
  const named = call.value("model");
  if (named !== undefined) return named;
  const { providers } = await client.overview.get();
  const [first, ...others] = providers;
  if (first === undefined) return "rehearsal";
  const model = first.defaultModelId ?? first.modelIds[0];
  if (others.length > 0 || model === undefined)
    throw new UsageError(
      `--model is needed: there are ${providers.map((provider) => provider.providerId).join(", ")} and rehearsal`,
    );
  return `${first.providerId}/${model}`;
}

export async function run(call: CommandCall): Promise<number> {
  const wanted = readWanted(call);
  const connection = await connect(call);
  try {
    return await watch(call, connection, await begin(call, connection, wanted), wanted.approve);
  } finally {
    await connection.close();
  }
}

async function begin(call: CommandCall, connection: Connection, wanted: Wanted): Promise<RunSummary> {
  const { client } = connection;
  const { approve, slots, allow, deny, budget, playbook, goal, project } = wanted;
  // Said before anything is opened: what it is missing is no reason to keep a project.
  const asked = playbook === undefined ? undefined : (await client.playbook.get({ name: playbook })).playbook;
  const model = asked === undefined ? await modelOf(call, connection) : undefined;
  const inputs = asked === undefined ? {} : readInputs(asked, call.list("input"), project);
  const { projectId } = await client.project.open({ path: project });
  const shared = {
    requestId: randomUUID(),
    projectId,
    approve,
    ...(slots === undefined ? {} : { slots }),
    allow,
    ...(deny.length === 0 ? {} : { deny }),
  };
  if (asked !== undefined) return await client.playbook.run({ ...shared, name: asked.name, inputs });
  return await client.run.create({
    ...shared,
    goal: goal ?? "",
    model: model ?? "",
    ...(budget === undefined ? {} : { budget }),
  });
}

async function watch(
  call: CommandCall,
  connection: Connection,
  created: RunSummary,
  approve: ApprovePolicy,
): Promise<number> {
  const { terminal } = call;
  const questions = new Questions(connection.client, terminal, approve);
  const log = call.has("json") ? undefined : new RunLog(terminal, created, connection.url);
  const stopping = new AbortController();
  let interrupted: keyof typeof INTERRUPTED | undefined;
  const release = terminal.onStop((signal) => {
    // The second time nobody wants to wait for an orderly end.
    if (interrupted !== undefined) process.exit(INTERRUPTED[signal]);
    interrupted = signal;
    questions.close();
    terminal.err("Stopping the run; once more to leave at once.");
    stop(connection, created.runId).catch((error: unknown) => stopping.abort(error));
  });
  try {
    const finished = await follow(connection, created, stopping.signal, async (item) => {
      if (item.event.type !== "run_finished") {
        if (log) log.show(item.event);
        else terminal.out(eventLine(item));
      }
      questions.look(item.event);
    });
    questions.close();
    // Last, whatever it was said with: what a script reads.
    if (log) log.finish(finished.event);
    else terminal.out(finishedLine(finished));
    if (interrupted !== undefined) return INTERRUPTED[interrupted];
    return finished.event.status === "completed" ? 0 : 1;
  } finally {
    questions.close();
    release();
  }
}

async function stop({ client }: Connection, runId: string): Promise<void> {
  await client.run.stop({ requestId: randomUUID(), runId }).catch((error: unknown) => {
    // It ended by itself in the same moment.
    if (!(error instanceof Error && "code" in error && error.code === "INVALID_STATE")) throw error;
  });
}

type Finished = Sequenced & { event: EventOf<"run_finished"> };

/** Hands every fact of the run on, in order and once, until the last. */
async function follow(
  connection: Connection,
  { runId, firstSequence }: RunSummary,
  signal: AbortSignal,
  take: (item: Sequenced) => Promise<void>,
): Promise<Finished> {
  let after = firstSequence - 1;
  for (let left = RESUME_TRIES; ; left -= 1) {
    let broken: unknown = new Error("the stream ended");
    try {
      for await (const item of connection.events(after, signal)) {
        after = item.sequence;
        left = RESUME_TRIES;
        if (item.event.runId !== runId) continue;
        await take(item);
        if (item.event.type === "run_finished") return { sequence: item.sequence, event: item.event };
      }
    } catch (error) {
      broken = error;
    }
    if (signal.aborted) throw signal.reason;
    if (left === 0) throw broken;
    await new Promise((wait) => setTimeout(wait, RESUME_WAIT_MS));
  }
}

function eventLine({ sequence, event }: Sequenced): string {
  const { type, ...rest } = event;
  return jsonLine({ type, sequence, ...rest });
}

/** The fields scripts rely on stand first and are always there. */
function finishedLine({ sequence, event }: Finished): string {
  const { type, runId, status, runDigest = null, artifacts, ...rest } = event;
  return jsonLine({ type, runId, status, runDigest, artifacts, sequence, ...rest });
}
