// Where tasks stand on the tape: a row a worker, a column a task in settling order, the line between settled and live.

import { roleTitle } from "../words/format.ts";
import type { RunState } from "./run-state.ts";

export interface Lane {
  key: string;
  title: string;
  /** Two letters, for tracks. */
  short: string;
}

export interface TapeNode {
  taskId: string;
  number: number;
  lane: number;
  /** First column, from 1, on its side of the line. */
  start: number;
  span: number;
}

export interface TapeLayout {
  lanes: Lane[];
  behind: TapeNode[];
  ahead: TapeNode[];
}

/** Columns a live node may take. */
const SPAN_MAX = 3;
/** Columns behind the line, filled or not, so that the newest stand against it. */
export const BEHIND_MIN = 5;

function laneKeys(run: RunState): Map<string, string> {
  const keys = new Map<string, string>();
  const load = new Map<string, number>();
  const roleOf = (id: string): string => run.tasks[id]?.role ?? "";
  for (const id of run.order) {
    const worker = run.work[id]?.workerId;
    if (!worker) continue;
    const key = `${roleOf(id)} ${worker}`;
    keys.set(id, key);
    load.set(key, (load.get(key) ?? 0) + 1);
  }
  for (const id of run.order) {
    if (keys.has(id)) continue;
    const role = roleOf(id);
    const known = [...load]
      .filter(([key]) => key.startsWith(`${role} `))
      .sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
    const key = known[0]?.[0] ?? `${role} `;
    keys.set(id, key);
    load.set(key, (load.get(key) ?? 0) + 1);
  }
  return keys;
}

function titled(keys: string[]): Lane[] {
  const roles = keys.map((key) => key.split(" ", 1)[0] ?? "");
  return keys.map((key, place) => {
    const role = roles[place] ?? "";
    const same = roles.filter((other) => other === role).length;
    const nth = roles.slice(0, place).filter((other) => other === role).length + 1;
    const title = roleTitle(role);
    return same > 1
      ? { key, title: `${title} ${nth}`, short: `${title.slice(0, 2)}${nth}` }
      : { key, title, short: title.slice(0, 2) };
  });
}

export function layoutTape(run: RunState): TapeLayout {
  const keys = laneKeys(run);
  const roleOrder = [...new Set(run.order.map((id) => run.tasks[id]?.role ?? ""))];
  const place = (key: string): number => roleOrder.indexOf(key.split(" ", 1)[0] ?? "");
  const ordered = [...new Set(keys.values())].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  const settled = run.settled.length;
  const pad = Math.max(0, BEHIND_MIN - settled);
  const node = (taskId: string, index: number): TapeNode => ({
    taskId,
    number: index + 1,
    lane: ordered.indexOf(keys.get(taskId) ?? ""),
    start: index < settled ? index + 1 + pad : index - settled + 1,
    span: 1,
  });
  const nodes = run.order.map(node);
  const behind = nodes.slice(0, settled);
  const ahead = nodes.slice(settled);
  spread(behind, -1);
  spread(ahead, 1);
  return { lanes: titled(ordered), behind, ahead };
}

/** Lets each node take the free columns of its lane, away from the line's other side. */
function spread(nodes: TapeNode[], direction: 1 | -1): void {
  for (const node of nodes) {
    const others = nodes.filter((other) => other.lane === node.lane && other !== node);
    if (direction === 1) {
      const next = Math.min(
        ...others.filter((other) => other.start > node.start).map((other) => other.start),
        nodes.length + 1,
      );
      node.span = Math.max(1, Math.min(SPAN_MAX, next - node.start));
    } else {
      const before = Math.max(0, ...others.filter((other) => other.start < node.start).map((other) => other.start));
      node.span = node.start - before;
    }
  }
  // A settled node ends at its own column.
  if (direction === -1) for (const node of nodes) node.start = node.start - node.span + 1;
}
