// The page's one store: what the server told, and how to tell it something.

import { ApiFault, type Client, createClient } from "@openwrap/contracts/client";
import { type Accessor, batch, createContext, createSignal, untrack, useContext } from "solid-js";
import { apply, fromSnapshot, type OverviewState } from "../overview/overview-state.ts";
import { type Numbered, RunFeed } from "../run/run-feed.ts";
import { noAnswer, Session } from "../session/session.ts";
import type { StreamState } from "../stream/event-stream.ts";
import type { Frame, TextDelta } from "../stream/frame-parser.ts";
import { SharedStream } from "../stream/shared-stream.ts";
import { SurfaceFrames } from "../stream/surface-frames.ts";
import { DRIVE_PROTOCOL } from "../workspace/drive-socket.ts";
import { SessionSockets } from "../workspace/session-sockets.ts";
import { createPreferences, type Preferences } from "./preferences.ts";
import { createPulses, type Pulses } from "./pulses.ts";
import { createRouter, type Router } from "./router.ts";

export type Phase = "starting" | "signed_out" | "failed" | "ready";

export interface Connection {
  live: boolean;
  /** Since when it is not live. */
  lostAt: number;
}

/** Runs kept beside those on screen. */
const FEEDS_KEPT = 12;

export class App {
  readonly router: Router = createRouter();
  readonly preferences: Preferences = createPreferences();
  readonly api: Client;
  /** Beats when something that is read on demand may have changed. */
  readonly pulses: Pulses = createPulses();
  readonly surfaces = new SurfaceFrames();
  readonly sockets: SessionSockets;
  readonly phase: Accessor<Phase>;
  readonly fault: Accessor<ApiFault | undefined>;
  readonly connection: Accessor<Connection>;
  private readonly setPhase: (phase: Phase) => void;
  private readonly setFault: (fault: ApiFault | undefined) => void;
  private readonly setConnection: (connection: Connection) => void;
  private readonly known: Accessor<OverviewState | undefined>;
  private readonly setKnown: (state: OverviewState) => void;
  private readonly session: Session;
  private readonly stream: SharedStream;
  private readonly feeds = new Map<string, RunFeed>();
  private catchingUp = false;
  /** More was missed meanwhile. */
  private missedAgain = false;

  constructor() {
    const [phase, setPhase] = createSignal<Phase>("starting");
    const [fault, setFault] = createSignal<ApiFault>();
    const [connection, setConnection] = createSignal<Connection>({ live: false, lostAt: Date.now() });
    const [known, setKnown] = createSignal<OverviewState>();
    this.phase = phase;
    this.fault = fault;
    this.connection = connection;
    this.known = known;
    this.setPhase = (next) => setPhase(next);
    this.setFault = (next) => setFault(() => next);
    this.setConnection = (next) => setConnection(next);
    this.setKnown = (next) => setKnown(next);
    this.session = new Session(() => this.signedOut());
    this.api = createClient({ fetch: this.session.fetch });
    this.sockets = new SessionSockets({
      open: (sessionId) =>
        this.session.socket(`/api/sessions/drive?${new URLSearchParams({ sessionId })}`, DRIVE_PROTOCOL),
      frame: (sessionId, frame) => this.surfaces.show(sessionId, frame),
    });
    this.stream = new SharedStream({
      open: (after, signal) =>
        this.session.fetch(`/api/stream?after=${after}`, { signal, headers: { accept: "text/event-stream" } }),
      after: () => this.known()?.sequence ?? 0,
      frames: (frames) => this.take(frames),
      state: (state) => this.hear(state),
      missed: () => void this.catchUp(),
    });
    const back = (): void => {
      if (document.visibilityState === "visible" && this.phase() === "ready") this.stream.nudge();
    };
    document.addEventListener("visibilitychange", back);
    addEventListener("pageshow", (event) => {
      if (!event.persisted) back();
      else {
        this.stream.reopen();
        this.sockets.reopen();
      }
    });
    addEventListener("online", back);
  }

  /** The snapshot, then the stream. Also the way out of a failure. */
  async start(): Promise<void> {
    this.setPhase("starting");
    try {
      if (await this.session.start()) await this.enter();
      else this.setPhase("signed_out");
    } catch (error) {
      this.fail(error);
    }
  }

