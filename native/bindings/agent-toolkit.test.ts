// Entry `agent-toolkit`: its switches, and the class over the built addon in folders of its own.

import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as browser from "./agent-toolkit/index.ts";
import { error as loadError, native as loaded } from "./agent-toolkit/node.ts";
import type { AgentToolkitRegistry } from "./agent-toolkit/registry.ts";
import { describeSwitches, faultOf } from "./entry-switches.ts";

describeSwitches({
  feature: "agent-toolkit",
  className: "AgentToolkitRegistry",
  browser,
  browserFiles: ["index.ts", "registry.ts"],
  ids: { off: "AT-070", override: "AT-071", browser: "AT-072" },
});

interface Result {
  toolName: string;
  success: boolean;
  output: Record<string, unknown>;
  artifacts: { type: string; path: string; size: number; checksum: string }[];
}

let folder: string;
let registry: AgentToolkitRegistry;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "openwrap-toolkit-"));
  registry = registryOver(folder);
  registry.registerAllTools();
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function registryOver(root: string): AgentToolkitRegistry {
  if (loaded === null) throw loadError;
  return new loaded.AgentToolkitRegistry(JSON.stringify({ workspaceRoot: root }));
}

async function invoke(tool: string, payload: unknown): Promise<Result> {
  return JSON.parse(await registry.invoke(tool, JSON.stringify(payload)));
}

async function codeOf(tool: string, payload: unknown): Promise<string> {
  return (await faultOf(() => invoke(tool, payload))).code;
}

const hashOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (path: string): Buffer => readFileSync(join(folder, path));
const sheets = [{ name: "Data", columns: [{ header: "Month" }], rows: [["Jan"], ["Feb"]] }];

test("AT-001 AT-002 tools are there once registered, by name, each with description and schema", async () => {
  const fresh = registryOver(folder);
  expect(JSON.parse(fresh.getToolList())).toEqual([]);
  expect((await faultOf(() => fresh.invoke("file.list", '{"path":"."}'))).code).toBe("NOT_FOUND");
  fresh.registerAllTools();
  fresh.registerAllTools();
  const list = JSON.parse(fresh.getToolList()) as { name: string; description: string; inputSchema: object }[];
  expect(list.map(({ name }) => name)).toEqual([
    "excel.create",
    "file.append",
    "file.list",
    "file.read",
    "file.write",
    "note.append",
    "note.create",
    "note.list",
    "table.read",
  ]);
  for (const { description, inputSchema } of list) {
    expect(description).not.toBe("");
    expect(inputSchema).toMatchObject({ type: "object" });
  }
});

test("AT-003 reset forgets the tools and leaves the files", async () => {
  await invoke("file.write", { path: "a.txt", content: "x" });
  registry.reset();
  expect(JSON.parse(registry.getToolList())).toEqual([]);
  expect(await codeOf("file.read", { path: "a.txt" })).toBe("NOT_FOUND");
  expect(existsSync(join(folder, "a.txt"))).toBe(true);
});

test("AT-004 the root is an absolute path of a folder", async () => {
  expect((await faultOf(() => registryOver("relative"))).code).toBe("INVALID_ARGUMENTS");
  expect((await faultOf(() => registryOver(join(folder, "none")))).code).toBe("STORAGE_FAILED");
});

test("AT-010 AT-011 a file is written, added to, read back and listed; text unless base64 is asked for", async () => {
  await invoke("file.write", { path: "data/a.txt", content: "gr\u00fc\u00df" });
  await invoke("file.append", { path: "data/a.txt", content: "e\n" });
  expect((await invoke("file.read", { path: "data/a.txt" })).output).toMatchObject({
    text: "gr\u00fc\u00dfe\n",
    size: 8,
  });
  await invoke("file.write", { path: "b.bin", content: "AP8=", encoding: "base64" });
  expect([...bytesOf("b.bin")]).toEqual([0, 255]);
  expect((await invoke("file.read", { path: "b.bin" })).output).toMatchObject({ base64: "AP8=" });
  const listed = await invoke("file.list", { path: ".", recursive: true, pattern: "*.txt" });
  expect(listed.output).toEqual({ entries: [{ path: "data/a.txt", kind: "file", size: 8 }], total: 1 });
});

