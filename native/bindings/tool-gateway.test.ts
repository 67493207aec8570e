// Entry `tool-gateway`: its switches, and the class over the built addon.

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { describeSwitches, faultOf } from "./entry-switches.ts";
import type { CheckedCall, ToolGateway } from "./tool-gateway/gateway.ts";
import * as browser from "./tool-gateway/index.ts";
import { error as loadError, native as loaded } from "./tool-gateway/node.ts";

describeSwitches({
  feature: "tool-gateway",
  className: "ToolGateway",
  browser,
  browserFiles: ["index.ts", "gateway.ts"],
  ids: { off: "AQ-070", override: "AQ-071", browser: "AQ-072" },
});

type Execute = (call: CheckedCall) => Promise<unknown>;

/** A gateway whose calls are answered here, with values. */
class Gateway {
  private readonly face: ToolGateway;

  constructor(execute: Execute = async ({ arguments: given }) => given) {
    if (loaded === null) throw loadError;
    this.face = new loaded.ToolGateway(async (json) => JSON.stringify(await execute(JSON.parse(json))));
  }

  manifest(manifest: object): void {
    this.face.registerManifest(JSON.stringify(manifest));
  }

  server(config: object): void {
    this.face.registerServer(JSON.stringify(config));
  }

  tools(): { toolId: string; serverId: string }[] {
    return JSON.parse(this.face.listTools());
  }

  async call(toolId: string, given: unknown, more: object = {}): Promise<unknown> {
    const call = { toolId, requestId: "q", arguments: given, grantIds: [], ...more };
    return JSON.parse(await this.face.callTool(JSON.stringify(call)));
  }

  grant(grantId: string, capability: string, more: object = {}): void {
    this.face.grantCapability(JSON.stringify({ grantId, capability, issuedAt: 0, ...more }));
  }

  revoke(grantId: string): void {
    this.face.revokeCapability(grantId);
  }

  audit(after?: number, limit?: number): Record<string, unknown>[] {
    return JSON.parse(this.face.drainAuditEvents(after, limit));
  }

  snapshot(): { tools: unknown[]; grants: { grantId: string }[]; auditCursor: number } {
    return JSON.parse(this.face.getSnapshot());
  }

  reset(): void {
    this.face.reset();
  }
}

const schema = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };

function tool(name: string, annotations?: object): object {
  return { name, description: `Does ${name}`, inputSchema: schema, ...(annotations ? { annotations } : {}) };
}

function manifest(serverId: string, ...tools: object[]): object {
  return { serverId, name: serverId, version: "1.0.0", tools };
}

async function codeOf(call: () => unknown): Promise<string> {
  return (await faultOf(call)).code;
}

const hashOf = (canonical: string): string => createHash("sha256").update(canonical).digest("hex");

describe("registry", () => {
  test("AQ-001 a server id is unique and of plain letters", async () => {
    const gateway = new Gateway();
    gateway.manifest(manifest("files", tool("read")));
    expect(await codeOf(() => gateway.manifest(manifest("files")))).toBe("ALREADY_EXISTS");
    for (const id of ["", "a:b", "../x", "-a", "a b", "a".repeat(65)])
      expect(await codeOf(() => gateway.manifest(manifest(id))), id).toBe("INVALID_ARGUMENTS");
  });

  test("AQ-002 AQ-006 tool names are unique in a server; a refused manifest leaves nothing", async () => {
    const gateway = new Gateway();
    expect(await codeOf(() => gateway.manifest(manifest("files", tool("read"), tool("read"))))).toBe("ALREADY_EXISTS");
    expect(gateway.tools()).toEqual([]);
    gateway.manifest(manifest("files", tool("read")));
    gateway.manifest(manifest("other", tool("read")));
    expect(gateway.tools()).toHaveLength(2);
  });

  test("AQ-003 AQ-004 a tool is known as server:tool; order is by server, then name", () => {
    const gateway = new Gateway();
    gateway.manifest(manifest("files", tool("write"), tool("list")));
    gateway.manifest(manifest("alpha", tool("read")));
    expect(gateway.tools().map(({ toolId }) => toolId)).toEqual(["alpha:read", "files:list", "files:write"]);
    expect(gateway.tools()[1]).toEqual({ toolId: "files:list", serverId: "files", tool: tool("list") });
  });

  test("AQ-005 a tool has a name, a description and a schema that is one", async () => {
    for (const wrong of [
      { ...tool("x"), name: "" },
      { ...tool("x"), description: " " },
      { ...tool("x"), inputSchema: [] },
      { ...tool("x"), inputSchema: { type: "strng" } },
      { name: "x", description: "d" },
    ])
      expect(await codeOf(() => new Gateway().manifest(manifest("files", wrong)))).toBe("INVALID_ARGUMENTS");
  });

  test("AQ-007 AQ-008 a server has what its transport needs, and only its own manifest", async () => {
    const gateway = new Gateway();
    for (const wrong of [
      { serverId: "s", transport: "stdio" },
      { serverId: "s", transport: "http", command: "x" },
      { serverId: "s", transport: "websocket", url: "" },
      { serverId: "s", transport: "pigeon", url: "x" },
      { serverId: "s", transport: "stdio", command: "x", manifest: manifest("other") },
    ])
      expect(await codeOf(() => gateway.server(wrong))).toBe("INVALID_ARGUMENTS");
    const right = { serverId: "s", transport: "stdio", command: "x", manifest: manifest("s", tool("read")) };
    gateway.server(right);
    expect(gateway.tools()).toHaveLength(1);
    expect(await codeOf(() => gateway.server(right))).toBe("ALREADY_EXISTS");
    gateway.server({ serverId: "bare", transport: "http", url: "http://127.0.0.1:1/" });
    gateway.manifest(manifest("bare", tool("read")));
    expect(gateway.tools()).toHaveLength(2);
  });
});

