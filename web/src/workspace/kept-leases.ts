// Leases of this tab, kept so that loading the page again does not leave a session in nobody's hands. They die with the tab.

export interface KeptLease {
  sessionId: string;
  token: string;
  fence: number;
  /** Milliseconds since the epoch. */
  since: number;
  /** Of the last request that was sent, or was about to be. */
  sequence: number;
}

const KEY = "openwrap.leases";
const LOCK = "openwrap/lease";

function isLease(value: unknown): value is KeptLease {
  if (typeof value !== "object" || value === null) return false;
  const one = value as Partial<Record<keyof KeptLease, unknown>>;
  const numbers = [one.fence, one.since, one.sequence].every((number) => Number.isSafeInteger(number));
  return numbers && typeof one.sessionId === "string" && typeof one.token === "string";
}

function read(): KeptLease[] {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter(isLease) : [];
  } catch {
    return [];
  }
}

function write(leases: KeptLease[]): void {
  if (leases.length === 0) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, JSON.stringify(leases));
}

export function keepLease(lease: KeptLease): void {
  write([...read().filter((one) => one.sessionId !== lease.sessionId), lease]);
}

export function forgetLease(sessionId: string): void {
  write(read().filter((one) => one.sessionId !== sessionId));
}

export function keptLeases(): KeptLease[] {
  return read();
}

/**
 * Claims a lease for this tab until the tab is gone or loaded again. False: another tab drives with it, of which this one is a
 * duplicate.
 */
export function claim(token: string): Promise<boolean> {
  if (!("locks" in navigator)) return Promise.resolve(true);
  return new Promise((resolve) => {
    void navigator.locks.request(`${LOCK}/${token}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock ? new Promise<void>(() => undefined) : undefined;
    });
  });
}
