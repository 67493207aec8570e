// Who drives a session: leases this page holds, and what was done with them.

import type { SessionInput } from "@openwrap/contracts";
import { ApiFault } from "@openwrap/contracts/client";
import { type Accessor, createSignal } from "solid-js";
import { requestId } from "../app/action.ts";
import type { App } from "../app/app.ts";
import type { LiveSession } from "../run/run-state.ts";
import { deedOf } from "./deeds.ts";
import type { DriveRequest } from "./drive-socket.ts";
import { InputQueue } from "./input-queue.ts";
import { claim, forgetLease, type KeptLease, keepLease, keptLeases } from "./kept-leases.ts";

/** Something the person did, in a few words: never what was typed. */
export interface Deed {
  at: number;
  words: string;
}

export interface Held {
  since: number;
  deeds: Accessor<Deed[]>;
}

interface Driven extends Held {
  lease: KeptLease;
  queue: InputQueue;
  /** Lets go of the session's socket. */
  release: () => void;
  note: (words: string) => void;
  /** The fact of the lease has arrived. */
  told: boolean;
}

const DEEDS_MAX = 40;

class Controls {
  private readonly driven = new Map<string, Driven>();
  private readonly version = createSignal(0);
  private restored = false;
  /** Told when an input was refused, or the lease ended. */
  private readonly refusals = createSignal<{ sessionId: string; fault: ApiFault }>();

  /** What this page drives; read again whenever that changes. */
  held(sessionId: string): Held | undefined {
    this.version[0]();
    return this.driven.get(sessionId);
  }

  /** The newest refusal of a session's input. */
  refused(sessionId: string): ApiFault | undefined {
    const newest = this.refusals[0]();
    return newest?.sessionId === sessionId ? newest.fault : undefined;
  }

  clearRefusal(): void {
    this.refusals[1](undefined);
  }

  async take(app: App, sessionId: string): Promise<void> {
    const { token, fence } = await app.api.session.take({ requestId: requestId(), sessionId });
    void claim(token);
    this.drive(app, { sessionId, token, fence, since: Date.now(), sequence: 0 }, "Took control");
  }

  /** Goes on with the leases this tab held before it was loaded again. */
  async restore(app: App): Promise<void> {
    if (this.restored) return;
    this.restored = true;
    for (const lease of keptLeases()) {
      if (!(await claim(lease.token))) forgetLease(lease.sessionId);
      else if (!this.driven.has(lease.sessionId)) this.drive(app, lease, "Loaded this page again");
    }
  }

  async handBack(app: App, sessionId: string, text: string): Promise<void> {
    const driven = this.driven.get(sessionId);
    if (!driven) return;
    const note = text.trim() === "" ? {} : { note: text.trim() };
    try {
      await app.api.session.handBack({ requestId: requestId(), sessionId, token: driven.lease.token, ...note });
    } catch (error) {
      // What is lost cannot be given back: the page must not go on as if it drove.
      if (error instanceof ApiFault && error.code === "LEASE_LOST") this.drop(sessionId);
      throw error;
    }
    this.drop(sessionId);
  }

  push(sessionId: string, input: SessionInput): void {
    const driven = this.driven.get(sessionId);
    if (!driven) return;
    driven.queue.push(input);
    const words = deedOf(input);
    if (words !== undefined) driven.note(words);
  }

  /** Compares what this page holds with the facts: a lease may end without a word of ours. */
  follow(session: LiveSession): void {
    const driven = this.driven.get(session.sessionId);
    if (!driven) return;
    const fence = session.taken?.fence;
    if (fence === driven.lease.fence) driven.told = true;
    else if (session.closed || (fence ?? 0) > driven.lease.fence || (driven.told && fence === undefined)) {
      this.drop(session.sessionId);
    }
  }

  private drive(app: App, lease: KeptLease, first: string): void {
    const { sessionId, token } = lease;
    const [deeds, setDeeds] = createSignal<Deed[]>([{ at: Date.now(), words: first }]);
    const release = app.sockets.keep(sessionId);
    const queue = new InputQueue(
      {
        send: (sequence, inputs) => {
          keepLease({ ...lease, sequence });
          return deliver(app, { sessionId, token, sequence, inputs });
        },
        failed: (fault, over) => {
          if (over) this.drop(sessionId);
          this.refusals[1]({ sessionId, fault });
        },
      },
      lease.sequence,
    );
    const note = (words: string): void => {
      setDeeds((all) => (all.at(-1)?.words === words ? all : [...all, { at: Date.now(), words }].slice(-DEEDS_MAX)));
    };
    keepLease(lease);
    this.driven.set(sessionId, { lease, since: lease.since, deeds, queue, release, note, told: false });
    this.changed();
  }

  private drop(sessionId: string): void {
    const driven = this.driven.get(sessionId);
    driven?.queue.end();
    driven?.release();
    forgetLease(sessionId);
    if (this.driven.delete(sessionId)) this.changed();
  }

  private changed(): void {
    this.version[1]((before) => before + 1);
  }
}

/** By the socket; where there is none, or it ends on the way, by a request: a number that was done is not done again. */
async function deliver(app: App, request: DriveRequest): Promise<void> {
  const socket = app.sockets.of(request.sessionId);
  if (socket) {
    try {
      await socket.send(request);
      return;
    } catch (error) {
      if (error !== undefined) throw error;
    }
  }
  await app.api.session.input(request);
}

/** For as long as the page lives: a lease outlasts a look at another screen. */
export const controls = new Controls();
