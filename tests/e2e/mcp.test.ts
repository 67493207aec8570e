// The command line adds an MCP server from a registry: installed once by the person's own npm, without scripts, pinned, run confined.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { McpServerState } from "@openwrap/contracts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT, temporaryFolder } from "../kit/folders.ts";
import { startServer, type TestServer } from "../kit/server.ts";

const NAME = "@play/server";
const VERSION = "1.2.3";

let registry: Server;
let env: Record<string, string>;
let integrity: string;
let folder: string;
let server: TestServer;

/** A package with one program, and a script that would leave a trace. */
function pack(): Buffer {
  const root = join(folder, "package");
  mkdirSync(root, { recursive: true });
  const manifest = {
    name: NAME,
    version: VERSION,
    type: "module",
    bin: { "play-server": "play.mjs" },
    scripts: { postinstall: `touch ${join(folder, "script-ran")}` },
  };
  writeFileSync(join(root, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(root, "play.mjs"), readFileSync(join(ROOT, "native/runtime/tests/servers/play.mjs")));
  execFileSync("tar", ["-czf", "package.tgz", "package"], { cwd: folder });
  return readFileSync(join(folder, "package.tgz"));
}

beforeAll(async () => {
  folder = temporaryFolder();
  const archive = pack();
  integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  registry = createServer((request, response) => {
    if (request.url === "/package.tgz") return response.end(archive);
    const tarball = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/package.tgz`;
    const version = { name: NAME, version: VERSION, bin: { "play-server": "play.mjs" }, dist: { tarball, integrity } };
    const known = { name: NAME, "dist-tags": { latest: VERSION }, versions: { [VERSION]: version } };
    response.statusCode = decodeURIComponent(request.url ?? "") === `/${NAME}` ? 200 : 404;
    return response.end(JSON.stringify(response.statusCode === 200 ? known : {}));
  });
  await new Promise<void>((ready) => registry.listen(0, "127.0.0.1", ready));
  env = {
    npm_config_registry: `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`,
    npm_config_cache: join(folder, "cache"),
    npm_config_userconfig: join(folder, "npmrc"),
    npm_config_update_notifier: "false",
  };
  server = await startServer();
});

afterAll(async () => {
  await server.dispose();
  await new Promise((closed) => registry.close(closed));
  rmSync(folder, { recursive: true, force: true });
});

it("adds, shows, approves and removes a server of a registry", async () => {
  const words = ["mcp", "add", "play", "--yes", "--", "npx", "-y", `${NAME}@${VERSION}`, "good"];
  const added = await server.cli(words, { env });
  expect(added.stderr).toBe("");
  expect(added.stdout).toContain(`${NAME}@${VERSION}, ${integrity}`);
  expect(added.stdout).toContain("play:echo: Says what it is told.");
  expect(added.stdout).toContain("Approved play");
  expect(existsSync(join(folder, "script-ran"))).toBe(false);

  const listed = await server.cli(["mcp", "list", "--json"]);
  const [state] = JSON.parse(listed.stdout) as McpServerState[];
  expect(state).toMatchObject({
    status: "idle",
    server: { package: { name: NAME, version: VERSION, integrity } },
    tools: [{ name: "play:echo" }],
  });
  expect(state?.approvedHash).toBe(state?.definitionsHash);

  const missing = await server.cli(["mcp", "add", "other", "--", "npx", "@play/missing"], { env });
  expect(missing.status).toBe(1);
  const packages = join(server.folders.env.OPENWRAP_WORK ?? `${server.folders.home}-work`, "mcp/packages");
  expect(readdirSync(packages)).toHaveLength(1);

  expect((await server.cli(["mcp", "remove", "play"])).status).toBe(0);
  expect(readdirSync(packages)).toEqual([]);
  expect(JSON.parse((await server.cli(["mcp", "list", "--json"])).stdout)).toEqual([]);
});
