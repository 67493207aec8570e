// Places of what stays open: so many for each device, and some that only this machine gets, so that no device shuts out the others.

import type { Credentials, Way } from "./credentials.ts";

export interface PlaceLimits {
  /** Of all together. */
  most: number;
  /** Of one device. The command line, which is of this machine, has no such limit. */
  each: number;
  /** Of those, only for this machine. */
  here: number;
}

interface Holder {
  device: string | undefined;
  way: Way;
}

export class Places {
  private readonly limits: PlaceLimits;
  private readonly held = new Set<Holder>();

  constructor(limits: PlaceLimits) {
    this.limits = limits;
  }

  get count(): number {
    return this.held.size;
  }

  /** Gives back the place when it is called, also again; undefined: there is no place for it now. */
  take(credentials: Credentials, way: Way): (() => void) | undefined {
    const { most, each, here } = this.limits;
    const holder: Holder = { device: credentials.cookie, way };
    const all = [...this.held];
    const own = holder.device === undefined ? [] : all.filter(({ device }) => device === holder.device);
    const beyond = way === "beyond" ? all.filter((other) => other.way === "beyond") : [];
    if (all.length >= most || own.length >= each || beyond.length >= most - here) return undefined;
    this.held.add(holder);
    return () => void this.held.delete(holder);
  }
}
