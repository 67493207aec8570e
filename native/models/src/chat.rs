//! The wire of OpenAI chat completions (`POST /chat/completions`, streamed), as far as a workforce needs it.

use std::borrow::Cow;

use openwrap_contracts::model::{Message, MessageRole, ModelRequest, Part, ProviderKind, ToolCallPart, ToolOffer};
use openwrap_contracts::{ErrorCode, Fault};
use serde::Serialize;
use serde_json::Value;

use crate::call_names::{CallNames, object_of};

/// What servers of this wire differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// OpenAI reads `max_completion_tokens`, its newer models nothing else; others read `max_tokens`.
    completion_limit: bool,
    /// Whether it may be asked to count tokens.
    counts: bool,
}

impl Manners {
    /// What is tried first.
    pub fn of(kind: ProviderKind) -> Self {
        Self {
            completion_limit: kind == ProviderKind::Openai,
            counts: true,
        }
    }

    /// Others, where a refusal names what the server does not know.
    pub fn after(self, fault: &Fault) -> Option<Self> {
        let refusal = (fault.code == ErrorCode::ModelRejected).then_some(fault.message.as_str())?;
        if refusal.contains("stream_options") {
            return self.counts.then_some(Self { counts: false, ..self });
        }
        let wrong = if self.completion_limit {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        refusal.contains(wrong).then_some(Self {
            completion_limit: !self.completion_limit,
            ..self
        })
    }
}

/// Request body; borrows everything from the provider-neutral request.
#[derive(Serialize)]
pub struct Body<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
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
    tool_call_id: Option<String>,
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
    id: String,
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
pub fn body<'a>(request: &'a ModelRequest, model: &'a str, manners: Manners) -> Body<'a> {
    let names = CallNames::of(request);
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    messages.push(said("system", Some(Cow::Borrowed(request.system.as_str()))));
    for message in &request.messages {
        push_message(&mut messages, message, &names);
    }
    Body {
        model,
        messages,
        tools: request.tools.iter().map(tool).collect(),
        stream: true,
        stream_options: manners.counts.then_some(StreamOptions { include_usage: true }),
        max_completion_tokens: manners.completion_limit.then_some(request.max_output_tokens),
        max_tokens: (!manners.completion_limit).then_some(request.max_output_tokens),
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

fn push_message<'a>(messages: &mut Vec<WireMessage<'a>>, message: &'a Message, names: &CallNames<'a>) {
    match message.role {
        MessageRole::User => messages.push(user(message)),
        MessageRole::Assistant => messages.push(assistant(message, names)),
        MessageRole::Tool => {
            for part in &message.parts {
                if let Part::ToolResult { call_id, text, .. } = part {
                    messages.push(WireMessage {
                        tool_call_id: Some(names.id(call_id)),
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

fn assistant<'a>(message: &'a Message, names: &CallNames<'a>) -> WireMessage<'a> {
    let call = |part: &'a Part| match part {
        Part::ToolCall(call) => Some(wire_call(call, names)),
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

fn wire_call<'a>(call: &'a ToolCallPart, names: &CallNames<'a>) -> WireCall<'a> {
    WireCall {
        id: names.id(&call.call_id),
        r#type: "function",
        function: WireFunction {
            name: names.tool(call),
            arguments: object_of(&call.arguments).to_string(),
        },
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use openwrap_contracts::identity::{Origin, Source};
    use serde_json::json;

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
        let sent = serde_json::to_value(body(&request, "m", Manners::of(ProviderKind::Openai))).unwrap();
        assert_eq!(
            sent,
            json!({
                "model": "m", "stream": true, "stream_options": { "include_usage": true }, "max_completion_tokens": 9,
                "messages": [
                    { "role": "system", "content": "Role: developer" },
                    { "role": "user", "content": "ab" },
                    { "role": "assistant", "content": null, "tool_calls": [
                        { "id": "call00000", "type": "function", "function": { "name": "file_read", "arguments": "{\"path\":\"x\"}" } },
                        { "id": "call00001", "type": "function", "function": { "name": "file_read", "arguments": "{\"unreadable\":\"{broken\"}" } },
                    ] },
                    { "role": "tool", "tool_call_id": "call00000", "content": "r" },
                    { "role": "tool", "tool_call_id": "call00001", "content": "r" },
                ],
                "tools": [{ "type": "function", "function": { "name": "file_read", "description": "d", "parameters": { "type": "object" } } }],
            })
        );
        let local = serde_json::to_value(body(&request, "m", Manners::of(ProviderKind::Local))).unwrap();
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
        let sent = serde_json::to_value(body(&request, "m", Manners::of(ProviderKind::Openai))).unwrap();
        assert_eq!(
            sent["messages"][1],
            json!({ "role": "user", "content": [
                { "type": "text", "text": "What is it?" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBO" } },
            ] })
        );
    }

    #[test]
    fn servers_that_name_what_they_do_not_know_are_asked_otherwise() {
        let after = |manners: Manners, text: &str| manners.after(&Fault::new(ErrorCode::ModelRejected, text));
        let openai = Manners::of(ProviderKind::Openai);
        let local = Manners::of(ProviderKind::Local);
        assert_eq!(after(openai, "extra field: max_completion_tokens"), Some(local));
        let newer = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        assert_eq!(after(local, newer), Some(openai));
        assert_eq!(after(openai, "max_tokens is too large"), None);
        let plain = after(local, "unknown field `stream_options`").unwrap();
        assert!(!plain.counts);
        assert_eq!(after(plain, "unknown field `stream_options`"), None);
        assert_eq!(after(openai, "because"), None);
    }
}
