import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { COMMANDS } from "../src/cli/commands.ts";
import { main } from "../src/cli/main.ts";
import { CoreFault } from "../src/core.ts";
import { writeLock } from "../src/lock-file.ts";
import { TOKEN } from "./fake-core.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { ScriptedTerminal } from "./scripted-terminal.ts";

let folder: string;
let server: RunningServer;
let terminal: ScriptedTerminal;

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "openwrap-cli-")));
  mkdirSync(join(folder, "home"));
  server = await startServer();
  const url = `http://localhost:${server.port}`;
  writeLock(join(folder, "home"), { pid: process.pid, port: server.port, token: TOKEN, url });
  terminal = new ScriptedTerminal(join(folder, "home"));
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const openwrap = (...argv: string[]): Promise<number> => main(argv, terminal);
const paramsOf = (method: string) => server.core.calls.filter((call) => call.method === method).map((c) => c.params);

describe("help", () => {
  it("lists every command of the table, and each command's own options", async () => {
    expect(await openwrap("--help")).toBe(0);
    for (const row of COMMANDS) {
      expect(terminal.lines.join("\n")).toContain(row.name);
      const own = new ScriptedTerminal(folder);
      expect(await main([...row.name.split(" "), "--help"], own)).toBe(0);
      for (const option of row.options) expect(own.lines.join("\n")).toContain(`--${option.name}`);
    }
  });

  it("shows the version", async () => {
    expect(await openwrap("--version")).toBe(0);
    expect(terminal.lines[0]).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it.each([
    [["nonsense"], "there is no command"],
    [["provider"], "provider add, provider list, provider remove"],
    [["run"], "give either a GOAL"],
    [["run", "a", "b"], "not 2 arguments"],
    [["run", "goal"], "--approve ask needs a terminal"],
    [["run", "goal", "--approve", "all"], "--project is needed"],
    [["run", "goal", "--approve", "maybe", "--project", "."], "--approve must be"],
    [["run", "goal", "--approve", "all", "--project", ".", "--slots", "65"], "--slots must be"],
    [["run", "goal", "--secret", "x"], "--secret"],
    [["undo", "run/task/more"], "neither RUN nor RUN/TASK"],
    [["provider", "add", "x", "--kind", "gemini", "--base-url", "u"], "--kind must be"],
    [["provider", "add", "x", "--kind", "openai", "--base-url", "u", "--key", "sk-1"], "--key"],
  ])("%j is not understood, exit status 2", async (argv, words) => {
    expect(await openwrap(...argv)).toBe(2);
    expect(terminal.errors[0]).toMatch(/^INVALID_ARGUMENTS: /);
    expect(terminal.errors[0]).toContain(words);
    expect(terminal.lines).toEqual([]);
    expect(server.core.calls).toEqual([]);
  });
});

describe("provider add", () => {
  const recipient = x25519.keygen();
  const add = ["provider", "add", "acme", "--kind", "openai", "--base-url", "https://acme.example/v1", "--model", "m1"];

  beforeEach(() => {
    server.core.handlers.set("secret.public_key", () => ({
      publicKey: Buffer.from(recipient.publicKey).toString("base64url"),
    }));
  });

  function opened({ name, sealed }: { name: string; sealed: string }): string {
    const bytes = Buffer.from(sealed, "base64url");
    const ephemeral = bytes.subarray(0, 32);
    const shared = x25519.getSharedSecret(recipient.secretKey, ephemeral);
    const key = createHash("sha256")
      .update("openwrap/seal/1")
      .update(shared)
      .update(ephemeral)
      .update(recipient.publicKey)
      .digest();
    const cipher = xchacha20poly1305(key, bytes.subarray(32, 56), Buffer.from(name));
    return Buffer.from(cipher.decrypt(bytes.subarray(56))).toString("utf8");
  }

  it("seals the key from standard input to the core, and says it nowhere else", async () => {
    terminal.pipe("sk-very-secret-1234\n");
    expect(await openwrap(...add, "--model", "m2", "--key-stdin")).toBe(0);
    expect(paramsOf("provider.add")).toEqual([
      {
        providerId: "acme",
        kind: "openai",
        baseUrl: "https://acme.example/v1",
        modelIds: ["m1", "m2"],
        defaultModelId: "m1",
        authRef: "provider:acme",
      },
    ]);
    const [stored] = paramsOf("secret.store") as { name: string; sealed: string }[];
    expect(stored && opened(stored)).toBe("sk-very-secret-1234");
    const said = JSON.stringify([terminal.lines, terminal.errors, server.core.calls]);
    for (const form of ["utf8", "base64", "hex"] as const)
      expect(said).not.toContain(Buffer.from("sk-very-secret-1234").toString(form));
  });

  it("wipes what it read", async () => {
    const piped = Buffer.from("sk-very-secret-1234");
    const { Readable } = await import("node:stream");
    terminal.stdin = Readable.from([piped]);
    await openwrap(...add, "--key-stdin");
    expect(piped.every((byte) => byte === 0)).toBe(true);
  });

  it("keeps no key for a provider that is refused", async () => {
    server.core.handlers.set("provider.add", () => {
      throw new CoreFault({ code: "INVALID_ARGUMENTS", message: "baseUrl: no", hint: "Correct it." });
    });
    terminal.pipe("sk-1\n");
    expect(await openwrap(...add, "--key-stdin")).toBe(1);
    expect(terminal.errors).toEqual(["INVALID_ARGUMENTS: baseUrl: no", "Correct it."]);
    expect(paramsOf("secret.store")).toEqual([]);
  });

  it.each(["", "\n", "two words", "two\nlines", `${"x".repeat(17_000)}`, "esc\u001b[0m"])(
    "refuses %j as a key",
    async (text) => {
      terminal.pipe(text);
      expect(await openwrap(...add, "--key-stdin")).toBe(2);
      expect(terminal.errors.join()).not.toContain("words");
      expect(server.core.calls).toEqual([]);
    },
  );
});

describe("the running server", () => {
  it("is not believed to run when its process has gone, or is another", async () => {
    const stranger = { port: server.port, token: TOKEN, url: "http://localhost:1" };
    for (const lock of [
      { ...stranger, pid: 2 ** 22 + 1 },
      { ...stranger, pid: process.pid, startedTicks: 1 },
    ]) {
      writeLock(join(folder, "home"), lock);
      const before = server.core.calls.length;
      expect(await openwrap("open")).toBe(1);
      expect(terminal.errors.at(-2)).toBe("INVALID_STATE: no server runs on this data folder");
      expect(server.core.calls.length).toBe(before);
    }
  });

  it("is named when a second one is started", async () => {
    expect(await openwrap("serve", "--port", "0")).toBe(1);
    expect(terminal.errors[0]).toContain(`ALREADY_RUNNING`);
    expect(terminal.errors[0]).toContain(`http://localhost:${server.port}`);
  });

  it("gives a new link", async () => {
    server.core.handlers.set("launch.create", () => ({ url: "http://localhost:1/launch?code=abc", expiresAt: 1 }));
    expect(await openwrap("open")).toBe(0);
    expect(terminal.lines).toEqual(["http://localhost:1/launch?code=abc"]);
  });
});

describe("openwrap serve", () => {
  beforeEach(() => rmSync(join(folder, "home/server.json")));
  const open = async ({ cliToken }: { cliToken: string }) => server.core.withToken(cliToken);

  it("prints one line with the link, keeps a private lock file while it runs, and ends cleanly", async () => {
    server.core.handlers.set("launch.create", () => ({ url: "http://localhost:1/launch?code=abc", expiresAt: 1 }));
    const running = main(["serve", "--port", "0", "--no-open"], terminal, open);
    await expect.poll(() => terminal.lines).toEqual(["Open Wrap is ready: http://localhost:1/launch?code=abc"]);
    expect(statSync(join(folder, "home/server.json")).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "home")).mode & 0o777).toBe(0o700);
    terminal.signal("SIGTERM");
    expect(await running).toBe(0);
    expect(terminal.lines.length).toBe(1);
    expect(server.core.closed).toBe(true);
    expect(existsSync(join(folder, "home/server.json"))).toBe(false);
  });

  it("runs without sign-in when what it needs is switched off", async () => {
    server.core.handlers.set("launch.create", () => {
      throw new CoreFault({ code: "FEATURE_DISABLED", message: "persistence is switched off", hint: "" });
    });
    const running = main(["serve", "--port", "0", "--no-open"], terminal, open);
    await expect.poll(() => terminal.lines[0]).toMatch(/^Open Wrap is ready: http:\/\/localhost:\d+$/);
    expect(terminal.errors).toEqual(["FEATURE_DISABLED: persistence is switched off"]);
    terminal.signal("SIGINT");
    expect(await running).toBe(0);
  });
});