  /** Signs in with a pasted launch link. Rejects with why not. */
  async signIn(link: string): Promise<void> {
    await this.session.redeem(link);
    await this.enter().catch((error: unknown) => this.fail(error));
  }

  overview(): OverviewState {
    const state = this.known();
    if (!state) throw new Error("the page was shown before its snapshot");
    return state;
  }

  /** Sequence of the newest fact on the page; 0 before the first. */
  sequence(): number {
    return this.known()?.sequence ?? 0;
  }

  readOnly(): boolean {
    return !this.connection().live;
  }

  /** The run's feed, loading when it is new. */
  run(runId: string): RunFeed {
    const known = this.feeds.get(runId);
    if (known) return known;
    for (const [id, feed] of this.feeds) {
      if (this.feeds.size >= FEEDS_KEPT && feed.users === 0) this.feeds.delete(id);
    }
    const feed = new RunFeed(this.api, runId);
    this.feeds.set(runId, feed);
    void untrack(() => feed.load());
    return feed;
  }

  /** Content of a file of a project, or of a task's view. */
  async file(
    projectId: string,
    path: string,
    view: { runId?: string; taskId?: string; delivered?: string } = {},
  ): Promise<Blob> {
    const query = new URLSearchParams({ projectId, ...view, path });
    return (await this.request(`/api/files/content?${query}`)).blob();
  }

  /** A route outside the method table, as this tab. Throws `ApiFault`. */
  async request(url: string, init?: RequestInit): Promise<Response> {
    const response = await this.session.fetch(url, init);
    if (response.ok) return response;
    const body = (await response.json().catch(() => undefined)) as
      | ConstructorParameters<typeof ApiFault>[0]
      | undefined;
    throw body ? new ApiFault(body, response.status) : noAnswer();
  }

  private async enter(): Promise<void> {
    const overview = await this.api.overview.get();
    this.setKnown(fromSnapshot(overview));
    this.setPhase("ready");
    this.sockets.reopen();
    this.stream.start();
  }

  private signedOut(): void {
    this.sockets.end();
    this.setPhase("signed_out");
  }

  private fail(error: unknown): void {
    if (!(error instanceof ApiFault)) throw error;
    if (error.status === 401) {
      this.signedOut();
      return;
    }
    this.setFault(error);
    this.setPhase("failed");
  }

  private hear(state: StreamState): void {
    if (state === "refused") {
      this.stream.stop();
      this.signedOut();
      return;
    }
    const { live } = this.connection();
    if (state === "live" && !live) {
      this.setConnection({ live: true, lostAt: 0 });
      this.sockets.reopen();
      this.surfaces.missed();
    }
    if (state !== "live" && live) this.setConnection({ live: false, lostAt: Date.now() });
  }

  private take(frames: Frame[]): void {
    const byRun = new Map<string, Numbered[]>();
    const words = new Map<string, TextDelta[]>();
    let state = this.known();
    for (const frame of frames) {
      if (frame.kind === "event" && state) {
        state = apply(state, frame.sequence, frame.event);
        collect(byRun, frame.event.runId ?? "", [frame.sequence, frame.event] as const);
        this.pulses.hear(frame.event.type);
      } else if (frame.kind === "text") {
        collect(words, frame.delta.runId, frame.delta);
      } else {
        this.surfaces.take(frame);
      }
    }
    batch(() => {
      for (const [runId, events] of byRun) this.feeds.get(runId)?.take(events);
      for (const [runId, deltas] of words) this.feeds.get(runId)?.say(deltas);
      if (state && state !== this.known()) this.setKnown(state);
    });
  }

  /** Facts went past while the tab slept: a new snapshot, and what the runs lack. */
  private async catchUp(): Promise<void> {
    if (this.catchingUp) {
      this.missedAgain = true;
      return;
    }
    this.catchingUp = true;
    this.missedAgain = false;
    try {
      const fresh = fromSnapshot(await this.api.overview.get());
      if (fresh.sequence > this.sequence()) this.setKnown(fresh);
      await Promise.all([...this.feeds.values()].map((feed) => feed.load()));
      this.pulses.all();
      this.surfaces.missed();
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
    } finally {
      this.catchingUp = false;
    }
    if (this.missedAgain) await this.catchUp();
  }
}

function collect<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

const AppContext = createContext<App>();
export const AppProvider = AppContext.Provider;

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("outside the app");
  return app;
}
