//! Puts streamed chunks together into one answer. A stream that ends without a finish reason is cut, whatever it held.

use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::{MODEL_ANSWER_BYTES_MAX, TOOL_CALLS_PER_ANSWER_MAX};
use openwrap_contracts::model::{ModelAnswer, StopReason, ToolCallPart, ToolOffer, Usage};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::redaction::{Cleaner, Redactor};
use crate::wire::{Arguments, CallDelta, Choice, Chunk, message_of};

/// The wire around an answer may be this much larger than the answer.
const WIRE_FACTOR: usize = 16;

/// An answer that grows, already clean of the key.
pub struct Assembly<'a> {
    redactor: &'a Redactor,
    cleaner: Cleaner<'a>,
    text: String,
    calls: Vec<Call>,
    finish: Option<String>,
    refused: bool,
    usage: Usage,
    wire_bytes: usize,
    answer_bytes: usize,
}

#[derive(Default)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

impl<'a> Assembly<'a> {
    pub fn new(redactor: &'a Redactor) -> Self {
        Self {
            redactor,
            cleaner: Cleaner::new(redactor),
            text: String::new(),
            calls: Vec::new(),
            finish: None,
            refused: false,
            usage: Usage::default(),
            wire_bytes: 0,
            answer_bytes: 0,
        }
    }

    /// The answer is whole; what may still come is its usage.
    pub fn is_whole(&self) -> bool {
        self.finish.is_some()
    }

    /// Bytes of text handed out so far.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Takes one `data:` payload in; returns the text it surely added.
    ///
    /// # Errors
    /// `MODEL_MALFORMED`, `LIMIT_EXCEEDED`, or what the server reported inside the stream.
    pub fn push(&mut self, data: &str) -> Outcome<String> {
        self.wire_bytes += data.len();
        if self.wire_bytes > MODEL_ANSWER_BYTES_MAX * WIRE_FACTOR {
            return Err(too_large());
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|error| malformed(&error.to_string()))?;
        if let Some(error) = chunk.error {
            let message = message_of(&error).unwrap_or("it gave no reason");
            return Err(Fault::new(
                ErrorCode::ModelOverloaded,
                format!("the provider broke off: {message}"),
            ));
        }
        if let Some(usage) = chunk.usage {
            self.usage = Usage {
                input_tokens: usage.prompt_tokens.unwrap_or(0),
                output_tokens: usage.completion_tokens.unwrap_or(0),
            };
        }
        // Only one choice is ever asked for.
        let choice = chunk.choices.and_then(|choices| choices.into_iter().next());
        let added = choice.map_or_else(|| Ok(String::new()), |choice| self.push_choice(choice))?;
        if self.answer_bytes > MODEL_ANSWER_BYTES_MAX {
            return Err(too_large());
        }
        Ok(added)
    }

    fn push_choice(&mut self, choice: Choice) -> Outcome<String> {
        let delta = choice.delta.unwrap_or_default();
        let mut added = String::new();
        for piece in [
            delta.content,
            delta.refusal.inspect(|text| self.refused |= !text.is_empty()),
        ]
        .into_iter()
        .flatten()
        {
            self.answer_bytes += piece.len();
            added.push_str(&self.cleaner.push(piece));
        }
        self.text.push_str(&added);
        for call in delta.tool_calls.unwrap_or_default() {
            self.push_call(call);
        }
        if choice.finish_reason.is_some() {
            self.finish = choice.finish_reason;
        }
        Ok(added)
    }

    fn push_call(&mut self, delta: CallDelta) {
        let Some(place) = self.place_of(&delta) else {
            return;
        };
        let Some(call) = self.calls.get_mut(place) else {
            return;
        };
        if let Some(id) = delta.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        let Some(function) = delta.function else {
            return;
        };
        // Some servers repeat the whole name with every piece.
        if let Some(name) = function.name.filter(|name| *name != call.name) {
            self.answer_bytes += name.len();
            call.name.push_str(&name);
        }
        let arguments = match function.arguments {
            Some(Arguments::Text(text)) => text,
            Some(Arguments::Parsed(object)) => Value::Object(object).to_string(),
            None => return,
        };
        self.answer_bytes += arguments.len();
        call.arguments.push_str(&arguments);
    }

    /// The call a piece belongs to: by index, told apart by id where a server gives every call one index or none.
    /// Calls beyond the limit are dropped.
    fn place_of(&mut self, delta: &CallDelta) -> Option<usize> {
        let last = self.calls.last().map(|call| call.index);
        let index = delta.index.or(last).unwrap_or(0);
        let known = self.calls.iter().rposition(|call| call.index == index);
        let other = |place: usize| {
            let (Some(call), Some(id)) = (self.calls.get(place), delta.id.as_deref()) else {
                return false;
            };
            !id.is_empty() && !call.id.is_empty() && call.id != id
        };
        if let Some(place) = known.filter(|place| !other(*place)) {
            return Some(place);
        }
        if self.calls.len() >= TOOL_CALLS_PER_ANSWER_MAX {
            return None;
        }
        self.calls.push(Call {
            index,
            ..Call::default()
        });
        Some(self.calls.len() - 1)
    }

    /// The text that was held back until now.
    pub fn rest(&mut self) -> String {
        let rest = self.cleaner.end();
        self.text.push_str(&rest);
        rest
    }

