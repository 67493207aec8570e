//! Puts streamed chunks together into one answer. A stream that ends without a finish reason is cut, whatever it held.

use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::{MODEL_ANSWER_BYTES_MAX, TOOL_CALLS_PER_ANSWER_MAX};
use openwrap_contracts::model::{ModelAnswer, StopReason, ToolCallPart, ToolOffer, Usage};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::wire::{CallDelta, Chunk};

/// An answer that grows.
#[derive(Default)]
pub struct Assembly {
    text: String,
    calls: Vec<Call>,
    finish: Option<String>,
    refused: bool,
    usage: Usage,
    bytes: usize,
}

#[derive(Default)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

impl Assembly {
    /// Takes one `data:` payload in; returns the text it added.
    ///
    /// # Errors
    /// `MODEL_MALFORMED`, `LIMIT_EXCEEDED`, or what the server reported inside the stream.
    pub fn push(&mut self, data: &str) -> Outcome<String> {
        self.bytes += data.len();
        if self.bytes > MODEL_ANSWER_BYTES_MAX * 8 || self.text.len() > MODEL_ANSWER_BYTES_MAX {
            return Err(Fault::new(ErrorCode::LimitExceeded, "the model's answer is too large"));
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|error| malformed(&error.to_string()))?;
        if let Some(error) = chunk.error {
            return Err(Fault::new(
                ErrorCode::ModelOverloaded,
                format!("the provider broke off: {}", error.message),
            ));
        }
        if let Some(usage) = chunk.usage {
            self.usage = Usage {
                input_tokens: usage.prompt_tokens,
                output_tokens: usage.completion_tokens,
            };
        }
        let mut added = String::new();
        // Only one choice is ever asked for.
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(added);
        };
        if let Some(text) = choice.delta.content {
            added = text;
            self.text.push_str(&added);
        }
        if let Some(refusal) = choice.delta.refusal {
            self.refused = true;
            self.text.push_str(&refusal);
        }
        for call in choice.delta.tool_calls.unwrap_or_default() {
            self.push_call(call)?;
        }
        if choice.finish_reason.is_some() {
            self.finish = choice.finish_reason;
        }
        Ok(added)
    }

    fn push_call(&mut self, delta: CallDelta) -> Outcome<()> {
        let index = delta.index.unwrap_or_else(|| self.next_index(delta.id.as_deref()));
        let place = match self.calls.iter().position(|call| call.index == index) {
            Some(place) => place,
            None if self.calls.len() >= TOOL_CALLS_PER_ANSWER_MAX => {
                return Err(malformed(&format!(
                    "more than {TOOL_CALLS_PER_ANSWER_MAX} tool calls in one answer"
                )));
            }
            None => {
                self.calls.push(Call {
                    index,
                    ..Call::default()
                });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(place) else {
            return Ok(());
        };
        if let Some(id) = delta.id {
            call.id = id;
        }
        if let Some(function) = delta.function {
            call.name.push_str(function.name.as_deref().unwrap_or_default());
            call.arguments
                .push_str(function.arguments.as_deref().unwrap_or_default());
        }
        Ok(())
    }

    /// Servers that leave the index out send each call whole, told apart by its id.
    fn next_index(&self, id: Option<&str>) -> u32 {
        let last = self.calls.last();
        match (id, last) {
            (Some(id), Some(last)) if last.id == id => last.index,
            (None, Some(last)) => last.index,
            (_, last) => last.map_or(0, |last| last.index + 1),
        }
    }

    /// The answer, with our call ids and global tool names.
    ///
    /// # Errors
    /// `MODEL_MALFORMED` when the stream was cut.
    pub fn finish(mut self, step: &StepRef, offers: &[ToolOffer]) -> Outcome<(ModelAnswer, Usage)> {
        let Some(finish) = self.finish.take() else {
            return Err(malformed("the answer was cut off"));
        };
        self.calls.sort_by_key(|call| call.index);
        let tool_calls: Vec<ToolCallPart> = self
            .calls
            .into_iter()
            .enumerate()
            .map(|(index, call)| ToolCallPart {
                call_id: format!("{}.{index}", step.id()),
                tool: offers
                    .iter()
                    .find(|offer| offer.wire_name == call.name)
                    .map_or(call.name, |offer| offer.name.clone()),
                arguments: arguments(call.arguments),
            })
            .collect();
        let stop = match finish.as_str() {
            _ if self.refused => StopReason::Refused,
            "content_filter" => StopReason::Refused,
            _ if !tool_calls.is_empty() => StopReason::ToolCalls,
            "length" => StopReason::Length,
            _ => StopReason::End,
        };
        Ok((
            ModelAnswer {
                text: self.text,
                tool_calls,
                stop,
            },
            self.usage,
        ))
    }
}

fn arguments(text: String) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn malformed(what: &str) -> Fault {
    Fault::new(
        ErrorCode::ModelMalformed,
        format!("the provider's answer could not be read: {what}"),
    )
}
