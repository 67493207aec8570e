// Watches everything a key could leave a trace in while something goes on: files, processes, the event stream, answers, logs.

import type { Event } from "@openwrap/contracts";
import { filesWith, processesWith, spelledIn } from "../kit/canary.ts";
import { marked } from "../kit/marked.ts";
import { processTree } from "../kit/processes.ts";
import { runFacts } from "../kit/run-events.ts";
import { blobText } from "../kit/scripted-run.ts";
import type { TestServer } from "../kit/server.ts";

const SAMPLE_MS = 15;
const FILES_EVERY = 8;

/** What a worker runs: it keeps its whole environment, and stays long enough to be looked at. */
export const PROGRAM = `
require("node:fs").writeFileSync("environment.txt", JSON.stringify(process.env));
setTimeout(() => console.log(Object.keys(process.env).length), 250);`;
/** Among the names of programs: the worker's own was seen. */
export const WORKER = "worker's program";

export interface Watched<T> {
  value: T;
  samples: number;
  /** Names of the programs that were seen. */
  seen: Set<string>;
  hits: string[];
}

export class CanaryWatch {
  readonly server: TestServer;
  readonly keys: readonly string[];
  /** Searched beside the data folders. */
  readonly folders: string[];
  /** Everything any program, or the page, said. */
  readonly said: string[] = [];
  /** The whole event stream. */
  streamed = "";
  readonly #stream = new AbortController();
  readonly #streaming: Promise<void>;

  constructor(server: TestServer, keys: readonly string[], folders: readonly string[]) {
    this.server = server;
    this.keys = keys;
    this.folders = [server.folders.home, server.folders.work, ...folders];
    this.#streaming = this.#listen().catch((error: unknown) => {
      if (!this.#stream.signal.aborted) throw error;
    });
  }

  async end(): Promise<void> {
    this.#stream.abort();
    await this.#streaming;
  }

  async #listen(): Promise<void> {
    const headers = { authorization: `Bearer ${this.server.token}` };
    const response = await fetch(`${this.server.url}/api/stream?after=0`, { headers, signal: this.#stream.signal });
    const decoder = new TextDecoder();
    for await (const part of response.body ?? []) this.streamed += decoder.decode(part as Uint8Array, { stream: true });
  }

  look(files: boolean): { hits: string[]; names: string[] } {
    // The command line is a child of this process, as the server is; the model server has the key by right, on its standard input.
    const tree = processTree(process.pid);
    const pids = tree.map(({ pid }) => pid).filter((pid) => pid !== process.pid);
    return {
      hits: [...processesWith(pids, this.keys), ...(files ? filesWith(this.folders, this.keys).hits : [])],
      names: tree.map(({ name }) => name),
    };
  }

  /** Looks at processes and files all the time that something takes. */
  async during<T>(work: Promise<T>): Promise<Watched<T>> {
    const hits: string[] = [];
    const seen = new Set<string>();
    let done = false;
    let samples = 0;
    const watching = (async () => {
      while (!done) {
        const found = this.look(samples % FILES_EVERY === 0);
        hits.push(...found.hits);
        for (const name of found.names) seen.add(name);
        if (marked(PROGRAM).length > 0) seen.add(WORKER);
        samples += 1;
        await new Promise((wait) => setTimeout(wait, SAMPLE_MS));
      }
    })();
    const value = await work.finally(() => {
      done = true;
    });
    await watching;
    return { value, samples, seen, hits };
  }

  /** Live text by step, put together: what was cut into frames can be read again. */
  liveTexts(): string[] {
    const steps = new Map<string, string>();
    for (const [, data = ""] of this.streamed.matchAll(/^event: text\ndata: (.*)$/gm)) {
      const { runId, stepId, text } = JSON.parse(data) as { runId: string; stepId: string; text: string };
      steps.set(`${runId} ${stepId}`, (steps.get(`${runId} ${stepId}`) ?? "") + text);
    }
    return [...steps.values()];
  }

  /** All answers about a run, with every blob that there is. */
  async #answersAbout(runId: string): Promise<{ text: string; blobs: number }> {
    const { client } = this.server;
    const events = (await runFacts(this.server, runId)).map(({ event }) => event);
    const blobs = await Promise.all(hashesIn(events).map((hash) => blobText(this.server, hash).catch(() => undefined)));
    const { projectId = "" } = events.find((event) => event.type === "run_created") ?? {};
    const others = [
      await client.overview.get(),
      await client.run.get({ runId }),
      await client.run.record({ runId }).catch(String),
      await client.project.files({ projectId: projectId ?? "" }),
      await client.doctor.get(),
      await client.health.get(),
      await client.secret.publicKey(),
      await client.audit.verify(),
    ];
    const there = blobs.filter((text) => text !== undefined);
    return { text: JSON.stringify([events, others]) + there.join("\n"), blobs: there.length };
  }

  /** Everything there is after a run: files, streams, answers, logs. */
  async traces(runId: string): Promise<{ hits: string[]; blobs: number; files: number }> {
    const { text, blobs } = await this.#answersAbout(runId);
    const { hits, files } = filesWith(this.folders, this.keys);
    const { stdout, stderr } = this.server.child.said();
    const texts = {
      answers: text,
      said: this.said.join("\n"),
      streamed: this.streamed,
      "live text": this.liveTexts().join("\n"),
      "server's output": stdout + stderr,
    };
    const inTexts = Object.entries(texts).flatMap(([name, found]) =>
      spelledIn(found, this.keys).map((how) => `${name}: ${how}`),
    );
    return { hits: [...hits, ...inTexts], blobs, files };
  }
}

/** Every hash that an event names, wherever it stands. */
function hashesIn(events: Event[]): string[] {
  return [...new Set(JSON.stringify(events).match(/\b[0-9a-f]{64}\b/g) ?? [])];
}

/** What a model server answers to somebody who has the key. */
export async function askedDirectly(url: string, key: string): Promise<string> {
  const response = await fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "rehearsal", messages: [{ role: "user", content: "Hello" }] }),
  });
  return await response.text();
}
