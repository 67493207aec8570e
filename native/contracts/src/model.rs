//! Provider-neutral model requests and answers. `requestHash` is over [`ModelRequest`], never over a wire.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::ErrorCode;
use crate::identity::{Label, Origin, StepRef};
use crate::ports::Meter;
use crate::spend::ModelPrice;

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

/// Tokens of one call, as the provider counts them: what its price is worked out from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// All that were read, those of a cache too.
    pub input_tokens: u32,
    /// All that were written, those of thinking too.
    pub output_tokens: u32,
    /// Of the input: read from the provider's cache, which is cheaper.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_read_tokens: u32,
    /// Of the input: written into the provider's cache, which may be dearer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u32,
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// One model call as the fabric sees it.
#[derive(Debug, Clone)]
pub struct ModelCall {
    pub run_id: String,
    pub step: StepRef,
    /// Shared with the conversation, which goes on with it.
    pub request: Arc<ModelRequest>,
    /// Told what each try may cost.
    pub meter: Option<Arc<dyn Meter>>,
}

/// A recording to be written down.
#[derive(Debug, Clone)]
pub struct TranscriptionCall {
    pub run_id: String,
    /// `provider/model`.
    pub route: String,
    /// Name of the file, with the ending that tells its form.
    pub file_name: String,
    pub media_type: String,
    /// At most `AUDIO_BYTES_MAX`.
    pub bytes: bytes::Bytes,
    /// Names and words to expect; never an instruction.
    pub prompt: Option<String>,
    pub meter: Option<Arc<dyn Meter>>,
}

/// What was said in a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptionReply {
    pub text: String,
    /// Zero where the provider counts time, or nothing.
    pub usage: Usage,
    /// Seconds of sound, rounded up, where the provider counts time.
    pub seconds: Option<u64>,
    pub latency_ms: u32,
    pub tries: u32,
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
    /// `http(s)://host[:port][/path]`, with `/v1` or without: where no path is given, `/v1` is taken.
    pub base_url: String,
    /// Name of a secret in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_ref: Option<String>,
    pub model_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model_id: Option<String>,
    /// What its models cost, where a person says so; else list prices count as far as they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<ModelPrice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// OpenAI chat completions.
    Openai,
    /// Anthropic messages.
    Anthropic,
    /// A server of the person's own that speaks OpenAI chat completions.
    Local,
    /// The scripted model that ships with the product.
    Rehearsal,
}

/// A model server that was found on this machine. What it says of itself is not to be trusted further than any other text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalModelServer {
    /// Fit to be a provider's id, such as `ollama`; from the port it was found at.
    pub provider_id: String,
    /// Product that usually serves there, for people.
    pub name: String,
    pub kind: ProviderKind,
    /// `http://127.0.0.1:PORT/v1`.
    pub base_url: String,
    /// In the server's order; empty where it asks for a key first.
    pub model_ids: Vec<String>,
    /// It answers nobody without a key.
    pub needs_key: bool,
}

/// A provider that was tried and answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderTest {
    /// The model that was asked.
    pub model_id: String,
    /// From the question to the whole answer.
    pub latency_ms: u32,
    /// Every model it lists, in its order; empty where it lists none.
    pub model_ids: Vec<String>,
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
