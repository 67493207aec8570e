// A server and what it offers, for a person who decides whether to trust it.

import type { McpServerState, ToolDefinition } from "@openwrap/contracts";
import type { Terminal } from "./terminal.ts";
import { block, line, short } from "./visible.ts";

const DESCRIPTION_CHARS_MAX = 300;

const STATUS: Record<McpServerState["status"], string> = {
  idle: "ready",
  running: "running",
  waits_for_approval: "waits for approval",
  failed: "failed",
};

/** Its line in a list. */
export function summaryOf({ server, status, tools, error }: McpServerState): string {
  const origin = server.package
    ? `${server.package.name}@${server.package.version}`
    : [server.command, ...server.args].join(" ");
  const parts = [server.serverId, STATUS[status], `${tools.length} tool(s)`, origin, error ?? ""];
  return line(parts.filter((part) => part !== "").join("  "));
}

/** A part of a command that stands for the project as a task sees it. */
const VIEW = /\$\{view\}/;

/** What its process may do. */
export function rightsOf({ server }: McpServerState): string[] {
  const installed = server.package;
  const { env = [], grants = [] } = server;
  const inView = [...server.args, ...env.map(({ value }) => value)].some((text) => VIEW.test(text));
  return [
    ...(installed ? [`Package: ${installed.name}@${installed.version}, ${installed.integrity}`] : []),
    `Runs: ${[server.command, ...server.args].join(" ")}`,
    "Network: none",
    `Files: ${["its own home and temporary folder", ...(inView ? ["the project as a task sees it"] : []), ...grants].join(", ")}`,
    ...(env.length === 0 ? [] : [`Variables: ${env.map(({ name }) => name).join(", ")}`]),
  ].map(line);
}

/** Prints everything a person approves, in the server's own words where they are. */
export function show(terminal: Terminal, state: McpServerState): void {
  for (const row of rightsOf(state)) terminal.out(row);
  const { approvedTools = [], refused = [] } = state;
  const before = new Map(approvedTools.map((tool) => [tool.name, tool]));
  terminal.out(`Tools: ${state.tools.length}`);
  for (const tool of state.tools) terminal.out(`  ${line(tool.name)}${changeOf(tool, before)}: ${described(tool)}`);
  for (const gone of approvedTools.filter(({ name }) => !state.tools.some((tool) => tool.name === name)))
    terminal.out(`  ${line(gone.name)} [gone]`);
  for (const { name, reason } of refused) terminal.out(`  ${line(name)} is not taken: ${line(reason)}`);
}

function changeOf(tool: ToolDefinition, before: Map<string, ToolDefinition>): string {
  if (before.size === 0) return "";
  const known = before.get(tool.name);
  if (!known) return " [new]";
  return JSON.stringify(known) === JSON.stringify(tool) ? "" : ` [changed; was: ${described(known)}]`;
}

/** Without the core's own first line, which is the same for all. */
function described({ description }: ToolDefinition): string {
  return short(block(description.slice(description.indexOf("\n") + 1)), DESCRIPTION_CHARS_MAX);
}
