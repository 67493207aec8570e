// Facts about what people see and do beside the tasks: messages, live surfaces, pages served, files added.

import type { EventOf } from "@openwrap/contracts";
import { fileSize } from "../words/format.ts";
import { type LiveSession, log, type RunState } from "./run-state.ts";

export type LiveEvent = EventOf<
  | "session_opened"
  | "session_closed"
  | "control_taken"
  | "control_handed_back"
  | "preview_opened"
  | "message_sent"
  | "message_seen"
  | "file_uploaded"
>;

export function applyLive(state: RunState, sequence: number, event: LiveEvent): RunState {
  switch (event.type) {
    case "message_sent":
      return sent(state, sequence, event);
    case "message_seen":
      return seen(state, event);
    case "preview_opened": {
      const preview = { url: event.url, path: event.path, taskId: event.taskId ?? "", at: event.at };
      const previews = [...state.previews.filter((one) => one.url !== event.url), preview];
      const entry = { kind: "note" as const, title: "A page is served.", detail: event.path, url: event.url };
      return log({ ...state, previews }, sequence, event, entry);
    }
    case "file_uploaded": {
      const detail = `${event.path}, ${fileSize(event.size)}`;
      return log(state, sequence, event, { kind: "you", title: "You added a file.", detail });
    }
    default:
      return surface(state, sequence, event);
  }
}

function sent(state: RunState, sequence: number, event: EventOf<"message_sent">): RunState {
  const { messageId, text, interrupt, at: sentAt } = event;
  const message = { messageId, text, interrupt, sentAt, seenBy: [], ...(event.taskId ? { taskId: event.taskId } : {}) };
  const entry = { kind: "you" as const, title: "", detail: "", says: text, messageId };
  return log({ ...state, messages: [...state.messages, message] }, sequence, event, entry);
}

function seen(state: RunState, event: EventOf<"message_seen">): RunState {
  const by = event.taskId ?? "";
  const messages = state.messages.map((one) =>
    one.messageId === event.messageId && !one.seenBy.includes(by) ? { ...one, seenBy: [...one.seenBy, by] } : one,
  );
  return { ...state, messages };
}

type SurfaceEvent = EventOf<"session_opened" | "session_closed" | "control_taken" | "control_handed_back">;

const KINDS = { terminal: "terminal", browser: "browser", file: "file" } as const;

function surface(state: RunState, sequence: number, event: SurfaceEvent): RunState {
  const { sessionId, at } = event;
  if (event.type === "session_opened") {
    const { kind, title } = event;
    const session: LiveSession = { sessionId, kind, title, taskId: event.taskId ?? "", openedAt: at };
    return { ...state, sessions: { ...state.sessions, [sessionId]: session } };
  }
  const known = state.sessions[sessionId];
  if (!known) return state;
  const put = (session: LiveSession): RunState => ({ ...state, sessions: { ...state.sessions, [sessionId]: session } });
  switch (event.type) {
    case "session_closed":
      return put(closedAt(known, at, event.reason));
    case "control_taken": {
      const next = put({ ...known, taken: { at, deviceId: event.actor.id, fence: event.fence } });
      const entry = { kind: "you" as const, title: `You took control of a ${KINDS[known.kind]}.`, detail: known.title };
      return log(next, sequence, event, entry);
    }
    case "control_handed_back": {
      const { taken: _taken, ...rest } = known;
      const entry = { kind: "you" as const, title: `You handed back a ${KINDS[known.kind]}.`, detail: known.title };
      return log(put(rest), sequence, event, event.note ? { ...entry, says: event.note } : entry);
    }
  }
}

/** A session that is over; one that was over already stays as it was. */
export function closedAt(session: LiveSession, at: number, reason: string): LiveSession {
  if (session.closed) return session;
  const { taken: _taken, ...rest } = session;
  return { ...rest, closed: { at, reason } };
}
