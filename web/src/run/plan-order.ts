// The order in which tasks settle: always the smallest (priority, place) among those whose dependencies have a place.

import type { PlanTask } from "@openwrap/contracts";

/** Task ids in the order they settle. `settled` come first, as they did; tasks left in a circle (refused plans) keep their place. */
export function settlingOrder(tasks: readonly PlanTask[], settled: readonly string[] = []): string[] {
  const order = [...settled];
  const placed = new Set(order);
  const known = new Set(tasks.map((task) => task.taskId));
  const left = tasks.filter((task) => !placed.has(task.taskId));
  const byPriority = left
    .map((task, place) => ({ task, place }))
    .sort((a, b) => (a.task.priority ?? 0) - (b.task.priority ?? 0) || a.place - b.place);
  while (byPriority.length > 0) {
    const free = byPriority.findIndex(({ task }) =>
      (task.dependsOn ?? []).every((id) => placed.has(id) || !known.has(id)),
    );
    const [next] = byPriority.splice(Math.max(free, 0), 1);
    if (!next) break;
    order.push(next.task.taskId);
    placed.add(next.task.taskId);
  }
  return order;
}
