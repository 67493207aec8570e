// How the tools of a server differ from those a person approved.

import type { ToolDefinition } from "@openwrap/contracts";

export const REACHES = {
  reads: "changes nothing",
  confined: "stays in the task's copy",
  outside: "may act outside",
  irreversible: "cannot be undone",
} as const;

export interface ToolChange {
  name: string;
  kind: "new" | "gone" | "changed";
  before: string;
  after: string;
}

/** A definition as text, in lines that a person can compare. */
export function definitionText(tool: ToolDefinition): string {
  return `${tool.description}\n\nReach: ${REACHES[tool.reach]}\nArguments: ${JSON.stringify(tool.inputSchema, null, 2)}`;
}

export function toolChanges(before: readonly ToolDefinition[], after: readonly ToolDefinition[]): ToolChange[] {
  const old = new Map(before.map((tool) => [tool.name, definitionText(tool)]));
  const fresh = new Map(after.map((tool) => [tool.name, definitionText(tool)]));
  const names = [...new Set([...old.keys(), ...fresh.keys()])].sort();
  return names.flatMap((name): ToolChange[] => {
    const [was, is] = [old.get(name), fresh.get(name)];
    if (was === is) return [];
    const kind = was === undefined ? "new" : is === undefined ? "gone" : "changed";
    return [{ name, kind, before: was ?? "", after: is ?? "" }];
  });
}