    /// The answer, with our call ids and global tool names.
    ///
    /// # Errors
    /// `MODEL_MALFORMED` when the stream was cut.
    pub fn finish(mut self, step: &StepRef, offers: &[ToolOffer]) -> Outcome<(ModelAnswer, Usage)> {
        let Some(finish) = self.finish.take() else {
            return Err(malformed("the answer was cut off"));
        };
        self.rest();
        // Stable: calls that share an index stay in the order they came.
        self.calls.sort_by_key(|call| call.index);
        let redactor = self.redactor;
        let tool_calls: Vec<ToolCallPart> = self
            .calls
            .into_iter()
            .enumerate()
            .map(|(index, call)| ToolCallPart {
                call_id: format!("{}.{index}", step.id()),
                tool: offers
                    .iter()
                    .find(|offer| offer.wire_name == call.name)
                    .map_or_else(|| redactor.clean(call.name), |offer| offer.name.clone()),
                arguments: arguments(call.arguments, redactor),
            })
            .collect();
        let stop = match finish.as_str() {
            _ if self.refused => StopReason::Refused,
            "content_filter" => StopReason::Refused,
            _ if !tool_calls.is_empty() => StopReason::ToolCalls,
            "length" => StopReason::Length,
            _ => StopReason::End,
        };
        let answer = ModelAnswer {
            text: self.text,
            tool_calls,
            stop,
        };
        Ok((answer, self.usage))
    }
}

fn arguments(text: String, redactor: &Redactor) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    match serde_json::from_str(&text) {
        Ok(value) => redactor.clean_value(value),
        // Its escapes are not read, so a key may hide behind them.
        Err(_) => Value::String(redactor.clean_strictly(text)),
    }
}

fn malformed(what: &str) -> Fault {
    Fault::new(
        ErrorCode::ModelMalformed,
        format!("the provider's answer could not be read: {what}"),
    )
}

fn too_large() -> Fault {
    Fault::new(
        ErrorCode::LimitExceeded,
        format!("the model's answer is over {MODEL_ANSWER_BYTES_MAX} bytes"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(chunks: &[&str]) -> Outcome<ModelAnswer> {
        let redactor = Redactor::new(None);
        let mut assembly = Assembly::new(&redactor);
        for chunk in chunks {
            assembly.push(chunk)?;
        }
        let step = StepRef {
            task_id: "t".to_owned(),
            attempt: 1,
            step: 2,
        };
        let offer = ToolOffer {
            name: "file.read".to_owned(),
            wire_name: "file_read".to_owned(),
            description: String::new(),
            input_schema: Value::Null,
        };
        assembly.finish(&step, &[offer]).map(|(answer, _)| answer)
    }

    fn calls(deltas: &[&str]) -> Vec<(String, String)> {
        let mut chunks: Vec<String> = deltas
            .iter()
            .map(|delta| format!("{{\"choices\":[{{\"delta\":{{\"tool_calls\":[{delta}]}}}}]}}"))
            .collect();
        chunks.push("{\"choices\":[{\"finish_reason\":\"tool_calls\"}]}".to_owned());
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let calls = answer(&chunks).unwrap().tool_calls;
        calls
            .into_iter()
            .map(|call| (call.tool, call.arguments.to_string()))
            .collect()
    }

    #[test]
    fn habits_of_servers_are_understood() {
        let both = [
            ("file.read".to_owned(), "{\"p\":1}".to_owned()),
            ("other".to_owned(), "{}".to_owned()),
        ];
        // In pieces and interleaved; without an index; one index for all; the name repeated; an object for a text.
        for deltas in [
            &[
                r#"{"index":0,"id":"a","function":{"name":"file_read","arguments":"{\"p\""}}"#,
                r#"{"index":1,"id":"b","function":{"name":"other","arguments":""}}"#,
                r#"{"index":0,"function":{"arguments":":1}"}}"#,
            ][..],
            &[
                r#"{"id":"a","function":{"name":"file_read","arguments":"{\"p\":1}"}}"#,
                r#"{"id":"b","function":{"name":"other","arguments":"{}"}}"#,
            ],
            &[
                r#"{"index":0,"id":"a","function":{"name":"file_read","arguments":"{\"p\":1}"}}"#,
                r#"{"index":0,"id":"b","function":{"name":"other","arguments":"{}"}}"#,
            ],
            &[
                r#"{"index":1,"id":"b","function":{"name":"other"}}"#,
                r#"{"index":0,"id":"a","function":{"name":"file_read","arguments":"{\"p\":"}}"#,
                r#"{"index":0,"id":"","function":{"name":"file_read","arguments":"1}"}}"#,
            ],
            &[
                r#"{"index":0,"id":"a","function":{"name":"file_read","arguments":{"p":1}}}"#,
                r#"{"index":1,"id":"b","function":{"name":"other","arguments":null}}"#,
            ],
        ] {
            assert_eq!(calls(deltas), both);
        }
    }

    #[test]
    fn an_answer_that_was_not_streamed_is_an_answer() {
        let whole = r#"{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#;
        assert_eq!(answer(&[whole]).unwrap().text, "hi");
    }

    #[test]
    fn cut_broken_and_boundless_answers_are_faults() {
        let cut = answer(&[r#"{"choices":[{"delta":{"content":"hi"}}]}"#]).unwrap_err();
        assert_eq!(cut.code, ErrorCode::ModelMalformed);
        assert_eq!(answer(&["{"]).unwrap_err().code, ErrorCode::ModelMalformed);
        let error = answer(&[r#"{"error":{"message":"m"}}"#]).unwrap_err();
        assert_eq!(error.code, ErrorCode::ModelOverloaded);
        let long = format!(
            "{{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}",
            "a".repeat(1 << 20)
        );
        let fault = answer(&[long.as_str(); 5]).unwrap_err();
        assert_eq!(fault.code, ErrorCode::LimitExceeded);
    }

    #[test]
    fn arguments_that_are_no_json_stay_text() {
        let calls = calls(&[r#"{"index":0,"id":"a","function":{"name":"x","arguments":"{oops"}}"#]);
        assert_eq!(calls[0].1, "\"{oops\"");
    }
}
