// `OPENWRAP_HOME/server.json`: where a running server is, and the token with which the command line signs in. Mode 0600.

import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CoreFault } from "./core.ts";

export interface LockFile {
  pid: number;
  port: number;
  token: string;
  /** Origin people open, without a trailing slash. */
  url: string;
  /** When the process started, in the kernel's own ticks; absent where the kernel does not tell. */
  startedTicks?: number;
}

/** 256 random bits. */
export function freshToken(): string {
  return randomBytes(32).toString("base64url");
}

function pathIn(home: string): string {
  return join(home, "server.json");
}

/** Throws a `CoreFault` when it may not be made, or is another user's. */
export function ensureHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    chmodSync(home, 0o700);
  } catch (error) {
    throw new CoreFault({
      code: "STORAGE_FAILED",
      message: `the data folder ${home} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      hint: `This runs as user ${process.getuid?.() ?? "?"}: let the folder, or the volume it lies in, be that user's, or name another one.`,
    });
  }
}

export function writeLock(home: string, lock: LockFile): void {
  const fresh = `${pathIn(home)}.${lock.pid}`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, `${JSON.stringify(lock)}\n`, { mode: 0o600, flag: "wx" });
  renameSync(fresh, pathIn(home));
}

export function readLock(home: string): LockFile | undefined {
  try {
    const lock = JSON.parse(readFileSync(pathIn(home), "utf8")) as LockFile;
    return typeof lock.pid === "number" && typeof lock.port === "number" && typeof lock.token === "string"
      ? lock
      : undefined;
  } catch {
    return undefined;
  }
}

/** Removes the file when it is still this process's. */
export function removeLock(home: string, pid: number): void {
  if (readLock(home)?.pid === pid) rmSync(pathIn(home), { force: true });
}

/** Start of a process in clock ticks after boot: with the pid it names one process, which a pid alone does not. */
export function startedTicks(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses and may hold anything; the start is the 22nd.
    const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    return Number.isFinite(ticks) ? ticks : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the process that wrote the file still runs. Whoever takes over the pid of a server that crashed could also have
 * its port, and would be told secrets: another user's process, and one that started at another time, is not it.
 */
export function isAlive(lock: LockFile): boolean {
  try {
    process.kill(lock.pid, 0);
  } catch {
    return false;
  }
  return lock.startedTicks === undefined || startedTicks(lock.pid) === lock.startedTicks;
}
