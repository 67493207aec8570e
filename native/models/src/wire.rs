//! The wire of OpenAI chat completions (`POST /chat/completions`, streamed), as far as a workforce needs it.

use std::borrow::Cow;

use openwrap_contracts::model::{Message, MessageRole, ModelRequest, Part, ProviderKind, ToolCallPart, ToolOffer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Request body; borrows everything from the provider-neutral request.
#[derive(Serialize)]
pub struct Body<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    /// What OpenAI reads; newer models refuse the older name.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    /// What servers of the person's own read.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// Text where there is nothing else: parts are refused by some servers.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<WirePart<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WirePart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
struct WireCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: WireFunction<'a>,
}

#[derive(Serialize)]
struct WireFunction<'a> {
    name: Cow<'a, str>,
    arguments: String,
}

#[derive(Serialize)]
struct WireTool<'a> {
    r#type: &'static str,
    function: WireOffer<'a>,
}

#[derive(Serialize)]
struct WireOffer<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

/// Request body for a provider-neutral request.
pub fn body<'a>(request: &'a ModelRequest, model: &'a str, kind: ProviderKind) -> Body<'a> {
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    messages.push(said("system", Some(Cow::Borrowed(request.system.as_str()))));
    for message in &request.messages {
        push_message(&mut messages, message, &request.tools);
    }
    let own_server = kind == ProviderKind::Local;
    Body {
        model,
        messages,
        tools: request.tools.iter().map(tool).collect(),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        max_completion_tokens: (!own_server).then_some(request.max_output_tokens),
        max_tokens: own_server.then_some(request.max_output_tokens),
    }
}

fn said<'a>(role: &'static str, content: Option<Cow<'a, str>>) -> WireMessage<'a> {
    WireMessage {
        role,
        content: content.map(Content::Text),
        tool_calls: Vec::new(),
        tool_call_id: None,
    }
}

fn tool(offer: &ToolOffer) -> WireTool<'_> {
    WireTool {
        r#type: "function",
        function: WireOffer {
            name: &offer.wire_name,
            description: &offer.description,
            parameters: &offer.input_schema,
        },
    }
}

fn push_message<'a>(messages: &mut Vec<WireMessage<'a>>, message: &'a Message, tools: &'a [ToolOffer]) {
    match message.role {
        MessageRole::User => messages.push(user(message)),
        MessageRole::Assistant => messages.push(assistant(message, tools)),
        MessageRole::Tool => {
            for part in &message.parts {
                if let Part::ToolResult { call_id, text, .. } = part {
                    messages.push(WireMessage {
                        tool_call_id: Some(call_id),
                        ..said("tool", Some(Cow::Borrowed(text.as_str())))
                    });
                }
            }
        }
    }
}

fn user(message: &Message) -> WireMessage<'_> {
    if !message.parts.iter().any(|part| matches!(part, Part::Image { .. })) {
        return said("user", Some(text_of(message)));
    }
    WireMessage {
        content: Some(Content::Parts(message.parts.iter().filter_map(wire_part).collect())),
        ..said("user", None)
    }
}

fn wire_part(part: &Part) -> Option<WirePart<'_>> {
    match part {
        Part::Text { text, .. } => Some(WirePart::Text { text }),
        Part::Image { media_type, data, .. } => Some(WirePart::ImageUrl {
            image_url: ImageUrl {
                url: format!("data:{media_type};base64,{data}"),
            },
        }),
        Part::ToolCall(_) | Part::ToolResult { .. } => None,
    }
}

fn assistant<'a>(message: &'a Message, tools: &'a [ToolOffer]) -> WireMessage<'a> {
    let call = |part: &'a Part| match part {
        Part::ToolCall(call) => Some(wire_call(call, tools)),
        Part::Text { .. } | Part::Image { .. } | Part::ToolResult { .. } => None,
    };
    let tool_calls: Vec<WireCall> = message.parts.iter().filter_map(call).collect();
    let text = text_of(message);
    // A call without words has null content: an empty string is refused by some servers.
    let content = (tool_calls.is_empty() || !text.is_empty()).then_some(text);
    WireMessage {
        tool_calls,
        ..said("assistant", content)
    }
}

fn wire_call<'a>(call: &'a ToolCallPart, tools: &'a [ToolOffer]) -> WireCall<'a> {
    let offered = tools.iter().find(|offer| offer.name == call.tool);
    let name = offered.map_or_else(
        || Cow::Owned(openwrap_contracts::model::wire_name(&call.tool)),
        |offer| Cow::Borrowed(offer.wire_name.as_str()),
    );
    let arguments = match &call.arguments {
        // Text that is no JSON goes back inside an object: strict servers refuse the whole conversation otherwise.
        Value::String(text) => json!({ "unreadable": text }).to_string(),
        value => value.to_string(),
    };
    WireCall {
        id: &call.call_id,
        r#type: "function",
        function: WireFunction { name, arguments },
    }
}

fn text_of(message: &Message) -> Cow<'_, str> {
    let mut texts = message.parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        Part::Image { .. } | Part::ToolCall(_) | Part::ToolResult { .. } => None,
    });
    let first = texts.next().unwrap_or_default();
    texts.fold(Cow::Borrowed(first), |all, more| all + more)
}