test("AT-012 notes are begun, added to and found", async () => {
  const { noteId } = (await invoke("note.create", { title: "What we found", content: "Rain" })).output;
  await invoke("note.append", { noteId, content: "Wind" });
  await invoke("note.create", { title: "Other" });
  expect((await invoke("note.list", { query: "wind" })).output).toMatchObject({
    total: 1,
    notes: [{ noteId, title: "What we found", text: "# What we found\n\nRain\n\nWind\n" }],
  });
  expect((await invoke("note.list", {})).output).toMatchObject({ total: 2 });
});

test("AT-020 AT-021 a tool that writes answers with its artifact; the same input gives the same bytes", async () => {
  const payload = { path: "out/book.xlsx", title: "Book", sheets };
  const { artifacts, success, toolName } = await invoke("excel.create", payload);
  const first = bytesOf("out/book.xlsx");
  expect({ success, toolName }).toEqual({ success: true, toolName: "excel.create" });
  expect(artifacts).toEqual([
    {
      type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
      path: "out/book.xlsx",
      size: first.length,
      checksum: hashOf(first),
    },
  ]);
  await invoke("excel.create", payload);
  expect(bytesOf("out/book.xlsx").equals(first)).toBe(true);
  expect((await invoke("file.read", { path: "out/book.xlsx" })).artifacts).toEqual([]);
});

test("AT-030 AT-031 paths outside the root, absolute ones, and links are refused for every tool", async () => {
  const outside = mkdtempSync(join(tmpdir(), "openwrap-outside-"));
  writeFileSync(join(outside, "secret.txt"), "secret");
  symlinkSync(outside, join(folder, "way"));
  symlinkSync(join(outside, "secret.txt"), join(folder, "link.txt"));
  try {
    const calls = (path: string): [string, object][] => [
      ["file.read", { path }],
      ["file.write", { path, content: "x" }],
      ["file.append", { path, content: "x" }],
      ["file.list", { path }],
      ["excel.create", { path, title: "t", sheets }],
    ];
    for (const path of ["../x.xlsx", "a/../../x.xlsx", join(outside, "x.xlsx"), "~/x.xlsx"])
      for (const [tool, payload] of calls(path))
        expect(await codeOf(tool, payload), `${tool} ${path}`).toBe("PATH_OUTSIDE");
    for (const path of ["way/secret.txt", "link.txt"])
      for (const [tool, payload] of calls(path)) await faultOf(() => invoke(tool, payload));
    expect(readdirSync(outside)).toEqual(["secret.txt"]);
    expect(readFileSync(join(outside, "secret.txt"), "utf8")).toBe("secret");
  } finally {
    rmSync(outside, { recursive: true, force: true });
  }
});

test("AT-032 protected names stay closed", async () => {
  for (const path of [".git/hooks/pre-commit", "sub/.git/config"])
    expect(await codeOf("file.write", { path, content: "x" }), path).toBe("PROTECTED_PATH");
});

test("AT-033 a write is whole or not at all", async () => {
  await invoke("file.write", { path: "a.bin", content: "AP8=", encoding: "base64" });
  expect(await codeOf("file.write", { path: "a.bin", content: "no base64!", encoding: "base64" })).toBe(
    "INVALID_ARGUMENTS",
  );
  expect([...bytesOf("a.bin")]).toEqual([0, 255]);
  const calls = Array.from({ length: 20 }, (_, place) =>
    invoke("file.append", { path: "log.txt", content: `${place}\n` }),
  );
  await Promise.all(calls);
  expect(bytesOf("log.txt").toString().split("\n").filter(Boolean)).toHaveLength(20);
  expect(readdirSync(folder).sort()).toEqual(["a.bin", "log.txt"]);
});

test("AT-040 AT-041 wrong payloads are refused with what is wrong; so is one that is too large", async () => {
  for (const payload of [{}, { path: 5, content: "x" }, { path: "a", content: "x", mode: 1 }])
    expect(await codeOf("file.write", payload)).toBe("INVALID_ARGUMENTS");
  expect(await codeOf("file.none", {})).toBe("NOT_FOUND");
  expect(await codeOf("file.write", { path: "a", content: "x".repeat(8 << 20) })).toBe("LIMIT_EXCEEDED");
});

test("AT-073 faults are JSON text with code, message and hint", async () => {
  expect(await faultOf(() => registry.invoke("file.read", "{"))).toMatchObject({ code: "INVALID_ARGUMENTS" });
  const fault = await faultOf(() => invoke("file.read", { path: "none.txt" }));
  expect(fault).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("none.txt") });
  expect(fault.hint).not.toBe("");
});
