//! Tools: definitions, calls, results.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::Label;

/// What a tool is and does; enough to offer it to a model and to decide about a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolDefinition {
    /// Global name (`file.read`).
    pub name: String,
    pub description: String,
    /// JSON Schema (2020-12) of the arguments.
    pub input_schema: Value,
    pub repeat: Repeatability,
    pub reach: Reach,
}

/// Whether a replay runs the tool again or takes its recorded result and change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeatability {
    Deterministic,
    Observed,
}

/// How far an act of the tool can go; decides what a crash in the middle means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Stays in the task's view: run again after a crash.
    Confined,
    /// May have left the view: after a crash a person says what happened.
    Outside,
    /// Cannot be undone: runs only at the head.
    Irreversible,
}

/// A file a tool wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Path inside the project.
    pub path: String,
    /// Bytes.
    pub size: u32,
    /// SHA-256 of the bytes.
    pub checksum: String,
}

/// What a tool answered, before the gateway caps and labels it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    /// The result; its canonical JSON is what the model reads and what `resultHash` covers.
    pub content: Value,
    pub is_error: bool,
    pub artifacts: Vec<Artifact>,
    pub labels: Vec<Label>,
    pub writes: Writes,
}

impl ToolOutput {
    /// A result that wrote nothing.
    #[must_use]
    pub fn read_only(content: Value) -> Self {
        Self {
            content,
            is_error: false,
            artifacts: Vec::new(),
            labels: Vec::new(),
            writes: Writes::Paths(Vec::new()),
        }
    }
}

/// What a call changed in the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// An in-process tool names its own writes (project paths).
    Paths(Vec<String>),
    /// A process ran: the view is scanned.
    Scan,
}

/// What the gateway hands back for one call: the finished step.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolStep {
    /// What the model reads, at most `TOOL_RESULT_BYTES_MAX`.
    pub text: String,
    pub is_error: bool,
    pub labels: Vec<Label>,
    /// Blob of the full result.
    pub result_hash: String,
    /// Blob of the step's change set, when it changed anything.
    pub change_set_hash: Option<String>,
}

/// A file about to be sent or shown, as the page's file list has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    pub path: String,
    pub size: u32,
}
