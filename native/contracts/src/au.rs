//! Wire types of track AU: local-first data and audit. Times are milliseconds since the epoch (`…At`) or durations (`…Ms`);
//! hashes are SHA-256 in lower-case hex.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::run::RunStatus;

/// Records of one kind that a store holds.
pub const PERSISTED_RECORDS_MAX: usize = 1_000_000;

/// How a store is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersistenceConfig {
    /// `FOLDER/ledger.db`: the folder also gets the head file, large blobs and the vault.
    pub db_path: PathBuf,
    /// `file:/absolute/path` of the key that seals secrets; made when it is not there. Without it: `FOLDER/vault.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key_ref: Option<String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskRun {
    pub run_id: String,
    pub goal: String,
    pub status: RunStatus,
    pub started_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// One call of a tool. Arguments and result are there as hashes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolEvent {
    pub event_id: String,
    pub run_id: String,
    pub tool_id: String,
    pub input_hash: String,
    pub output_hash: String,
    pub duration_ms: u32,
    pub created_at: i64,
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelEvent {
    pub event_id: String,
    pub run_id: String,
    pub provider_id: String,
    pub model_id: String,
    pub input_tokens: u32,
    pub output_tokens: u32,
    pub total_tokens: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceEventKind {
    SessionStarted,
    SessionEnded,
    ApprovalRequested,
    ApprovalResolved,
}

/// A session that began or ended, a question that was asked or answered. `sessionId` names the session or the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AuWorkspaceEvent")]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceEvent {
    pub event_id: String,
    pub session_id: String,
    pub kind: WorkspaceEventKind,
    pub payload_hash: String,
    pub created_at: i64,
}

/// A sealed secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRecord {
    pub key: String,
    /// Nonce, ciphertext and tag of XChaCha20-Poly1305, base64url.
    pub encrypted_payload: String,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What to list or export; what is absent filters nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersistenceFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// Started or made at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Started or made before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// Everything a store knows, without contents and secrets. Runs by start and id, the others in the order they were kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportBundle {
    pub task_runs: Vec<TaskRun>,
    pub tool_events: Vec<ToolEvent>,
    pub model_events: Vec<ModelEvent>,
    pub workspace_events: Vec<WorkspaceEvent>,
}

/// What a store was told to keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PersistedRecord {
    TaskRun {
        run: TaskRun,
    },
    TaskRunStatus {
        run_id: String,
        status: RunStatus,
        ended_at: Option<i64>,
    },
    ToolEvent {
        event: ToolEvent,
    },
    ModelEvent {
        event: ModelEvent,
    },
    WorkspaceEvent {
        event: WorkspaceEvent,
    },
    /// What was kept before is no longer listed. The chain goes on.
    Reset {},
}

/// Adds the AU wire types to the generated document.
pub fn register(generator: &mut schemars::SchemaGenerator) {
    generator.subschema_for::<PersistenceConfig>();
    generator.subschema_for::<SecretRecord>();
    generator.subschema_for::<PersistenceFilter>();
    generator.subschema_for::<ExportBundle>();
}