describe("looking and taking back", () => {
  const replayed = {
    runId: "run_1",
    recordedDigest: "aa",
    runDigest: "aa",
    equal: true,
    filesEqual: true,
    diverged: [],
  };

  beforeEach(() => {
    server.core.handlers.set("overview.get", () => ({ runs: [{ number: 7, runId: "run_1" }], providers: [] }));
  });

  it("replays by number or id, and fails when anything differs", async () => {
    server.core.handlers.set("run.replay", () => replayed);
    expect(await openwrap("replay", "7", "--slots", "8", "--json")).toBe(0);
    expect(JSON.parse(terminal.lines[0] ?? "")).toEqual(replayed);
    expect(paramsOf("run.replay")).toEqual([{ runId: "run_1", slots: 8 }]);
    server.core.handlers.set("run.replay", () => ({ ...replayed, filesEqual: false, diverged: ["profile.1.2"] }));
    expect(await openwrap("replay", "run_1")).toBe(1);
    expect(terminal.lines.at(-1)).toBe("  profile.1.2");
    expect(await openwrap("replay", "8")).toBe(1);
    expect(terminal.errors.at(-2)).toBe("NOT_FOUND: there is no run 8");
  });

  it("takes a run or one task back, and fails when something was kept", async () => {
    const result = { reverted: ["a.csv"], conflicts: [] as string[], treeHash: "t", sequence: 3 };
    server.core.handlers.set("run.undo", () => result);
    expect(await openwrap("undo", "7/profile")).toBe(0);
    expect(paramsOf("run.undo")).toEqual([expect.objectContaining({ runId: "run_1", taskId: "profile" })]);
    result.conflicts = ["b.csv"];
    expect(await openwrap("undo", "run_1")).toBe(1);
    expect(terminal.lines).toContain("kept        b.csv  (changed since)");
  });

  it("verifies the ledger and names the first bad sequence", async () => {
    const report = { ok: true, events: 5, blobs: 2, headHash: "ab" };
    server.core.handlers.set("audit.verify", () => report);
    expect(await openwrap("audit", "verify")).toBe(0);
    Object.assign(report, { ok: false, firstBadSequence: 4, problem: "hash differs" });
    expect(await openwrap("audit", "verify", "--json")).toBe(1);
    expect(JSON.parse(terminal.lines.at(-1) ?? "")).toEqual(report);
  });

  it("verifies a ledger so broken that the core does not open", async () => {
    rmSync(join(folder, "home/server.json"));
    const broken = async () => {
      throw new CoreFault({ code: "LEDGER_BROKEN", message: "event sequence 12: the hash differs", hint: "" });
    };
    expect(await main(["audit", "verify", "--json"], terminal, broken)).toBe(1);
    expect(JSON.parse(terminal.lines[0] ?? "")).toMatchObject({ ok: false, firstBadSequence: 12 });
  });

  it("opens the core itself where no server runs, and closes it", async () => {
    rmSync(join(folder, "home/server.json"));
    server.core.handlers.set("audit.verify", () => ({ ok: true, events: 1, blobs: 0, headHash: "ab" }));
    const seen: { port: number; cliToken: string }[] = [];
    const open = async (config: { port: number; cliToken: string }) => {
      seen.push(config);
      return server.core.withToken(config.cliToken);
    };
    expect(await main(["audit", "verify"], terminal, open)).toBe(0);
    expect(seen[0]?.port).toBe(0);
    expect(server.core.closed).toBe(true);
  });
});

it("follows links of the project folder, and refuses what is none", async () => {
  mkdirSync(join(folder, "project"));
  symlinkSync(join(folder, "project"), join(folder, "link"));
  writeFileSync(join(folder, "file"), "");
  for (const path of ["file", "missing"]) {
    expect(await openwrap("run", "g", "--approve", "all", "--project", join(folder, path))).toBe(1);
    expect(terminal.errors.at(-2)).toMatch(/^NOT_FOUND: /);
  }
  server.core.handlers.set("project.open", () => {
    throw new CoreFault({ code: "LIMIT_EXCEEDED", message: "too large", hint: "Leave something out." });
  });
  await openwrap("run", "g", "--approve", "all", "--model", "rehearsal", "--project", join(folder, "link"));
  expect(paramsOf("project.open")).toEqual([{ path: join(folder, "project") }]);
  expect(terminal.errors.slice(-2)).toEqual(["LIMIT_EXCEEDED: too large", "Leave something out."]);
});
