// What is read on demand and not folded: when it may have changed, its readers are told.

import type { Event } from "@openwrap/contracts";
import { type Accessor, createSignal } from "solid-js";

export type Pulse = "tools" | "files" | "sessions";

const OF: Partial<Record<Event["type"], Pulse>> = {
  mcp_server_added: "tools",
  mcp_server_removed: "tools",
  mcp_server_approved: "tools",
  mcp_server_changed: "tools",
  tool_finished: "files",
  task_completed: "files",
  task_retired: "files",
  task_reopened: "files",
  task_squashed: "files",
  undo_finished: "files",
  file_uploaded: "files",
  session_opened: "sessions",
  session_closed: "sessions",
  control_taken: "sessions",
  control_handed_back: "sessions",
};

/** Several beats within this time are one. */
const GATHER_MS = 300;

export interface Pulses {
  /** Grows with each beat. */
  at: Record<Pulse, Accessor<number>>;
  hear: (type: Event["type"]) => void;
  all: () => void;
}

export function createPulses(): Pulses {
  const make = () => {
    const [count, setCount] = createSignal(0);
    let waits = false;
    const beat = (): void => {
      if (waits) return;
      waits = true;
      setTimeout(() => {
        waits = false;
        setCount((before) => before + 1);
      }, GATHER_MS);
    };
    return { count, beat };
  };
  const made = { tools: make(), files: make(), sessions: make() };
  return {
    at: { tools: made.tools.count, files: made.files.count, sessions: made.sessions.count },
    hear: (type) => {
      const pulse = OF[type];
      if (pulse) made[pulse].beat();
    },
    all: () => {
      for (const one of Object.values(made)) one.beat();
    },
  };
}
