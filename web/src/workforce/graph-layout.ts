// The workforce as a picture: planner and coordinator, a lane a worker, tasks by how deep they stand in what they need.

import type { RunState } from "../run/run-state.ts";
import { layoutTape } from "../run/tape-layout.ts";

/** CSS pixels. */
export const SIZE = { task: 176, head: 124, height: 54, gapX: 34, gapY: 14, pad: 16, lanePad: 8 } as const;

export interface GraphNode {
  /** `planner`, `coordinator`, a lane's key, or a task's id. */
  id: string;
  kind: "planner" | "coordinator" | "worker" | "task";
  x: number;
  y: number;
  width: number;
}

export interface GraphEdge {
  from: string;
  to: string;
  /** SVG path. */
  path: string;
  /** `needs`: the target needs the source's result; `leads`: who gives the work. */
  kind: "needs" | "leads";
}

export interface GraphLane {
  key: string;
  title: string;
  y: number;
  height: number;
  tasks: string[];
}

export interface GraphLayout {
  nodes: GraphNode[];
  edges: GraphEdge[];
  lanes: GraphLane[];
  width: number;
  height: number;
}

/** How many tasks stand before each, along the longest chain; a circle (a refused plan) ends a chain. */
export function depths(run: RunState): Map<string, number> {
  const found = new Map<string, number>();
  // In settling order what a task needs comes before it.
  for (const id of run.order) {
    const before = (run.tasks[id]?.dependsOn ?? []).map((other) => found.get(other) ?? -1);
    found.set(id, Math.max(-1, ...before) + 1);
  }
  return found;
}

interface Cell {
  lane: number;
  depth: number;
  row: number;
}

/** A cell a task: tasks of a lane at one depth stand under each other. */
function cells(run: RunState): { byTask: Map<string, Cell>; rows: number[] } {
  const depth = depths(run);
  const tape = layoutTape(run);
  const laneOf = new Map([...tape.behind, ...tape.ahead].map((node) => [node.taskId, node.lane]));
  const used = new Map<string, number>();
  const rows = tape.lanes.map(() => 1);
  const byTask = new Map<string, Cell>();
  for (const id of run.order) {
    const lane = laneOf.get(id) ?? 0;
    const at = depth.get(id) ?? 0;
    const key = `${lane} ${at}`;
    const row = used.get(key) ?? 0;
    used.set(key, row + 1);
    rows[lane] = Math.max(rows[lane] ?? 1, row + 1);
    byTask.set(id, { lane, depth: at, row });
  }
  return { byTask, rows };
}

export function layoutGraph(run: RunState): GraphLayout {
  const { task, head, height, gapX, gapY, pad, lanePad } = SIZE;
  const { byTask, rows } = cells(run);
  const lanes: GraphLane[] = [];
  let top = pad;
  for (const [place, lane] of layoutTape(run).lanes.entries()) {
    const count = rows[place] ?? 1;
    const high = count * height + (count - 1) * gapY + 2 * lanePad;
    const tasks = run.order.filter((id) => byTask.get(id)?.lane === place);
    lanes.push({ key: lane.key, title: lane.title, y: top, height: high, tasks });
    top += high;
  }
  const bottom = Math.max(top, pad + 2 * height + 3 * gapY);
  const workerX = pad + head + gapX;
  const taskX = workerX + head + gapX;
  const nodes: GraphNode[] = [
    { id: "planner", kind: "planner", x: pad, y: pad + lanePad, width: head },
    { id: "coordinator", kind: "coordinator", x: pad, y: (pad + bottom - height) / 2 + height / 2 + gapY, width: head },
  ];
  for (const lane of lanes) {
    nodes.push({ id: lane.key, kind: "worker", x: workerX, y: lane.y + lanePad, width: head });
  }
  for (const [id, cell] of byTask) {
    const y = (lanes[cell.lane]?.y ?? pad) + lanePad + cell.row * (height + gapY);
    nodes.push({ id, kind: "task", x: taskX + cell.depth * (task + gapX), y, width: task });
  }
  const deepest = Math.max(0, ...[...byTask.values()].map((cell) => cell.depth));
  const width = taskX + (deepest + 1) * task + deepest * gapX + pad;
  return { nodes, edges: edges(run, nodes, lanes, byTask), lanes, width, height: bottom + pad };
}

function edges(run: RunState, nodes: GraphNode[], lanes: GraphLane[], byTask: Map<string, Cell>): GraphEdge[] {
  // A task may be called as a head is.
  const at = new Map(nodes.map((node) => [`${node.kind} ${node.id}`, node]));
  const found: GraphEdge[] = [];
  const join = (from: GraphNode | undefined, to: GraphNode | undefined, kind: GraphEdge["kind"]): void => {
    if (from && to) found.push({ from: from.id, to: to.id, path: curve(from, to), kind });
  };
  const coordinator = at.get("coordinator coordinator");
  const planner = at.get("planner planner");
  if (planner && coordinator) {
    const x = planner.x + planner.width / 2;
    found.push({
      from: "planner",
      to: "coordinator",
      path: `M${x} ${planner.y + SIZE.height}V${coordinator.y}`,
      kind: "leads",
    });
  }
  for (const lane of lanes) {
    const worker = at.get(`worker ${lane.key}`);
    join(coordinator, worker, "leads");
    const first = Math.min(...lane.tasks.map((id) => byTask.get(id)?.depth ?? 0));
    for (const id of lane.tasks) if (byTask.get(id)?.depth === first) join(worker, at.get(`task ${id}`), "leads");
  }
  for (const id of run.order) {
    for (const before of run.tasks[id]?.dependsOn ?? []) join(at.get(`task ${before}`), at.get(`task ${id}`), "needs");
  }
  return found;
}

function curve(from: GraphNode, to: GraphNode): string {
  const [x1, y1] = [from.x + from.width, from.y + SIZE.height / 2];
  const [x2, y2] = [to.x, to.y + SIZE.height / 2];
  const bend = Math.max((x2 - x1) / 2, SIZE.gapX / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
