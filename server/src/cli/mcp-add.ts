// `openwrap mcp add NAME -- COMMAND …`: installs where that is needed, reads what the server offers, and asks.

import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import type { McpServerState, McpVariable } from "@openwrap/contracts";
import type { Client } from "@openwrap/contracts/client";
import { CoreFault } from "../core.ts";
import { type CommandCall, UsageError } from "./command.ts";
import { connect, settingsOf } from "./connection.ts";
import { approve } from "./mcp-approve.ts";
import { type Entry, entryAsIs, install, readNpx } from "./mcp-package.ts";
import { show } from "./mcp-shown.ts";
import { readSecret } from "./secret-input.ts";
import { jsonLine, line } from "./visible.ts";

export async function run(call: CommandCall): Promise<number> {
  const [serverId = "", ...command] = call.args;
  const wanted = readNpx(command);
  const env = [...call.list("env").map(variableOf), ...secretsOf(call, serverId)];
  const grants = [...pathsOf(call, "read"), ...pathsOf(call, "write")];
  const asIs = wanted ? undefined : entryAsIs(command, process.cwd());
  const { client, close } = await connect(call);
  try {
    // Before anything is installed: a name that is taken stays as it is.
    const { servers } = await client.mcp.list();
    if (servers.some(({ server }) => server.serverId === serverId)) throw taken(serverId);
    await storeSecrets(call, client, serverId);
    const entry = asIs ?? (wanted && (await install(serverId, wanted, settingsOf(call).work, call.terminal.env)));
    if (!entry) throw new UsageError("no command is named");
    const state = await add(client, serverId, entry, env, grants);
    if (call.has("json")) {
      if (call.has("yes")) await client.mcp.approve(approvalOf(state));
      call.terminal.out(jsonLine(state));
      return 0;
    }
    call.terminal.out(line(`Added ${serverId}.`));
    show(call.terminal, state);
    await approve(call, client, state);
    return 0;
  } finally {
    await close();
  }
}

function approvalOf({ server, definitionsHash }: McpServerState) {
  return { requestId: randomUUID(), serverId: server.serverId, definitionsHash };
}

async function add(
  client: Client,
  serverId: string,
  entry: Entry,
  env: McpVariable[],
  grants: string[],
): Promise<McpServerState> {
  try {
    return await client.mcp.add({
      requestId: randomUUID(),
      serverId,
      command: entry.command,
      env,
      grants: [...entry.reads.map((path) => `read:${path}`), ...grants],
      ...(entry.package ? { package: entry.package } : {}),
    });
  } catch (error) {
    if (entry.folder) rmSync(entry.folder, { recursive: true, force: true });
    throw error;
  }
}

function taken(serverId: string): CoreFault {
  return new CoreFault({
    code: "ALREADY_EXISTS",
    message: `there is an MCP server ${JSON.stringify(serverId)} already`,
    hint: `Remove it first with \`openwrap mcp remove ${serverId}\`, or choose another name.`,
  });
}

function pathsOf(call: CommandCall, kind: "read" | "write"): string[] {
  const paths = call.list(`allow-${kind}`).flatMap((list) => list.split(","));
  return paths.filter((path) => path !== "").map((path) => `${kind}:${resolve(path)}`);
}

function variableOf(text: string): McpVariable {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError("--env is written NAME=VALUE");
  const value = text.slice(at + 1);
  return { name: text.slice(0, at), value };
}

/** Name of a server's secret in the vault. */
function secretName(serverId: string, variable: string): string {
  return `mcp:${serverId}:${variable}`;
}

function secretsOf(call: CommandCall, serverId: string): McpVariable[] {
  const names = call.list("secret");
  if (names.length > 1 && !call.terminal.interactive)
    throw new UsageError("standard input holds one secret; add several from a terminal");
  return names.map((name) => ({ name, value: `secret:${secretName(serverId, name)}` }));
}

/** Each is sealed to the core before it leaves this process. */
async function storeSecrets(call: CommandCall, client: Client, serverId: string): Promise<void> {
  for (const variable of call.list("secret")) {
    const secret = await readSecret(call.terminal, `${variable}: `);
    try {
      const [{ seal }, { publicKey }] = await Promise.all([import("../seal.ts"), client.secret.publicKey()]);
      const name = secretName(serverId, variable);
      await client.secret.store({ name, sealed: seal(name, secret, publicKey) });
    } finally {
      secret.fill(0);
    }
  }
}
