import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main } from "../src/cli/main.ts";
import { entryAsIs, readNpx } from "../src/cli/mcp-package.ts";
import { writeLock } from "../src/lock-file.ts";
import { TOKEN } from "./fake-core.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { ScriptedTerminal } from "./scripted-terminal.ts";

let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "openwrap-mcp-")));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("npx lines", () => {
  it.each([
    ["npx -y @scope/pkg@1.2.3 --root /x", { spec: "@scope/pkg@1.2.3", name: "@scope/pkg", args: ["--root", "/x"] }],
    ["npx pkg", { spec: "pkg", name: "pkg", args: [] }],
    ["/usr/bin/npx --yes pkg@latest", { spec: "pkg@latest", name: "pkg", args: [] }],
    ["npx -y -p pkg@2.0.0 tool a", { spec: "pkg@2.0.0", name: "pkg", program: "tool", args: ["a"] }],
    ["npx --package=pkg tool", { spec: "pkg", name: "pkg", program: "tool", args: [] }],
  ])("%s", (line, expected) => {
    expect(readNpx(line.split(" "))).toEqual({ program: undefined, ...expected });
  });

  it.each([
    "npx",
    "npx -y",
    "npx -c whatever",
    "npx git+https://example.com/x.git",
    "npx ./local",
    "npx ../up",
    "npx pkg@file:/etc",
    "npx --registry=http://x pkg",
    "uvx server",
    "pnpm dlx pkg",
    "npm exec pkg",
  ])("%s is refused", (line) => {
    expect(() => readNpx(line.split(" "))).toThrow();
  });

  it("leaves other programs alone", () => {
    expect(readNpx(["node", "server.js"])).toBeUndefined();
  });
});

describe("a program that is there already", () => {
  it("may read its own package, and no more than its file where there is none", () => {
    mkdirSync(join(folder, "package/dist"), { recursive: true });
    for (const file of ["package/package.json", "package/dist/main.js", "alone.js"])
      writeFileSync(join(folder, file), "{}");
    const inPackage = join(folder, "package/dist/main.js");
    expect(entryAsIs(["node", "package/dist/main.js", "x"], folder)).toEqual({
      command: ["node", inPackage, "x"],
      reads: [join(folder, "package")],
    });
    const alone = join(folder, "alone.js");
    expect(entryAsIs(["node", "--no-warnings", alone], "/")).toEqual({
      command: ["node", "--no-warnings", alone],
      reads: [alone],
    });
    expect(entryAsIs(["/opt/server", "node"], "/")).toEqual({ command: ["/opt/server", "node"], reads: [] });
    expect(() => entryAsIs(["node", "missing.js"], folder)).toThrow("no file");
  });
});

const TOOL = { name: "play:echo", description: "Tool of the MCP server `play`.\nSays \u202eit.", inputSchema: {} };
const DEFAULTS = { env: [], grants: [] };

/** Stands for npm: writes down how it was called, and installs a package with one program. */
const NPM = `#!/usr/bin/env node
const { mkdirSync, writeFileSync } = require("node:fs");
writeFileSync(process.env.NPM_CALLED, JSON.stringify(process.argv.slice(2)));
if (process.argv.includes("broken")) { console.error("404 not found"); process.exit(1); }
const at = "node_modules/@play/server";
mkdirSync(at + "/dist", { recursive: true });
writeFileSync(at + "/package.json", JSON.stringify({ bin: { "play-server": "dist/index.js" } }));
writeFileSync(at + "/dist/index.js", "");
writeFileSync("package-lock.json", JSON.stringify({ packages: { [at]: { version: "1.2.3", integrity: "sha512-abc" } } }));
`;

