// One stream a browser: the tab that holds the lock reads it and tells the others.

import { EventStream, type StreamState } from "./event-stream.ts";
import type { Frame } from "./frame-parser.ts";

const LOCK = "openwrap/stream";
const CHANNEL = "openwrap/stream";

type Message =
  | { type: "frames"; from: number; frames: Frame[] }
  | { type: "state"; state: StreamState; position: number }
  | { type: "ask" };

export interface SharedPorts {
  open: (after: number, signal: AbortSignal) => Promise<Response>;
  /** Sequence of the newest fact this tab has. */
  after: () => number;
  frames: (frames: Frame[]) => void;
  state: (state: StreamState) => void;
  /** Facts went past this tab (it was asleep): it needs a new snapshot. */
  missed: () => void;
}

export class SharedStream {
  private readonly ports: SharedPorts;
  private readonly channel: BroadcastChannel;
  private readonly stream: EventStream;
  private state: StreamState = "connecting";
  private leads = false;
  private release: (() => void) | undefined;

  constructor(ports: SharedPorts) {
    this.ports = ports;
    this.channel = new BroadcastChannel(CHANNEL);
    this.channel.onmessage = (message: MessageEvent<Message>) => this.hear(message.data);
    this.stream = new EventStream({
      open: ports.open,
      after: ports.after,
      frames: (frames) => this.take(frames),
      state: (state) => this.tell(state),
    });
  }

  start(): void {
    if (this.release) return;
    const ended = new Promise<void>((resolve) => {
      this.release = resolve;
    });
    const lead = (): Promise<void> => {
      this.leads = true;
      this.stream.start();
      return ended;
    };
    // Without locks (an insecure origin) each tab reads for itself.
    if ("locks" in navigator) void navigator.locks.request(LOCK, lead);
    else void lead();
    this.say({ type: "ask" });
  }

  stop(): void {
    this.stream.stop();
    this.leads = false;
    this.release?.();
    this.release = undefined;
  }

  /** The tab came back to the front. */
  nudge(): void {
    if (this.leads) this.stream.nudge();
    else this.say({ type: "ask" });
  }

  reopen(): void {
    if (this.leads) this.stream.reopen();
  }

  private take(frames: Frame[]): void {
    const from = this.ports.after();
    this.ports.frames(frames);
    this.say({ type: "frames", from, frames });
  }

  private tell(state: StreamState): void {
    this.state = state;
    this.ports.state(state);
    this.say({ type: "state", state, position: this.ports.after() });
  }

  private say(message: Message): void {
    this.channel.postMessage(message);
  }

  private hear(message: Message): void {
    if (message.type === "ask") {
      if (this.leads) this.say({ type: "state", state: this.state, position: this.ports.after() });
      return;
    }
    if (this.leads) return;
    if (message.type === "state") {
      this.ports.state(message.state === "refused" ? "waiting" : message.state);
      if (message.position > this.ports.after()) this.ports.missed();
      return;
    }
    if (message.from > this.ports.after()) this.ports.missed();
    else this.ports.frames(message.frames);
  }
}
