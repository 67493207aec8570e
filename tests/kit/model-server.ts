// The scripted model server: the rehearsal model as a program of its own, on a free port of the loopback.

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanEnvironment, endChild, startChild } from "./child.ts";
import { REHEARSAL, temporaryFolder } from "./folders.ts";

export interface ModelServerOptions {
  /** Milliseconds an answer takes. */
  latencyMs?: readonly [least: number, most: number];
  models?: string[];
  /** Requests without this key are refused. */
  apiKey?: string;
  /** Repeats the key of a request in the error about it, or in every answer. */
  echoKey?: "error" | "answer";
  /** Rules in the program's own form (`toolkits/rehearsal/src/faults.ts`). */
  faults?: object[];
  /** Folder of further scenarios. */
  scenarios?: string;
  seed?: string;
  /** The words of every recording. */
  transcript?: string;
  chunkBytes?: number;
}

export interface Received {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

export interface ModelServer {
  /** Ends in `/v1`. */
  url: string;
  port: number;
  /** Every request so far, as recorded. */
  requests<T = Record<string, unknown>>(): T[];
  /** Every request as it came, keys aside. */
  received(): Received[];
  stop(): Promise<void>;
}

function argumentsOf(options: ModelServerOptions, folder: string): string[] {
  const args = [
    "--port",
    "0",
    "--record",
    join(folder, "requests.jsonl"),
    "--requests",
    join(folder, "received.jsonl"),
  ];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) args.push(`--${name}`, String(value));
  };
  add("latency", options.latencyMs?.join(".."));
  for (const model of options.models ?? []) add("model", model);
  add("api-key", options.apiKey === undefined ? undefined : "-");
  add("echo-key", options.echoKey);
  if (options.faults) {
    writeFileSync(join(folder, "faults.json"), JSON.stringify(options.faults));
    add("faults", join(folder, "faults.json"));
  }
  add("scenarios", options.scenarios);
  add("seed", options.seed);
  add("transcript", options.transcript);
  add("chunk-bytes", options.chunkBytes);
  return args;
}

export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const folder = temporaryFolder("openwrap-model-");
  const child = startChild(process.execPath, [REHEARSAL, ...argumentsOf(options, folder)], cleanEnvironment());
  child.process.stdin.end(options.apiKey ?? "");
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const [, url = ""] = await child.line(/^ready on (\S+)$/);
    const lines = <T>(name: string): T[] => {
      const path = join(folder, name);
      return (existsSync(path) ? readFileSync(path, "utf8") : "")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as T);
    };
    return {
      url,
      port: Number(new URL(url).port),
      requests: <T>() => lines<T>("requests.jsonl"),
      received: () => lines<Received>("received.jsonl"),
      stop: async () => {
        await endChild(child);
        remove();
      },
    };
  } catch (error) {
    await endChild(child, "SIGKILL").catch(() => undefined);
    remove();
    throw error;
  }
}
