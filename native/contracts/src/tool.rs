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
    /// Changes nothing: it may start before its request is on disk, and runs again after a crash.
    Reads,
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
    /// All of the result: canonical JSON.
    pub result: bytes::Bytes,
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

/// What a model reads of a result: the text of a JSON string, else the canonical JSON; cut at `TOOL_RESULT_BYTES_MAX`
/// with a note that says how much is missing and under which hash all of it is kept.
#[must_use]
pub fn model_text(result: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(result) {
        Ok(Value::String(text)) => text,
        _ => String::from_utf8_lossy(result).into_owned(),
    };
    if text.len() <= crate::limits::TOOL_RESULT_BYTES_MAX {
        return text;
    }
    let mut end = crate::limits::TOOL_RESULT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let hash = crate::canonical::sha256_hex(result);
    format!(
        "{}\n[cut: {end} of {} bytes shown; all of it is kept as {hash}]",
        &text[..end],
        text.len()
    )
}

/// The first `PREVIEW_BYTES_MAX` bytes of a text, on one line, for an event.
#[must_use]
pub fn preview(text: &str) -> String {
    let mut end = text.len().min(crate::limits::PREVIEW_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace(['\n', '\r', '\t'], " ")
}
