//! Provider-neutral model requests and answers. `requestHash` is over [`ModelRequest`], never over a wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::ErrorCode;
use crate::identity::{Label, Origin, StepRef};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRequest {
    /// `provider/model`.
    pub route: String,
    pub system: String,
    pub messages: Vec<Message>,
    /// In registry order; the wire names are part of the recorded request.
    pub tools: Vec<ToolOffer>,
    pub max_output_tokens: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub role: MessageRole,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    User,
    Assistant,
    /// Results of the tool calls of the assistant message before it.
    Tool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Part {
    Text {
        text: String,
        origin: Origin,
        labels: Vec<Label>,
    },
    /// A picture of a user's message: `data` is base64 of PNG or JPEG bytes.
    Image {
        media_type: String,
        data: String,
        origin: Origin,
        labels: Vec<Label>,
    },
    ToolCall(ToolCallPart),
    ToolResult {
        call_id: String,
        text: String,
        is_error: bool,
        origin: Origin,
        labels: Vec<Label>,
    },
}

/// A call a model asks for. `callId` is `taskId.attempt.step.index`, whatever the provider called it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolCallPart {
    pub call_id: String,
    /// Global name, such as `file.read`.
    pub tool: String,
    /// The parsed arguments; a string where the model's text was not JSON.
    pub arguments: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolOffer {
    pub name: String,
    /// The reversible wire name (`[A-Za-z0-9_-]{1,64}`).
    pub wire_name: String,
    pub description: String,
    pub input_schema: Value,
}

/// Wire name of a tool: `[^A-Za-z0-9_-]` becomes `_`; over 64 characters: 55 + `_` + 8 hex of the name's SHA-256.
#[must_use]
pub fn wire_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    if plain.len() <= 64 {
        return plain;
    }
    let digest = crate::canonical::sha256_hex(name.as_bytes());
    format!("{}_{}", &plain[..55], &digest[..8])
}

/// What a model answered; its canonical hash is the `resultHash` of the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelAnswer {
    pub text: String,
    pub tool_calls: Vec<ToolCallPart>,
    pub stop: StopReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    End,
    ToolCalls,
    Length,
    Refused,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub input_tokens: u32,
    pub output_tokens: u32,
}

/// One model call as the fabric sees it.
#[derive(Debug, Clone)]
pub struct ModelCall {
    pub run_id: String,
    pub step: StepRef,
    pub request: ModelRequest,
}

/// What came back of a call that ended well.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReply {
    pub answer: ModelAnswer,
    pub usage: Usage,
    pub latency_ms: u32,
    /// Tries it took, first included.
    pub tries: u32,
}

/// How a provider is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderConfig {
    /// `[a-z0-9][a-z0-9-]{0,31}`.
    pub provider_id: String,
    pub kind: ProviderKind,
    /// `http(s)://host[:port]/path`, to which `/chat/completions` is added.
    pub base_url: String,
    /// Name of a secret in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_ref: Option<String>,
    pub model_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// OpenAI chat completions.
    Openai,
    /// A server of the person's own that speaks OpenAI chat completions.
    Local,
    /// The scripted model that ships with the product.
    Rehearsal,
}

/// Why a model call ended badly, for the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelFailure {
    pub code: ErrorCode,
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_fit_every_provider() {
        assert_eq!(wire_name("file.read"), "file_read");
        assert_eq!(wire_name("server:tool/x"), "server_tool_x");
        let long = "a.".repeat(60);
        let wire = wire_name(&long);
        assert_eq!(wire.len(), 64);
        assert_ne!(wire, wire_name(&format!("{long}b")));
    }
}