describe("the commands", () => {
  let server: RunningServer;
  let terminal: ScriptedTerminal;
  const paramsOf = (method: string) => server.core.calls.filter((call) => call.method === method).map((c) => c.params);
  const openwrap = (...argv: string[]): Promise<number> => main(argv, terminal);
  const packages = (): string[] => {
    const path = join(folder, "home-work/mcp/packages");
    return existsSync(path) ? readdirSync(path) : [];
  };

  beforeEach(async () => {
    mkdirSync(join(folder, "home"));
    server = await startServer();
    writeLock(join(folder, "home"), {
      pid: process.pid,
      port: server.port,
      token: TOKEN,
      url: `http://localhost:${server.port}`,
    });
    terminal = new ScriptedTerminal(join(folder, "home"));
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin/npm"), NPM);
    chmodSync(join(folder, "bin/npm"), 0o755);
    Object.assign(terminal.env, {
      PATH: `${join(folder, "bin")}:${process.env.PATH}`,
      NPM_CALLED: join(folder, "called.json"),
    });
    const added: object[] = [];
    server.core.handlers.set("mcp.list", () => ({ servers: added }));
    server.core.handlers.set("mcp.add", ({ requestId: _, command, ...params }) => {
      const [program, ...args] = command as string[];
      const state = {
        server: { ...DEFAULTS, ...params, command: program, args },
        status: "waits_for_approval",
        definitionsHash: "ab".repeat(32),
        tools: [TOOL],
        refused: [{ name: "bad name", reason: "its name" }],
        approvedTools: [],
        log: "",
      };
      added.push(state);
      return state;
    });
  });
  afterEach(() => server.stop());

  it("installs once without scripts, pins, shows and asks", async () => {
    terminal.interactive = true;
    terminal.typed.push("yes");
    expect(await openwrap("mcp", "add", "play", "--", "npx", "-y", "@play/server@1.2.3", "--x")).toBe(0);
    const { default: called } = await import(join(folder, "called.json"), { with: { type: "json" } });
    expect(called).toEqual(
      expect.arrayContaining(["install", "--ignore-scripts", "--save-exact", "@play/server@1.2.3"]),
    );
    const [installed = ""] = packages();
    const root = join(folder, "home-work/mcp/packages", installed);
    const [added] = paramsOf("mcp.add") as Record<string, unknown>[];
    expect(added).toMatchObject({
      serverId: "play",
      command: ["node", join(root, "node_modules/@play/server/dist/index.js"), "--x"],
      grants: [`read:${root}`],
      package: { registry: "npm", name: "@play/server", version: "1.2.3", integrity: "sha512-abc" },
    });
    const shown = terminal.lines.join("\n");
    expect(shown).toContain("@play/server@1.2.3, sha512-abc");
    expect(shown).toContain("play:echo: Says [U+202E]it.");
    expect(shown).toContain("bad name is not taken");
    expect(paramsOf("mcp.approve")).toMatchObject([{ serverId: "play", definitionsHash: "ab".repeat(32) }]);

    expect(await openwrap("mcp", "add", "play", "--", "npx", "@play/server")).toBe(1);
    expect(terminal.errors[0]).toMatch(/^ALREADY_EXISTS/);
    expect(await openwrap("mcp", "remove", "play")).toBe(0);
    expect(packages()).toEqual([]);
  });

  it("approves nothing that nobody looked at", async () => {
    expect(await openwrap("mcp", "add", "play", "--allow-read", "/data", "--", "node", import.meta.filename)).toBe(0);
    expect(terminal.lines.at(-1)).toContain("openwrap mcp approve play");
    terminal.interactive = true;
    terminal.typed.push("no");
    expect(await openwrap("mcp", "approve", "play")).toBe(1);
    expect(paramsOf("mcp.approve")).toEqual([]);
    expect(await openwrap("mcp", "approve", "play", "--yes")).toBe(0);
    expect(paramsOf("mcp.approve")).toHaveLength(1);
    expect((paramsOf("mcp.add") as { grants: string[] }[])[0]?.grants).toContain("read:/data");
  });

  it("leaves nothing of an installation that failed", async () => {
    expect(await openwrap("mcp", "add", "play", "--", "npx", "broken")).toBe(1);
    expect(terminal.errors[0]).toContain("404 not found");
    expect(packages()).toEqual([]);
    expect(paramsOf("mcp.add")).toEqual([]);
  });

  it("takes a secret from standard input into the vault only", async () => {
    const { x25519 } = await import("@noble/curves/ed25519.js");
    const publicKey = Buffer.from(x25519.keygen().publicKey).toString("base64url");
    server.core.handlers.set("secret.public_key", () => ({ publicKey }));
    terminal.pipe("very-secret\n");
    const words = ["mcp", "add", "play", "--secret", "TOKEN", "--env", "A=b", "--", "node", import.meta.filename];
    expect(await openwrap(...words)).toBe(0);
    expect((paramsOf("mcp.add") as { env: unknown[] }[])[0]?.env).toEqual([
      { name: "A", value: "b" },
      { name: "TOKEN", value: "secret:mcp:play:TOKEN" },
    ]);
    expect(paramsOf("secret.store")).toMatchObject([{ name: "mcp:play:TOKEN" }]);
    expect(JSON.stringify([terminal.lines, terminal.errors, server.core.calls])).not.toContain("very-secret");
  });

  it.each([[["mcp", "add", "play"]], [["mcp", "add", "play", "--"]], [["mcp"]], [["mcp", "list", "x"]]])(
    "%j is not understood",
    async (argv) => {
      expect(await openwrap(...argv)).toBe(2);
      expect(server.core.calls).toEqual([]);
    },
  );
});