describe("grants", () => {
  const scopes = { requiredScopes: ["files.read", "net:api.example.org:443"], policyAction: "audit" };

  test("AQ-020 AQ-021 AQ-022 every scope needs a live grant that the call names", async () => {
    const gateway = new Gateway();
    gateway.manifest(manifest("files", tool("read", scopes), tool("free")));
    expect(await gateway.call("files:free", { path: "a" })).toEqual({ path: "a" });
    gateway.grant("g1", "files.read");
    gateway.grant("g2", "net:*.example.org", { scope: "files" });
    gateway.grant("g3", "audit", { scope: "files:read" });
    gateway.grant("elsewhere", "audit", { scope: "files:free" });
    gateway.grant("later", "audit", { issuedAt: Date.now() + 3_600_000 });
    gateway.grant("over", "audit", { expiresAt: 1_000 });
    gateway.grant("near", "net:example.com");
    const call = (...grantIds: string[]) => gateway.call("files:read", { path: "a" }, { grantIds });
    await call("g1", "g2", "g3");
    for (const short of [
      ["g1", "g2"],
      ["g1", "g2", "elsewhere"],
      ["g1", "g2", "later"],
      ["g1", "g2", "over"],
      ["g1", "near", "g3"],
      ["g1", "g2", "none"],
      [],
    ])
      expect(await codeOf(() => call(...short)), short.join()).toBe("PERMISSION_DENIED");
    expect((await faultOf(() => call("g1", "g2"))).message).toContain("audit");
    gateway.revoke("g3");
    expect(await codeOf(() => call("g1", "g2", "g3"))).toBe("PERMISSION_DENIED");
  });

  test("AQ-023 what needs confirmation needs a grant that comes from an approval", async () => {
    const gateway = new Gateway();
    const annotations = { requiredScopes: ["files.write"], requiresConfirmation: true };
    gateway.manifest(manifest("files", tool("write", annotations), tool("send", { requiresConfirmation: true })));
    gateway.grant("plain", "files.write");
    gateway.grant("said", "files.write", { approvalId: "ask_1" });
    gateway.grant("other", "files.read", { approvalId: "ask_2" });
    gateway.grant("own", "mcp:files/send", { approvalId: "ask_3" });
    const call = (name: string, ...grantIds: string[]) => gateway.call(`files:${name}`, { path: "a" }, { grantIds });
    expect(await codeOf(() => call("write", "plain", "other"))).toBe("PERMISSION_DENIED");
    expect(await codeOf(() => call("send", "said"))).toBe("PERMISSION_DENIED");
    await call("write", "said");
    await call("send", "own");
  });

  test("AQ-024 a grant has id, capability and an end after its beginning; ids are unique", async () => {
    const gateway = new Gateway();
    gateway.grant("g", "x");
    expect(await codeOf(() => gateway.grant("g", "x"))).toBe("ALREADY_EXISTS");
    expect(await codeOf(() => gateway.grant("", "x"))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(() => gateway.grant("h", ""))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(() => gateway.grant("h", "x", { issuedAt: 5, expiresAt: 5 }))).toBe("INVALID_ARGUMENTS");
    expect(await codeOf(() => gateway.revoke("none"))).toBe("NOT_FOUND");
    expect(gateway.snapshot().grants.map(({ grantId }) => grantId)).toEqual(["g"]);
  });
});

