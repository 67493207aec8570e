// How a tool call ended, read from its result.

import type { ToolResult } from "../../conversation.ts";

interface Outcome {
  error?: { code?: unknown; message?: unknown; reason?: unknown };
  exitCode?: unknown;
  stderr?: unknown;
  note?: unknown;
}

function outcomeOf({ value }: ToolResult): Outcome {
  return typeof value === "object" && value !== null ? value : {};
}

export function isFailure(result: ToolResult): boolean {
  const { error, exitCode } = outcomeOf(result);
  return error !== undefined || (exitCode !== undefined && exitCode !== 0);
}

/** A person, or a rule, said no: the worker goes on without it. */
export function isRefusal(result: ToolResult): boolean {
  return outcomeOf(result).error?.code === "PERMISSION_DENIED" && result.tool === "file_write";
}

/** Why something was refused, in the words of whoever refused it. */
export function reasonOf(result: ToolResult): string {
  const { reason } = outcomeOf(result).error ?? {};
  return typeof reason === "string" && reason.trim() !== "" ? reason.trim() : "no reason given";
}

export function messageOf(result: ToolResult): string {
  const { error, exitCode, stderr, note } = outcomeOf(result);
  if (error !== undefined) return `${String(error.code)}: ${String(error.message)}`;
  return `it ended with ${String(exitCode)}. ${String(note ?? "")} ${String(stderr ?? "").slice(-400)}`.trim();
}
