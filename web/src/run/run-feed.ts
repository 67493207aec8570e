// One run kept up to date: its facts so far in pages, then those of the stream.

import type { Event } from "@openwrap/contracts";
import { ApiFault, type Client } from "@openwrap/contracts/client";
import { type Accessor, createSignal } from "solid-js";
import type { TextDelta } from "../stream/frame-parser.ts";
import { type LiveText, withDelta } from "./live-text.ts";
import { apply } from "./run-fold.ts";
import { emptyRun, type RunState } from "./run-state.ts";

export type Numbered = readonly [sequence: number, event: Event];

export class RunFeed {
  readonly runId: string;
  /** Nothing until the facts so far are there. */
  readonly state: Accessor<RunState | undefined>;
  readonly fault: Accessor<ApiFault | undefined>;
  /** By task. */
  readonly text: Accessor<Readonly<Record<string, LiveText>>>;
  /** Screens that show it. */
  users = 0;
  private readonly api: Client;
  private readonly setState: (state: RunState) => void;
  private readonly setFault: (fault: ApiFault | undefined) => void;
  private readonly setText: (text: Readonly<Record<string, LiveText>>) => void;
  private ahead: Numbered[] = [];
  private loading = false;

  constructor(api: Client, runId: string) {
    this.api = api;
    this.runId = runId;
    const [state, setState] = createSignal<RunState>();
    const [fault, setFault] = createSignal<ApiFault>();
    const [text, setText] = createSignal<Readonly<Record<string, LiveText>>>({});
    this.state = state;
    this.fault = fault;
    this.text = text;
    this.setState = (next) => setState(next);
    this.setFault = (next) => setFault(() => next);
    this.setText = (next) => setText(next);
  }

  /** Reads what is missing; the stream goes on meanwhile. */
  async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    this.setFault(undefined);
    try {
      let state = this.state() ?? emptyRun(this.runId);
      for (;;) {
        const page = await this.api.run.events({ runId: this.runId, after: state.sequence });
        if (page.events.length === 0) break;
        page.events.forEach((event, place) => {
          state = apply(state, page.sequences[place] ?? 0, event);
        });
        if (state.sequence >= page.lastSequence) break;
      }
      if (state.sequence === 0) throw notThere(this.runId);
      this.show(this.ahead.reduce((folded, [sequence, event]) => apply(folded, sequence, event), state));
      this.ahead = [];
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
      this.setFault(error);
    } finally {
      this.loading = false;
    }
  }

  take(events: readonly Numbered[]): void {
    const state = this.state();
    if (state === undefined || this.loading) {
      this.ahead.push(...events);
      return;
    }
    this.show(events.reduce((folded, [sequence, event]) => apply(folded, sequence, event), state));
  }

  say(deltas: readonly TextDelta[]): void {
    const text = { ...this.text() };
    for (const delta of deltas) text[delta.taskId] = withDelta(text[delta.taskId], delta);
    this.setText(text);
  }

  private show(state: RunState): void {
    if (state !== this.state()) this.setState(state);
    if (state.end && Object.keys(this.text()).length > 0) this.setText({});
  }
}

function notThere(runId: string): ApiFault {
  return new ApiFault(
    {
      code: "NOT_FOUND",
      message: `There is no run ${runId}.`,
      hint: "It may belong to another data folder. All runs are under Work.",
    },
    404,
  );
}