describe("calls", () => {
  test("AQ-030 AQ-031 AQ-032 only a known tool with fitting arguments reaches its server", async () => {
    const asked: CheckedCall[] = [];
    const gateway = new Gateway(async (call) => {
      asked.push(call);
      return { done: true };
    });
    gateway.server({ serverId: "s", transport: "stdio", command: "x", manifest: manifest("s", tool("read")) });
    expect(await codeOf(() => gateway.call("s:none", {}))).toBe("NOT_FOUND");
    const wrong = await faultOf(() => gateway.call("s:read", { path: 3 }));
    expect(wrong).toMatchObject({ code: "INVALID_ARGUMENTS", message: expect.stringContaining("/path") });
    const big = await codeOf(() => gateway.call("s:read", { path: "x".repeat(4 << 20) }));
    expect(big).toBe("LIMIT_EXCEEDED");
    expect(asked).toEqual([]);
    expect(await gateway.call("s:read", { path: "a" }, { timeoutMs: 5_000 })).toEqual({ done: true });
    expect(asked).toMatchObject([
      { toolId: "s:read", serverId: "s", toolName: "read", arguments: { path: "a" }, timeoutMs: 5_000 },
    ]);
    expect(asked[0]?.server).toMatchObject({ command: "x" });
  });

  test("AQ-033 AQ-034 a late answer is a timeout, a failed one an execution failure", async () => {
    const never = new Gateway(() => new Promise(() => undefined));
    never.manifest(manifest("s", tool("read")));
    expect(await codeOf(() => never.call("s:read", { path: "a" }, { timeoutMs: 20 }))).toBe("TIMEOUT");
    const broken = new Gateway(() => Promise.reject(new Error("the pipe is gone")));
    broken.manifest(manifest("s", tool("read")));
    const failed = await faultOf(() => broken.call("s:read", { path: "a" }));
    expect(failed.code).toBe("EXECUTION_FAILED");
    expect(failed.message).toContain("the pipe is gone");
    expect(never.audit().concat(broken.audit())).toMatchObject([{ success: false }, { success: false }]);
  });
});

describe("audit", () => {
  test("AQ-050 AQ-052 each call leaves one event, refused ones too; sequences are 1, 2, 3", async () => {
    const gateway = new Gateway();
    gateway.manifest(manifest("s", tool("read"), tool("locked", { requiredScopes: ["x"] })));
    await gateway.call("s:read", { path: "a" }, { requestId: "one", grantIds: ["g"] });
    await codeOf(() => gateway.call("s:locked", { path: "a" }));
    await codeOf(() => gateway.call("s:read", {}));
    const events = gateway.audit();
    expect(events.map(({ sequence, success }) => ({ sequence, success }))).toEqual([
      { sequence: 1, success: true },
      { sequence: 2, success: false },
      { sequence: 3, success: false },
    ]);
    expect(events[0]).toMatchObject({ toolId: "s:read", requestId: "one", grantIds: ["g"] });
    expect(gateway.audit(1, 1).map(({ sequence }) => sequence)).toEqual([2]);
    expect(gateway.snapshot().auditCursor).toBe(3);
  });

  test("AQ-051 hashes cover the payload without secrets, at any depth, in any case, and none is kept", async () => {
    const gateway = new Gateway();
    gateway.manifest(manifest("s", { ...tool("read"), inputSchema: { type: "object" } }));
    const given = { path: "a", API_KEY: "hunter2", deep: [{ Token: "hunter3" }], passWord: "hunter4", pin: "hunter5" };
    await gateway.call("s:read", given, { redactKeys: ["pin"] });
    const left =
      '{"API_KEY":"[redacted]","deep":[{"Token":"[redacted]"}],"passWord":"[redacted]","path":"a","pin":"[redacted]"}';
    expect(gateway.audit()[0]).toMatchObject({ inputHash: hashOf(left), outputHash: hashOf(left) });
    expect(JSON.stringify([gateway.audit(), gateway.snapshot()])).not.toContain("hunter");
  });

  test("AQ-053 reset forgets everything", async () => {
    const gateway = new Gateway();
    gateway.manifest(manifest("s", tool("read")));
    gateway.grant("g", "x");
    await gateway.call("s:read", { path: "a" });
    gateway.reset();
    expect(gateway.snapshot()).toEqual({ tools: [], grants: [], auditCursor: 0 });
    gateway.manifest(manifest("s", tool("read")));
    await gateway.call("s:read", { path: "a" });
    expect(gateway.audit()).toMatchObject([{ sequence: 1 }]);
  });
});

test("AQ-073 AQ-074 faults are JSON text; a result that is no JSON, and numbers that are not whole, are refused", async () => {
  if (loaded === null) throw loadError;
  const face = new loaded.ToolGateway(async () => "no json");
  face.registerManifest(JSON.stringify(manifest("s", tool("read"))));
  const call = JSON.stringify({ toolId: "s:read", requestId: "q", arguments: { path: "a" } });
  expect(await faultOf(() => face.callTool(call))).toMatchObject({ code: "EXECUTION_FAILED" });
  expect(await faultOf(() => face.callTool("{"))).toMatchObject({ code: "INVALID_ARGUMENTS" });
  const thrown = await faultOf(() => face.registerServer("{}"));
  expect(thrown).toMatchObject({ code: "INVALID_ARGUMENTS", hint: expect.stringMatching(/./) });
  for (const after of [1.5, Number.NaN, -1])
    expect(await codeOf(() => face.drainAuditEvents(after))).toBe("INVALID_ARGUMENTS");
});
