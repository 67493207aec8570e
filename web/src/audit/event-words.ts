// Events for people: groups one can look for, and one line for each.

import type { Event } from "@openwrap/contracts";
import { counted } from "../words/format.ts";

export type Group = "run" | "task" | "model" | "tool" | "question" | "session" | "connection" | "door" | "setting";

export const GROUPS: readonly (readonly [Group, string])[] = [
  ["run", "Runs and plans"],
  ["task", "Tasks"],
  ["model", "Model calls"],
  ["tool", "Tool calls"],
  ["question", "Questions and grants"],
  ["session", "Sessions and messages"],
  ["connection", "Connections"],
  ["door", "Sign-in and devices"],
  ["setting", "Settings and the core"],
];

/** Where each type of event is looked for. */
const GROUP_OF: Record<Event["type"], Group> = {
  core_started: "setting",
  core_stopped: "setting",
  sandbox_probed: "setting",
  project_opened: "setting",
  provider_added: "setting",
  provider_removed: "setting",
  secret_stored: "setting",
  secret_removed: "setting",
  route_set: "setting",
  route_removed: "setting",
  budget_default_set: "setting",
  record_kept: "setting",
  launch_link_issued: "door",
  signed_in: "door",
  device_paired: "door",
  device_role_changed: "door",
  device_revoked: "door",
  run_created: "run",
  plan_proposed: "run",
  plan_accepted: "run",
  plan_rejected: "run",
  plan_refused: "run",
  grant_issued: "question",
  grant_revoked: "question",
  approval_requested: "question",
  approval_resolved: "question",
  approval_withdrawn: "question",
  run_paused: "run",
  run_resumed: "run",
  slots_changed: "run",
  budget_set: "run",
  run_stopping: "run",
  run_finished: "run",
  task_started: "task",
  task_waiting: "task",
  task_ready: "task",
  task_completed: "task",
  task_failed: "task",
  task_needs_head: "task",
  commit_requested: "task",
  task_retired: "task",
  task_reopened: "task",
  task_canceled: "task",
  task_squashed: "task",
  replan_requested: "run",
  model_requested: "model",
  model_finished: "model",
  model_fell_back: "model",
  tool_requested: "tool",
  tool_finished: "tool",
  tool_refused: "tool",
  undo_requested: "run",
  undo_finished: "run",
  session_opened: "session",
  session_closed: "session",
  control_taken: "session",
  control_handed_back: "session",
  preview_opened: "session",
  message_sent: "session",
  message_seen: "session",
  file_upload_requested: "session",
  file_uploaded: "session",
  playbook_draft_requested: "setting",
  mcp_server_added: "setting",
  mcp_server_removed: "setting",
  mcp_server_approved: "setting",
  mcp_server_changed: "setting",
  connected: "connection",
  connection_refused: "connection",
};

export function typesOf(group: Group | ""): string[] {
  return group === "" ? [] : Object.entries(GROUP_OF).flatMap(([type, of]) => (of === group ? [type] : []));
}

const FACTS: readonly Group[] = ["tool", "connection", "door", "setting"];

/** Whether what it is about is a machine's word: a command, path, host or id. */
export function isFact(type: Event["type"]): boolean {
  return FACTS.includes(GROUP_OF[type]);
}

/** "Tool requested" from `tool_requested`. */
export function typeWords(type: string): string {
  const words = type.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What the event is about, in one line of facts; empty where its type says it all. */
export function aboutOf(event: Event): string {
  switch (event.type) {
    case "run_created":
      return event.goal;
    case "run_finished":
      return event.error ? `${event.status}: ${event.error.message}` : event.status;
    case "plan_proposed":
      return `version ${event.version}, ${counted(event.plan.tasks.length, "task")}`;
    case "plan_refused":
    case "task_failed":
      return event.message;
    case "task_started":
      return `${event.role}, ${event.workerId}`;
    case "task_completed":
    case "model_finished":
      return event.preview;
    case "task_retired":
      return event.files.map((file) => file.path).join(", ");
    case "model_requested":
      return event.route;
    case "model_fell_back":
      return `${event.from} to ${event.to}: ${event.error.message}`;
    case "tool_requested":
      return `${event.tool} ${event.summary}`;
    case "tool_finished":
      return `${event.tool}${event.isError ? ", error" : ""} ${event.preview}`;
    case "tool_refused":
      return `${event.tool} ${event.summary}: ${event.code}`;
    case "approval_requested":
      return event.question.sentence.replaceAll("`", "");
    case "approval_resolved":
      return event.decision.allow
        ? `yes, ${event.decision.scope}`
        : `no${event.decision.reason ? `: ${event.decision.reason}` : ""}`;
    case "grant_issued":
      return `${event.grant.capability} to ${event.grant.holder.kind}`;
    case "message_sent":
      return event.text;
    case "session_opened":
      return `${event.kind}: ${event.title}`;
    case "session_closed":
    case "run_stopping":
    case "task_canceled":
    case "replan_requested":
      return event.reason;
    case "connected":
      return `${event.host}:${event.port}, ${event.purpose}`;
    case "connection_refused":
      return `${event.host}:${event.port}, ${event.reason}`;
    default:
      return aboutOthers(event);
  }
}

function aboutOthers(event: Event): string {
  switch (event.type) {
    case "signed_in":
      return `${event.deviceId}, ${event.role}`;
    case "device_paired":
      return `${event.name}, ${event.role}`;
    case "project_opened":
      return event.path;
    case "provider_added":
      return `${event.provider.providerId}, ${event.provider.baseUrl}`;
    case "provider_removed":
      return event.providerId;
    case "secret_stored":
    case "secret_removed":
      return event.name;
    case "file_uploaded":
    case "preview_opened":
      return event.path;
    case "undo_finished":
      return `${event.reverted.length} put back, ${event.conflicts.length} left alone`;
    case "core_started":
      return event.version;
    default:
      return "";
  }
}
