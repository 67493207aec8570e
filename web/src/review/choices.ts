// What can be looked at: a file as a task changed it.

import type { ChangeEntry } from "@openwrap/contracts";
import type { RunState } from "../run/run-state.ts";

export interface Choice {
  taskId: string;
  change: ChangeEntry;
}

export function sameChoice(a: Choice | undefined, b: Choice | undefined): boolean {
  return a?.taskId === b?.taskId && a?.change.path === b?.change.path;
}

/** By task in settling order, then by path; tasks outside the plan come last. */
export function choicesOf(run: RunState, changes: readonly ChangeEntry[]): Choice[] {
  const place = (taskId: string): number => {
    const found = run.order.indexOf(taskId);
    return found === -1 ? run.order.length : found;
  };
  return changes
    .flatMap((change) => change.taskIds.map((taskId) => ({ taskId, change })))
    .sort(
      (a, b) =>
        place(a.taskId) - place(b.taskId) ||
        (a.taskId < b.taskId ? -1 : a.taskId > b.taskId ? 1 : 0) ||
        (a.change.path < b.change.path ? -1 : 1),
    );
}
