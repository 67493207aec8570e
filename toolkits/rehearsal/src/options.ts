// The command line.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { ServerConfig } from "./app.ts";
import { readFaultRules } from "./faults.ts";
import { tableAnalysis } from "./scenarios/table-analysis.ts";
import { readScenarios } from "./script-scenario.ts";

export interface Options {
  listen: { fd: number } | { port: number; host: string };
  server: ServerConfig;
}

export const USAGE = `rehearsal (--listen-fd N | --port N) [options]
  --listen-fd N        serve on an inherited listening descriptor; no socket is made
  --port N             serve on 127.0.0.1; 0 takes a free port
  --model ID           a model it answers to (may be repeated; "rehearsal" when left out)
  --scenarios DIR      further scenarios (*.json, *.mjs), tried before its own
  --faults FILE        JSON list of faults
  --latency MIN..MAX   milliseconds of an answer (150..450 on a descriptor, else 0)
  --seed TEXT          which request takes how long, and which one a share of faults hits
  --chunk-bytes N      bytes of one write
  --api-key KEY        refuse requests with another key; "-" reads it from standard input
  --echo-key WHERE     repeat the key of a request in the "error" about it, or in every "answer"
  --transcript TEXT    the words of every recording
  --record FILE        one line of JSON a request
  --requests FILE      every request as it came, keys aside, a line of JSON each`;

/** A person watches the product's own rehearsal: at no speed it would be over before it can be read. */
const WATCHED_MS: readonly [number, number] = [150, 450];

/** @throws {Error} with words for the person who typed it. */
export async function readOptions(args: readonly string[]): Promise<Options> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      "listen-fd": text,
      port: text,
      model: { type: "string", multiple: true },
      scenarios: text,
      faults: text,
      latency: text,
      seed: text,
      "chunk-bytes": text,
      "api-key": text,
      "echo-key": text,
      transcript: text,
      record: text,
      requests: text,
    },
  });
  const fd = whole("--listen-fd", values["listen-fd"], 0);
  const port = whole("--port", values.port, 0);
  if ((fd === undefined) === (port === undefined)) throw new Error("give either --listen-fd or --port");
  const echoKey = values["echo-key"];
  if (echoKey !== undefined && echoKey !== "error" && echoKey !== "answer")
    throw new Error('--echo-key is "error" or "answer"');
  const chunkBytes = whole("--chunk-bytes", values["chunk-bytes"], 1);
  const extra = values.scenarios === undefined ? [] : await readScenarios(values.scenarios);
  const faults = values.faults === undefined ? "[]" : readFileSync(values.faults, "utf8");
  return {
    listen: fd === undefined ? { port: port ?? 0, host: "127.0.0.1" } : { fd },
    server: {
      models: values.model ?? ["rehearsal"],
      scenarios: [...extra, tableAnalysis],
      faults: readFaultRules(JSON.parse(faults), values.faults ?? "faults"),
      latencyMs: values.latency === undefined ? (fd === undefined ? [0, 0] : WATCHED_MS) : range(values.latency),
      seed: values.seed ?? "",
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
      ...(values["api-key"] === undefined ? {} : { apiKey: keyFrom(values["api-key"]) }),
      ...(echoKey === undefined ? {} : { echoKey }),
      ...(values.transcript === undefined ? {} : { transcript: values.transcript }),
      ...(values.record === undefined ? {} : { record: values.record }),
      ...(values.requests === undefined ? {} : { requests: values.requests }),
    },
  };
}

/** From standard input a key is in no list of arguments. */
function keyFrom(text: string): string {
  return text === "-" ? readFileSync(0, "utf8").trim() : text;
}

function whole(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) throw new Error(`${name} is a whole number from ${least}`);
  return Number(text);
}

function range(text: string): [number, number] {
  const [, least = "", most = least] = /^(\d{1,6})(?:\.\.(\d{1,6}))?$/.exec(text) ?? [];
  if (least === "" || Number(least) > Number(most)) throw new Error("--latency is MIN..MAX in milliseconds");
  return [Number(least), Number(most)];
}
