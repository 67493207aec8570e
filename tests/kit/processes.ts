// What /proc says about a process and everything below it.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProcessFacts {
  pid: number;
  parent: number;
  name: string;
  /** User and system, of itself and of its children that have ended. */
  cpuMs: number;
  /** Resident; what is shared counts in each process that has it. */
  memoryBytes: number;
}

/** Hundredths of a second on every Linux. */
const TICK_MS = 10;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

export function processFacts(pid: number): ProcessFacts | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return {
    pid,
    parent: Number(fields[1]),
    name: stat.slice(stat.indexOf("(") + 1, end),
    cpuMs: ticks * TICK_MS,
    memoryBytes: Number(resident ?? 0) * 1024,
  };
}

/** The kernel's letter for what it does: `R`, `S`, `D`, `Z` …; empty when it is gone. */
export function stateOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.charAt(stat.lastIndexOf(")") + 2) ?? "";
}

/** False for a process that has ended, also where nobody has collected its end yet. */
export function isAlive(pid: number): boolean {
  return !["", "Z", "X"].includes(stateOf(pid));
}

/** Live processes whose working folder is this one or below it. */
export function processesIn(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isAlive(pid) && `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`);
      } catch {
        return false;
      }
    });
}

/** The process and all its descendants. */
export function processTree(root: number): ProcessFacts[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processFacts(Number(name)) ?? []);
  const inside = new Set([root]);
  // Parents may have higher numbers than their children.
  for (let grown = true; grown; ) {
    const before = inside.size;
    for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid);
    grown = inside.size > before;
  }
  return all.filter(({ pid }) => inside.has(pid));
}

export function treeTotals(root: number): { cpuMs: number; memoryBytes: number } {
  const tree = processTree(root);
  return {
    cpuMs: tree.reduce((sum, facts) => sum + facts.cpuMs, 0),
    memoryBytes: tree.reduce((sum, facts) => sum + facts.memoryBytes, 0),
  };
}
