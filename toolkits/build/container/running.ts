// One container that serves, on a volume of its own; gone when it is stopped.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createServer } from "node:net";
import { type Engine, imageOf, type Target } from "./engine.ts";

/** As whom, and with what, a container is started. */
export interface Mode {
  name: string;
  /** Uid and gid. */
  user: number;
  capabilities: string[];
}

export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const LOOK_MS = 10;
const READY_MS = 30_000;
const STOP_MS = 15_000;

/** A port of this machine that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === "object" && address !== null ? address.port : 0;
}

export function run(program: string, args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ status, stdout, stderr });
    });
  });
}

/** Arguments of `run` by which a container is confined as the documents say: read-only, no capabilities but these. */
export function confinedArguments(engine: Engine, capabilities: string[], seccomp: string | undefined): string[] {
  const filter = seccomp === undefined ? [] : ["--security-opt", `seccomp=${seccomp}`];
  const added = capabilities.flatMap((name) => ["--cap-add", name]);
  const shut = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", ...added, "--security-opt", "no-new-privileges"];
  return [...engine.runArguments, ...shut, ...filter];
}

export class Running {
  private readonly child: ChildProcess;
  private readonly client: string[];
  private readonly name: string;
  private text = "";
  private over = false;
  /** Milliseconds from the command that started it to the first answer that all is well. */
  healthMs = 0;

  private constructor(client: string[], name: string, args: string[]) {
    this.client = client;
    this.name = name;
    const [program = "", ...first] = client;
    this.child = spawn(program, [...first, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding("utf8").on("data", (part: string) => {
        this.text += part;
      });
    this.child.on("exit", () => {
      this.over = true;
    });
  }

  /** `volume` is made when there is none of that name; `args`: further ones of `run`; `isThere`: whether it answers that all is well. */
  static async start(
    engine: Engine,
    target: Target,
    volume: string,
    args: string[],
    isThere: () => Promise<boolean>,
  ): Promise<Running> {
    const place = ["--rm", "--name", volume, "--volume", `${volume}:/data`];
    const from = performance.now();
    const running = new Running(engine.client, volume, ["run", ...args, ...place, imageOf(target)]);
    while (!(await isThere().catch(() => false))) {
      if (running.over || performance.now() - from > READY_MS) {
        await running.stop();
        throw new Error(`the server did not answer: ${running.text}`);
      }
      await new Promise((wait) => setTimeout(wait, LOOK_MS));
    }
    running.healthMs = performance.now() - from;
    return running;
  }

  /** What the server has said. */
  log(): string {
    return this.text;
  }

  /** A program inside, as the server's own user. */
  exec(...words: string[]): Promise<Ran> {
    const [program = "", ...first] = this.client;
    return run(program, [...first, "exec", this.name, ...words]);
  }

  /** As a crash. */
  async kill(): Promise<void> {
    const [program = "", ...first] = this.client;
    const ended = this.ended();
    await run(program, [...first, "kill", "--signal", "KILL", this.name]);
    await ended;
  }

  private ended(): Promise<void> {
    return new Promise((resolve) => {
      if (this.over) resolve();
      else this.child.once("exit", () => resolve());
    });
  }

  /** Asks it to end; true when it did so by itself in time. */
  async stop(): Promise<boolean> {
    const [program = "", ...first] = this.client;
    const ended = this.ended();
    this.child.kill("SIGTERM");
    const late = setTimeout(() => void run(program, [...first, "rm", "--force", this.name]), STOP_MS);
    await ended;
    clearTimeout(late);
    return this.child.exitCode === 0;
  }
}

/** As a user of its own choice, in this machine's network, on a free port. */
export async function startHere(
  engine: Engine,
  target: Target,
  volume: string,
  { user }: Mode,
  confined: string[],
): Promise<Running> {
  const port = await freePort();
  const place = ["--network", "host", "--user", `${user}:${user}`, "--env", `OPENWRAP_LISTEN=0.0.0.0:${port}`];
  const isThere = async (): Promise<boolean> => {
    const answer = await fetch(`http://localhost:${port}/api/health`);
    return answer.ok && ((await answer.json()) as { ok?: boolean }).ok === true;
  };
  return await Running.start(engine, target, volume, [...confined, ...place], isThere);
}

export async function removeVolume(engine: Engine, volume: string): Promise<void> {
  const [program = "", ...first] = engine.client;
  await run(program, [...first, "volume", "rm", "--force", volume]);
}
