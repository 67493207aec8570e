//! Wire types of track AR: workspace sessions, who drives them, and approvals. Times are milliseconds since the epoch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::session::{SessionKind, SessionStatus};

/// Bytes of one event's payload as canonical JSON; larger content is a blob that the payload names.
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Events a manager keeps; the oldest go first.
pub const SESSION_EVENTS_MAX: usize = 1 << 20;
/// Sessions a manager knows, closed ones too.
pub const MANAGED_SESSIONS_MAX: usize = 10_000;
/// Inputs of an agent that wait in one session.
pub const WAITING_INPUTS_MAX: usize = 256;
/// Approvals a manager knows, decided ones too.
pub const SESSION_APPROVALS_MAX: usize = 10_000;

/// A session to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceSessionInput {
    /// Unique; `session-N` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    pub kind: SessionKind,
    /// The agent that drives it while no person does; none: whoever sends input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_agent_id: Option<String>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceSession {
    pub session_id: String,
    pub kind: SessionKind,
    pub status: SessionStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_agent_id: Option<String>,
    /// Who took control; none: the owner drives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_id: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceEventType {
    Stdout,
    Stderr,
    /// Input that reached the session.
    Prompt,
    Screenshot,
    DomSnapshot,
    FileView,
    LogLine,
    Status,
    ControlHandoff,
}

/// Something that happened in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceEvent {
    /// 1, 2, 3 … over all sessions.
    pub sequence: u64,
    pub session_id: String,
    #[serde(rename = "type")]
    pub event_type: WorkspaceEventType,
    pub timestamp: i64,
    /// Small JSON without secrets; of `screenshot` and `dom_snapshot` a reference, `{ "hash": SHA-256 }`.
    pub payload: Value,
}

/// Sessions in the order of their creation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceSnapshot {
    pub sessions: Vec<WorkspaceSession>,
    /// Sequence of the newest event, 0 before the first.
    pub event_cursor: u64,
}

/// Input for a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceInput {
    /// Agent or person that sends it.
    pub actor_id: String,
    pub data: Value,
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum WorkspaceInputReceipt {
    /// It is the event of this sequence.
    Delivered { sequence: u64 },
    /// It goes in when the person hands back, or the approval is decided; `place` 1 is the next.
    Waiting { place: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    Tool,
    Plan,
    Escalation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    Pending,
    Approved,
    Rejected,
    Expired,
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequest {
    /// Unique.
    pub request_id: String,
    pub kind: ApprovalKind,
    pub payload: Value,
    pub requested_at: i64,
    /// From `requestedAt`; none: it waits for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// The session whose agent asks: its input waits for the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalAnswer {
    pub request_id: String,
    pub approved: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The arguments as the person edited them; what was asked for is then done with these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
}

/// Where an approval stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalDecision {
    pub request_id: String,
    pub status: ApprovalStatus,
    /// True for `approved` only.
    pub approved: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
}

/// Adds the AR wire types to the generated document.
pub fn register(generator: &mut schemars::SchemaGenerator) {
    generator.subschema_for::<WorkspaceSessionInput>();
    generator.subschema_for::<WorkspaceSession>();
    generator.subschema_for::<WorkspaceEvent>();
    generator.subschema_for::<WorkspaceSnapshot>();
    generator.subschema_for::<WorkspaceInput>();
    generator.subschema_for::<WorkspaceInputReceipt>();
    generator.subschema_for::<ApprovalRequest>();
    generator.subschema_for::<ApprovalAnswer>();
    generator.subschema_for::<ApprovalDecision>();
}
