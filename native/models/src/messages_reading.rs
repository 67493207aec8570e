//! Answers on the wire of Anthropic messages: event by event, or whole from a server that does not stream.

use openwrap_contracts::Outcome;
use openwrap_contracts::limits::TOOL_CALLS_PER_ANSWER_MAX;
use openwrap_contracts::model::StopReason;
use serde::Deserialize;
use serde_json::Value;

use crate::assembly::{Assembly, CallPiece, malformed};
use crate::counting::counted;
use crate::refusal;

/// Blocks that are written at once; a provider writes one after the other.
const OPEN_MAX: usize = TOOL_CALLS_PER_ANSWER_MAX;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Begin,
    },
    ContentBlockStart {
        index: u32,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u32,
        delta: Delta,
    },
    ContentBlockStop {
        index: u32,
    },
    MessageDelta {
        delta: End,
        #[serde(default)]
        usage: Option<Value>,
    },
    MessageStop {},
    /// A whole answer.
    Message(Whole),
    Error {
        error: Value,
    },
    /// `ping`, and what later versions add.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Begin {
    #[serde(default)]
    usage: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Whole {
    content: Vec<Block>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        name: String,
        #[serde(default)]
        input: Value,
    },
    /// Thinking, and what only the provider's own tools write.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: String },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct End {
    #[serde(default)]
    stop_reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Call,
    Other,
}

/// A block whose end was not seen.
struct Open {
    index: u32,
    kind: Kind,
}

/// Where in an answer the reading is.
#[derive(Default)]
pub struct Reading {
    begun: bool,
    open: Vec<Open>,
    /// Indexes only grow: none comes twice.
    next_index: u32,
    /// Of the input, what was neither read from a cache nor written into one.
    plain_tokens: u32,
}

impl Reading {
    /// Takes one `data:` payload, or a whole answer, in; returns the text it surely added.
    ///
    /// # Errors
    /// `MODEL_MALFORMED`, `LIMIT_EXCEEDED`, or what the server reported inside the stream.
    pub fn push(&mut self, assembly: &mut Assembly<'_>, data: &str) -> Outcome<String> {
        let event: Event = serde_json::from_str(data).map_err(|error| malformed(&error.to_string()))?;
        let content = matches!(
            event,
            Event::ContentBlockStart { .. } | Event::ContentBlockDelta { .. } | Event::ContentBlockStop { .. }
        );
        if content && (!self.begun || assembly.is_whole()) {
            return Err(malformed("content outside of a message"));
        }
        match event {
            Event::MessageStart { message } => {
                if std::mem::replace(&mut self.begun, true) {
                    return Err(malformed("a message inside of a message"));
                }
                self.count(assembly, message.usage);
            }
            Event::ContentBlockStart { index, content_block } => return self.start(assembly, index, content_block),
            Event::ContentBlockDelta { index, delta } => return self.grow(assembly, index, delta),
            Event::ContentBlockStop { index } => {
                let before = self.open.len();
                self.open.retain(|open| open.index != index);
                if self.open.len() == before {
                    return Err(malformed(&format!("block {index} ends without a begin")));
                }
            }
            Event::MessageDelta { delta, usage } => {
                self.count(assembly, usage);
                if let Some(reason) = delta.stop_reason {
                    if !self.open.is_empty() {
                        return Err(malformed("a block has no end"));
                    }
                    assembly.end(stop_of(&reason)?);
                }
            }
            Event::Message(whole) => return self.whole(assembly, whole),
            Event::Error { error } => return Err(refusal::in_stream(&error)),
            Event::MessageStop {} | Event::Other => {}
        }
        Ok(String::new())
    }

    fn start(&mut self, assembly: &mut Assembly<'_>, index: u32, block: Block) -> Outcome<String> {
        if index < self.next_index || self.open.len() >= OPEN_MAX {
            return Err(malformed(&format!("block {index} begins where none may")));
        }
        self.next_index = index.saturating_add(1);
        let (kind, added) = match block {
            Block::Text { text } => (Kind::Text, assembly.say(text)?),
            Block::ToolUse { name, input } => {
                let arguments = match &input {
                    Value::Object(fields) if fields.is_empty() => None,
                    Value::Null => None,
                    // Some servers give all of it at once.
                    input => Some(input.to_string()),
                };
                assembly.call(CallPiece {
                    index: Some(index),
                    name: Some(name),
                    arguments,
                    ..CallPiece::default()
                })?;
                (Kind::Call, String::new())
            }
            Block::Other => (Kind::Other, String::new()),
        };
        self.open.push(Open { index, kind });
        Ok(added)
    }

    fn grow(&mut self, assembly: &mut Assembly<'_>, index: u32, delta: Delta) -> Outcome<String> {
        let open = self.open.iter().find(|open| open.index == index);
        let Some(Open { kind, .. }) = open else {
            return Err(malformed(&format!("block {index} goes on without a begin")));
        };
        match (delta, kind) {
            (Delta::Text { text }, Kind::Text) => assembly.say(text),
            (Delta::Input { partial_json }, Kind::Call) => {
                assembly.call(CallPiece {
                    index: Some(index),
                    arguments: Some(partial_json),
                    ..CallPiece::default()
                })?;
                Ok(String::new())
            }
            (Delta::Other, _) | (_, Kind::Other) => Ok(String::new()),
            (Delta::Text { .. } | Delta::Input { .. }, Kind::Text | Kind::Call) => {
                Err(malformed(&format!("block {index} goes on as another kind")))
            }
        }
    }

    fn whole(&mut self, assembly: &mut Assembly<'_>, whole: Whole) -> Outcome<String> {
        if std::mem::replace(&mut self.begun, true) {
            return Err(malformed("a message inside of a message"));
        }
        let mut added = String::new();
        for (index, block) in (0..).zip(whole.content) {
            added.push_str(&self.start(assembly, index, block)?);
            self.open.clear();
        }
        self.count(assembly, whole.usage);
        if let Some(reason) = whole.stop_reason {
            assembly.end(stop_of(&reason)?);
        }
        Ok(added)
    }

    /// Running totals: what an event leaves out stays as it was.
    fn count(&mut self, assembly: &mut Assembly<'_>, usage: Option<Value>) {
        let Some(usage) = usage else { return };
        let known = &mut assembly.usage;
        for (name, total) in [
            ("input_tokens", &mut self.plain_tokens),
            ("output_tokens", &mut known.output_tokens),
            ("cache_read_input_tokens", &mut known.cache_read_tokens),
            ("cache_creation_input_tokens", &mut known.cache_write_tokens),
        ] {
            *total = counted(&usage, &[name]).unwrap_or(*total);
        }
        known.input_tokens = self
            .plain_tokens
            .saturating_add(known.cache_read_tokens)
            .saturating_add(known.cache_write_tokens);
    }
}

fn stop_of(reason: &str) -> Outcome<StopReason> {
    match reason {
        "tool_use" => Ok(StopReason::ToolCalls),
        "max_tokens" | "model_context_window_exceeded" => Ok(StopReason::Length),
        "refusal" => Ok(StopReason::Refused),
        // Only the provider's own tools, which are never offered, make it pause.
        "pause_turn" => Err(malformed("the provider paused")),
        _ => Ok(StopReason::End),
    }
}
