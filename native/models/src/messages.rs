//! The wire of Anthropic messages (`POST /v1/messages`, streamed), as far as a workforce needs it.
//! Source: Anthropic's API reference. Of its versions the older is sent: servers of others know no later one, and nothing differs in what is used.

use std::borrow::Cow;

use openwrap_contracts::model::{MessageRole, ModelRequest, Part, ToolOffer};
use serde::Serialize;
use serde_json::Value;

use crate::call_names::{CallNames, object_of};

/// Header `anthropic-version`.
pub const VERSION: &str = "2023-06-01";

/// Request body; borrows what is large from the provider-neutral request.
#[derive(Serialize)]
pub struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<WireMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    stream: bool,
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
struct Block<'a> {
    #[serde(flatten)]
    content: Content<'a>,
    /// What stands up to here is read again in the next step of the same worker, from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: ImageSource<'a>,
    },
    ToolUse {
        id: String,
        name: Cow<'a, str>,
        input: Cow<'a, Value>,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(skip_serializing_if = "str::is_empty")]
        content: &'a str,
        #[serde(skip_serializing_if = "is_false")]
        is_error: bool,
    },
}

#[derive(Serialize)]
struct ImageSource<'a> {
    r#type: &'static str,
    media_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
struct CacheControl {
    r#type: &'static str,
}

#[derive(Serialize)]
struct WireTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: &'a Value,
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

/// Request body for a provider-neutral request.
pub fn body<'a>(request: &'a ModelRequest, model: &'a str) -> Body<'a> {
    let names = CallNames::of(request);
    let mut messages: Vec<WireMessage> = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        let role = role_of(message.role);
        let content = message.parts.iter().filter_map(|part| block(part, &names));
        match messages.last_mut() {
            // Results and what a person says next are one turn of the same side.
            Some(last) if last.role == role => last.content.extend(content),
            _ => messages.push(WireMessage {
                role,
                content: content.collect(),
            }),
        }
    }
    // A turn without a word is refused.
    messages.retain(|message| !message.content.is_empty());
    for message in &mut messages {
        results_first(message);
    }
    let mut system: Vec<Block> = text(&request.system).into_iter().map(plain).collect();
    if !request.tools.is_empty() {
        // Only where there will be another step: writing a cache is dearer than reading the text once.
        let last = messages.last_mut().and_then(|message| message.content.last_mut());
        for block in system.last_mut().into_iter().chain(last) {
            block.cache_control = Some(CacheControl { r#type: "ephemeral" });
        }
    }
    Body {
        model,
        max_tokens: request.max_output_tokens,
        system,
        messages,
        tools: request.tools.iter().map(tool).collect(),
        stream: true,
    }
}

fn role_of(role: MessageRole) -> &'static str {
    match role {
        MessageRole::Assistant => "assistant",
        MessageRole::User | MessageRole::Tool => "user",
    }
}

fn plain(content: Content<'_>) -> Block<'_> {
    Block {
        content,
        cache_control: None,
    }
}

fn block<'a>(part: &'a Part, names: &CallNames<'a>) -> Option<Block<'a>> {
    let content = match part {
        Part::Text { text: words, .. } => text(words)?,
        Part::Image { media_type, data, .. } => Content::Image {
            source: ImageSource {
                r#type: "base64",
                media_type,
                data,
            },
        },
        Part::ToolCall(call) => Content::ToolUse {
            id: names.id(&call.call_id),
            name: names.tool(call),
            input: object_of(&call.arguments),
        },
        Part::ToolResult {
            call_id,
            text,
            is_error,
            ..
        } => Content::ToolResult {
            tool_use_id: names.id(call_id),
            content: text,
            is_error: *is_error,
        },
    };
    Some(plain(content))
}

/// Text that is only white space is refused.
fn text(words: &str) -> Option<Content<'_>> {
    (!words.trim().is_empty()).then_some(Content::Text {
        text: Cow::Borrowed(words),
    })
}

/// Results stand before words in the turn that answers calls; calls after the words of theirs.
fn results_first(message: &mut WireMessage<'_>) {
    message.content.sort_by_key(|block| match block.content {
        Content::ToolResult { .. } => 0,
        Content::Text { .. } | Content::Image { .. } => 1,
        Content::ToolUse { .. } => 2,
    });
}

