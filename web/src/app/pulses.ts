// What is read on demand and not folded: when it may have changed, its readers are told.

import type { Event } from "@openwrap/contracts";
import { type Accessor, createSignal } from "solid-js";

/** `project`: its files; `views`: those of tasks that work; `library`: what runs delivered; `models`: routes. */
export type Pulse = "tools" | "project" | "views" | "library" | "models" | "devices";

const OF: Partial<Record<Event["type"], Pulse>> = {
  mcp_server_added: "tools",
  mcp_server_removed: "tools",
  mcp_server_approved: "tools",
  mcp_server_changed: "tools",
  tool_finished: "views",
  task_completed: "views",
  task_reopened: "views",
  task_squashed: "views",
  task_retired: "project",
  undo_finished: "project",
  file_uploaded: "project",
  run_finished: "library",
  signed_in: "devices",
  device_paired: "devices",
  device_role_changed: "devices",
  device_revoked: "devices",
  route_set: "models",
  route_removed: "models",
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
  const made = { tools: make(), project: make(), views: make(), library: make(), models: make(), devices: make() };
  return {
    at: {
      tools: made.tools.count,
      project: made.project.count,
      views: made.views.count,
      library: made.library.count,
      models: made.models.count,
      devices: made.devices.count,
    },
    hear: (type) => {
      const pulse = OF[type];
      if (pulse) made[pulse].beat();
      if (type === "undo_finished") made.library.beat();
    },
    all: () => {
      for (const one of Object.values(made)) one.beat();
    },
  };
}