/// One streamed chunk, or a whole answer of a server that does not stream.
#[derive(Debug, Deserialize)]
pub struct Chunk {
    #[serde(default)]
    pub choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub usage: Option<WireUsage>,
    /// Some servers report a failure inside the stream.
    #[serde(default)]
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub struct Choice {
    #[serde(default, alias = "message")]
    pub delta: Option<Delta>,
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
    pub arguments: Option<Arguments>,
}

/// A piece of JSON text; some servers send the object itself.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Arguments {
    Text(String),
    Parsed(serde_json::Map<String, Value>),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct WireUsage {
    #[serde(default)]
    pub prompt_tokens: Option<u32>,
    #[serde(default)]
    pub completion_tokens: Option<u32>,
}

/// What the body of a refused request says: its message where it has one, else the text itself.
pub fn error_message(body: &[u8]) -> String {
    let known = serde_json::from_slice(body).ok();
    known
        .and_then(|value: Value| message_of(&value).map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}

/// `{"error":{"message"}}`, `{"error":"…"}`, `{"message"}` or the text itself.
pub fn message_of(value: &Value) -> Option<&str> {
    let error = value.get("error").unwrap_or(value);
    error.get("message").unwrap_or(error).as_str()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use openwrap_contracts::identity::{Origin, Source};

    fn text(text: &str) -> Part {
        Part::Text {
            text: text.to_owned(),
            origin: Origin {
                source: Source::Core,
                name: "test".to_owned(),
            },
            labels: Vec::new(),
        }
    }

    #[test]
    fn a_conversation_is_what_a_strict_provider_takes() {
        let call = |id: &str, arguments: Value| {
            Part::ToolCall(ToolCallPart {
                call_id: id.to_owned(),
                tool: "file.read".to_owned(),
                arguments,
            })
        };
        let result = |id: &str| Part::ToolResult {
            call_id: id.to_owned(),
            text: "r".to_owned(),
            is_error: false,
            origin: Origin {
                source: Source::Tool,
                name: "file.read".to_owned(),
            },
            labels: Vec::new(),
        };
        let request = ModelRequest {
            route: "p/m".to_owned(),
            system: "Role: developer".to_owned(),
            messages: vec![
                Message {
                    role: MessageRole::User,
                    parts: vec![text("a"), text("b")],
                },
                Message {
                    role: MessageRole::Assistant,
                    parts: vec![
                        call("t.1.1.0", json!({ "path": "x" })),
                        call("t.1.1.1", json!("{broken")),
                    ],
                },
                Message {
                    role: MessageRole::Tool,
                    parts: vec![result("t.1.1.0"), result("t.1.1.1")],
                },
            ],
            tools: vec![ToolOffer {
                name: "file.read".to_owned(),
                wire_name: "file_read".to_owned(),
                description: "d".to_owned(),
                input_schema: json!({ "type": "object" }),
            }],
            max_output_tokens: 9,
        };
        let sent = serde_json::to_value(body(&request, "m", ProviderKind::Openai)).unwrap();
        assert_eq!(
            sent,
            json!({
                "model": "m", "stream": true, "stream_options": { "include_usage": true }, "max_completion_tokens": 9,
                "messages": [
                    { "role": "system", "content": "Role: developer" },
                    { "role": "user", "content": "ab" },
                    { "role": "assistant", "content": null, "tool_calls": [
                        { "id": "t.1.1.0", "type": "function", "function": { "name": "file_read", "arguments": "{\"path\":\"x\"}" } },
                        { "id": "t.1.1.1", "type": "function", "function": { "name": "file_read", "arguments": "{\"unreadable\":\"{broken\"}" } },
                    ] },
                    { "role": "tool", "tool_call_id": "t.1.1.0", "content": "r" },
                    { "role": "tool", "tool_call_id": "t.1.1.1", "content": "r" },
                ],
                "tools": [{ "type": "function", "function": { "name": "file_read", "description": "d", "parameters": { "type": "object" } } }],
            })
        );
        let local = serde_json::to_value(body(&request, "m", ProviderKind::Local)).unwrap();
        assert_eq!(local["max_tokens"], 9);
        assert_eq!(local.get("max_completion_tokens"), None);
    }

    #[test]
    fn a_picture_travels_as_a_data_address_beside_the_words() {
        let picture = Part::Image {
            media_type: "image/png".to_owned(),
            data: "iVBO".to_owned(),
            origin: Origin {
                source: Source::Tool,
                name: "media.analyzeImage".to_owned(),
            },
            labels: Vec::new(),
        };
        let request = ModelRequest {
            route: "p/m".to_owned(),
            system: "s".to_owned(),
            messages: vec![Message {
                role: MessageRole::User,
                parts: vec![text("What is it?"), picture],
            }],
            tools: Vec::new(),
            max_output_tokens: 9,
        };
        let sent = serde_json::to_value(body(&request, "m", ProviderKind::Openai)).unwrap();
        assert_eq!(
            sent["messages"][1],
            json!({ "role": "user", "content": [
                { "type": "text", "text": "What is it?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBO" } },
            ] })
        );
    }

    #[test]
    fn error_bodies_of_any_shape_give_their_message() {
        for (body, message) in [
            ("{\"error\":{\"message\":\"m\",\"code\":1}}", "m"),
            ("{\"error\":\"m\"}", "m"),
            ("{\"message\":\"m\"}", "m"),
            (" plain ", "plain"),
            ("{\"detail\":1}", "{\"detail\":1}"),
        ] {
            assert_eq!(error_message(body.as_bytes()), message);
        }
    }
}