fn tool(offer: &ToolOffer) -> WireTool<'_> {
    WireTool {
        name: &offer.wire_name,
        description: &offer.description,
        input_schema: &offer.input_schema,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use openwrap_contracts::identity::{Origin, Source};
    use openwrap_contracts::model::{Message, ToolCallPart};
    use serde_json::json;

    fn origin() -> Origin {
        Origin {
            source: Source::Core,
            name: "test".to_owned(),
        }
    }

    fn words(text: &str) -> Part {
        Part::Text {
            text: text.to_owned(),
            origin: origin(),
            labels: Vec::new(),
        }
    }

    fn call(id: &str, arguments: Value) -> Part {
        Part::ToolCall(ToolCallPart {
            call_id: id.to_owned(),
            tool: "file.read".to_owned(),
            arguments,
        })
    }

    fn result(id: &str, text: &str, is_error: bool) -> Part {
        Part::ToolResult {
            call_id: id.to_owned(),
            text: text.to_owned(),
            is_error,
            origin: origin(),
            labels: Vec::new(),
        }
    }

    fn request(messages: Vec<(MessageRole, Vec<Part>)>, tools: bool) -> ModelRequest {
        let offer = ToolOffer {
            name: "file.read".to_owned(),
            wire_name: "file_read".to_owned(),
            description: "d".to_owned(),
            input_schema: json!({ "type": "object" }),
        };
        ModelRequest {
            route: "p/m".to_owned(),
            system: "Role: developer".to_owned(),
            messages: messages
                .into_iter()
                .map(|(role, parts)| Message { role, parts })
                .collect(),
            tools: tools.then_some(offer).into_iter().collect(),
            max_output_tokens: 9,
        }
    }

    #[test]
    fn a_conversation_is_what_a_strict_provider_takes() {
        let request = request(
            vec![
                (MessageRole::User, vec![words("a"), words(" "), words("b")]),
                (
                    MessageRole::Assistant,
                    vec![
                        words(""),
                        call("t.1.1.0", json!({ "path": "x" })),
                        call("t.1.1.1", json!("{broken")),
                    ],
                ),
                (
                    MessageRole::Tool,
                    vec![result("t.1.1.0", "r", false), result("t.1.1.1", "", true)],
                ),
                (MessageRole::User, vec![words("hurry")]),
            ],
            true,
        );
        let sent = serde_json::to_value(body(&request, "m")).unwrap();
        let cached = json!({ "type": "ephemeral" });
        assert_eq!(
            sent,
            json!({
                "model": "m", "stream": true, "max_tokens": 9,
                "system": [{ "type": "text", "text": "Role: developer", "cache_control": cached }],
                "messages": [
                    { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
                    { "role": "assistant", "content": [
                        { "type": "tool_use", "id": "call00000", "name": "file_read", "input": { "path": "x" } },
                        { "type": "tool_use", "id": "call00001", "name": "file_read", "input": { "unreadable": "{broken" } },
                    ] },
                    { "role": "user", "content": [
                        { "type": "tool_result", "tool_use_id": "call00000", "content": "r" },
                        { "type": "tool_result", "tool_use_id": "call00001", "is_error": true },
                        { "type": "text", "text": "hurry", "cache_control": cached },
                    ] },
                ],
                "tools": [{ "name": "file_read", "description": "d", "input_schema": { "type": "object" } }],
            })
        );
    }

    #[test]
    fn a_picture_is_a_block_beside_the_words_and_one_question_fills_no_cache() {
        let picture = Part::Image {
            media_type: "image/png".to_owned(),
            data: "iVBO".to_owned(),
            origin: origin(),
            labels: Vec::new(),
        };
        let request = request(vec![(MessageRole::User, vec![words("What is it?"), picture])], false);
        let sent = serde_json::to_value(body(&request, "m")).unwrap();
        assert_eq!(
            sent["messages"],
            json!([{ "role": "user", "content": [
                { "type": "text", "text": "What is it?" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBO" } },
            ] }])
        );
        assert_eq!(sent["system"], json!([{ "type": "text", "text": "Role: developer" }]));
        assert_eq!(sent.get("tools"), None);
    }
}
