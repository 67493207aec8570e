//! The wire of OpenAI chat completions (`POST /chat/completions`, streamed), as far as a workforce needs it.

use openwrap_contracts::model::{Message, MessageRole, ModelRequest, Part, ToolOffer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Request body for a provider-neutral request.
pub fn body(request: &ModelRequest, model: &str) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": request.system })];
    for message in &request.messages {
        push_message(&mut messages, message, &request.tools);
    }
    let mut body = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_completion_tokens": request.max_output_tokens,
    });
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body["tools"] = Value::Array(tools);
    }
    body
}

fn tool(offer: &ToolOffer) -> Value {
    json!({
        "type": "function",
        "function": { "name": offer.wire_name, "description": offer.description, "parameters": offer.input_schema },
    })
}

fn push_message(messages: &mut Vec<Value>, message: &Message, tools: &[ToolOffer]) {
    match message.role {
        MessageRole::User => messages.push(json!({ "role": "user", "content": text_of(message) })),
        MessageRole::Assistant => messages.push(assistant(message, tools)),
        MessageRole::Tool => {
            for part in &message.parts {
                if let Part::ToolResult { call_id, text, .. } = part {
                    messages.push(json!({ "role": "tool", "tool_call_id": call_id, "content": text }));
                }
            }
        }
    }
}

fn assistant(message: &Message, tools: &[ToolOffer]) -> Value {
    let calls: Vec<Value> = message
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall(call) => {
                let offered = tools.iter().find(|offer| offer.name == call.tool);
                let name = offered.map_or_else(
                    || openwrap_contracts::model::wire_name(&call.tool),
                    |offer| offer.wire_name.clone(),
                );
                let arguments = match &call.arguments {
                    Value::String(text) => text.clone(),
                    value => value.to_string(),
                };
                Some(json!({
                    "id": call.call_id, "type": "function", "function": { "name": name, "arguments": arguments }
                }))
            }
            Part::Text { .. } | Part::ToolResult { .. } => None,
        })
        .collect();
    let text = text_of(message);
    if calls.is_empty() {
        return json!({ "role": "assistant", "content": text });
    }
    // A call without words has null content: an empty string is refused by some servers.
    let content = if text.is_empty() {
        Value::Null
    } else {
        Value::String(text)
    };
    json!({ "role": "assistant", "content": content, "tool_calls": calls })
}

fn text_of(message: &Message) -> String {
    let mut text = String::new();
    for part in &message.parts {
        if let Part::Text { text: more, .. } = part {
            text.push_str(more);
        }
    }
    text
}

/// One streamed chunk.
#[derive(Debug, Deserialize)]
pub struct Chunk {
    #[serde(default)]
    pub choices: Vec<Choice>,
    #[serde(default)]
    pub usage: Option<WireUsage>,
    /// Some servers report a failure inside the stream.
    #[serde(default)]
    pub error: Option<WireError>,
}

#[derive(Debug, Deserialize)]
pub struct Choice {
    #[serde(default)]
    pub delta: Delta,
    #[serde(default)]
    pub finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Delta {
    #[serde(default)]
    pub content: Option<String>,
    #[serde(default)]
    pub refusal: Option<String>,
    #[serde(default)]
    pub tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Deserialize)]
pub struct CallDelta {
    #[serde(default)]
    pub index: Option<u32>,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub function: Option<FunctionDelta>,
}

#[derive(Debug, Deserialize)]
pub struct FunctionDelta {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub arguments: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
pub struct WireUsage {
    #[serde(default)]
    pub prompt_tokens: u32,
    #[serde(default)]
    pub completion_tokens: u32,
}

#[derive(Debug, Deserialize)]
pub struct ErrorBody {
    pub error: WireError,
}

#[derive(Debug, Deserialize)]
pub struct WireError {
    #[serde(default)]
    pub message: String,
}
