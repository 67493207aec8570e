// Devices beyond this machine: programs and a browser that run there, and how one is paired from there.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SignIn } from "@openwrap/contracts";
import { type Child, cleanEnvironment, endChild, startChild } from "./child.ts";
import { ROOT } from "./folders.ts";

export interface RemoteAnswer {
  status: number;
  headers: Record<string, string | string[]>;
  text: string;
}

export interface RemoteAsk {
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** Something that stays open there. */
export interface RemoteOpen {
  status: number;
  /** What it has got so far. */
  text(): string;
  /** Resolves at its end, with the time of it. */
  ended: Promise<number>;
}

interface Said {
  id?: number;
  ready?: boolean;
  status?: number;
  headers?: RemoteAnswer["headers"];
  text?: string;
  part?: string;
  ended?: boolean;
  error?: string;
}

const CLIENT = join(ROOT, "tests/kit/remote-client.mjs");

export class RemoteMachine {
  private readonly child: Child;
  private readonly origin: string;
  private readonly ca: string;
  private readonly waiting = new Map<number, (said: Said) => void>();
  private asked = 0;

  private constructor(child: Child, origin: string, ca: string) {
    this.child = child;
    this.origin = origin;
    this.ca = ca;
    createInterface({ input: child.process.stdout }).on("line", (line) => {
      const said = JSON.parse(line) as Said;
      if (said.id !== undefined) this.waiting.get(said.id)?.(said);
    });
  }

  /** `launcher` goes before the program; `ca` is what it trusts. */
  static async start(launcher: string[], origin: string, ca: string): Promise<RemoteMachine> {
    const [program = "", ...args] = [...launcher, process.execPath, CLIENT];
    const child = startChild(program, args, cleanEnvironment());
    const machine = new RemoteMachine(child, origin, ca);
    await child.line(/"ready":true/);
    return machine;
  }

  private send(kind: string, ask: object, hear: (said: Said) => void): void {
    this.asked += 1;
    const id = this.asked;
    this.waiting.set(id, hear);
    this.child.process.stdin.write(`${JSON.stringify({ id, kind, origin: this.origin, ca: this.ca, ...ask })}\n`);
  }

  /** Over HTTP/2 unless HTTP/1.1 is asked for. */
  ask(ask: RemoteAsk, kind: "h1" | "h2" = "h2"): Promise<RemoteAnswer> {
    return new Promise((resolve, reject) => {
      this.send(kind, ask, (said) => {
        if (said.error !== undefined) reject(new Error(said.error));
        else resolve({ status: said.status ?? 0, headers: said.headers ?? {}, text: said.text ?? "" });
      });
    });
  }

  post(path: string, value: unknown, headers: Record<string, string> = {}): Promise<RemoteAnswer> {
    const sent = { "content-type": "application/json", ...headers };
    return this.ask({ path, method: "POST", headers: sent, body: JSON.stringify(value) });
  }

  open(kind: "h2" | "socket", ask: RemoteAsk & { protocols?: string[] }): Promise<RemoteOpen> {
    return new Promise((resolve) => {
      let text = "";
      let end: (at: number) => void = () => {};
      const ended = new Promise<number>((done) => {
        end = done;
      });
      this.send(kind, { ...ask, stream: true }, (said) => {
        if (said.part !== undefined) text += said.part;
        if (said.ended) end(performance.now());
        if (said.status !== undefined || said.ended) resolve({ status: said.status ?? 0, text: () => text, ended });
      });
    });
  }

  async stop(): Promise<void> {
    await endChild(this.child);
  }
}

/** A program that runs another one on the other machine, for what takes a path only. */
export function launcherScript(folder: string, launcher: string[], program: string): string {
  const path = join(folder, "there.sh");
  writeFileSync(path, `#!/bin/sh\nexec ${[...launcher, program].map((word) => `'${word}'`).join(" ")} "$@"\n`);
  chmodSync(path, 0o700);
  return path;
}

/** A browser's key, and what it sends to be paired. */
export class PairingBrowser {
  private readonly key: KeyObject;
  readonly publicKey: string;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    this.key = privateKey;
    this.publicKey = publicKey.export({ format: "jwk" }).x ?? "";
  }

  claim(link: string, code: string, name = "Tablet") {
    const part = link.split("/").pop() ?? "";
    const signature = sign(null, Buffer.from(`openwrap/pair/1${part}`), this.key).toString("base64url");
    return { link: part, code, name, publicKey: this.publicKey, signature };
  }
}

/** Headers of a device that was paired. */
export interface PairedDevice extends Pick<SignIn, "deviceId" | "role" | "tabSecret"> {
  cookie: string;
  headers: Record<string, string>;
}

export async function pair(machine: RemoteMachine, link: string, code: string, name?: string): Promise<PairedDevice> {
  const answer = await machine.post("/api/pairing/claim", new PairingBrowser().claim(link, code, name));
  if (answer.status !== 200) throw new Error(`not paired: ${answer.status} ${answer.text}`);
  const { deviceId, role, tabSecret } = JSON.parse(answer.text) as SignIn;
  const cookie = String(answer.headers["set-cookie"]).split(";")[0] ?? "";
  return { deviceId, role, tabSecret, cookie, headers: { cookie, "x-openwrap-tab": tabSecret } };
}
