// Who drives a session: leases this page holds, and what was done with them.

import type { Lease, SessionInput } from "@openwrap/contracts";
import type { ApiFault } from "@openwrap/contracts/client";
import { type Accessor, createSignal } from "solid-js";
import { requestId } from "../app/action.ts";
import type { App } from "../app/app.ts";
import type { LiveSession } from "../run/run-state.ts";
import { deedOf } from "./deeds.ts";
import { InputQueue } from "./input-queue.ts";

/** Something the person did, in a few words: never what was typed. */
export interface Deed {
  at: number;
  words: string;
}

export interface Held {
  lease: Lease;
  since: number;
  deeds: Accessor<Deed[]>;
}

interface Kept extends Held {
  queue: InputQueue;
  /** The fact of the lease has arrived. */
  told: boolean;
}

const DEEDS_MAX = 40;

class Controls {
  private readonly kept = new Map<string, Kept>();
  private readonly version = createSignal(0);

  /** What this page drives; read again whenever that changes. */
  held(sessionId: string): Held | undefined {
    this.version[0]();
    return this.kept.get(sessionId);
  }

  async take(app: App, sessionId: string, refused: (fault: ApiFault) => void): Promise<void> {
    const lease = await app.api.session.take({ requestId: requestId(), sessionId });
    const [deeds, setDeeds] = createSignal<Deed[]>([{ at: Date.now(), words: "Took control" }]);
    const queue = new InputQueue({
      send: (sequence, inputs) => app.api.session.input({ sessionId, token: lease.token, sequence, inputs }),
      failed: (fault, over) => {
        if (over) this.drop(sessionId);
        refused(fault);
      },
    });
    const note = (words: string): void => {
      setDeeds((all) => (all.at(-1)?.words === words ? all : [...all, { at: Date.now(), words }].slice(-DEEDS_MAX)));
    };
    const kept: Kept = { lease, since: Date.now(), deeds, queue, told: false };
    this.notes.set(kept, note);
    this.kept.set(sessionId, kept);
    this.changed();
  }

  async handBack(app: App, sessionId: string, text: string): Promise<void> {
    const kept = this.kept.get(sessionId);
    if (!kept) return;
    const note = text.trim() === "" ? {} : { note: text.trim() };
    await app.api.session.handBack({ requestId: requestId(), sessionId, token: kept.lease.token, ...note });
    this.drop(sessionId);
  }

  push(sessionId: string, input: SessionInput): void {
    const kept = this.kept.get(sessionId);
    if (!kept) return;
    kept.queue.push(input);
    const words = deedOf(input);
    if (words !== undefined) this.notes.get(kept)?.(words);
  }

  /** Compares what this page holds with the facts: a lease may end without a word of ours. */
  follow(session: LiveSession): void {
    const kept = this.kept.get(session.sessionId);
    if (!kept) return;
    const fence = session.taken?.fence;
    if (fence === kept.lease.fence) kept.told = true;
    else if (session.closed || (fence ?? 0) > kept.lease.fence || (kept.told && fence === undefined)) {
      this.drop(session.sessionId);
    }
  }

  private readonly notes = new WeakMap<Kept, (words: string) => void>();

  private drop(sessionId: string): void {
    this.kept.get(sessionId)?.queue.end();
    if (this.kept.delete(sessionId)) this.changed();
  }

  private changed(): void {
    this.version[1]((before) => before + 1);
  }
}

/** For as long as the page lives: a lease outlasts a look at another screen. */
export const controls = new Controls();
