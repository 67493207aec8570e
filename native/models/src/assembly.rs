//! Puts pieces of an answer together, whatever wire they came over. One that ends without its reason is cut, whatever it held.

use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::{MODEL_ANSWER_BYTES_MAX, TOOL_CALLS_PER_ANSWER_MAX};
use openwrap_contracts::model::{ModelAnswer, StopReason, ToolCallPart, ToolOffer, Usage};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::redaction::{Cleaner, Redactor};

/// An answer that grows, already clean of the key.
pub struct Assembly<'a> {
    redactor: &'a Redactor,
    cleaner: Cleaner<'a>,
    text: String,
    calls: Vec<Call>,
    end: Option<StopReason>,
    refused: bool,
    pub usage: Usage,
    answer_bytes: usize,
}

#[derive(Default)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

/// A piece of a tool call.
#[derive(Default)]
pub struct CallPiece {
    pub index: Option<u32>,
    pub id: Option<String>,
    pub name: Option<String>,
    /// JSON text goes on.
    pub arguments: Option<String>,
}

impl<'a> Assembly<'a> {
    pub fn new(redactor: &'a Redactor) -> Self {
        Self {
            redactor,
            cleaner: Cleaner::new(redactor),
            text: String::new(),
            calls: Vec::new(),
            end: None,
            refused: false,
            usage: Usage::default(),
            answer_bytes: 0,
        }
    }

    /// The answer is whole; what may still come is its usage.
    pub fn is_whole(&self) -> bool {
        self.end.is_some()
    }

    /// Bytes of text handed out so far.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Words go on; returns the text that surely came with them.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`.
    pub fn say(&mut self, piece: String) -> Outcome<String> {
        self.grow(piece.len())?;
        let added = self.cleaner.push(piece);
        self.text.push_str(&added);
        Ok(added)
    }

    /// The model, or who watches it, will not answer.
    pub fn refuse(&mut self) {
        self.refused = true;
    }

    /// The answer is over, and why.
    pub fn end(&mut self, reason: StopReason) {
        self.refused |= reason == StopReason::Refused;
        self.end = Some(reason);
    }

    /// A tool call begins or goes on. Calls beyond the limit are dropped.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`.
    pub fn call(&mut self, piece: CallPiece) -> Outcome<()> {
        let Some(place) = self.place_of(piece.index, piece.id.as_deref()) else {
            return Ok(());
        };
        self.grow(piece.arguments.as_ref().map_or(0, String::len))?;
        let Some(call) = self.calls.get_mut(place) else {
            return Ok(());
        };
        if let Some(id) = piece.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        // Some servers repeat the whole name with every piece.
        let name = piece.name.filter(|name| *name != call.name).unwrap_or_default();
        call.name.push_str(&name);
        call.arguments.push_str(&piece.arguments.unwrap_or_default());
        self.grow(name.len())
    }

    fn grow(&mut self, bytes: usize) -> Outcome<()> {
        self.answer_bytes += bytes;
        if self.answer_bytes > MODEL_ANSWER_BYTES_MAX {
            return Err(too_large());
        }
        Ok(())
    }

    /// The call a piece belongs to: by index, told apart by id where a server gives every call one index or none.
    fn place_of(&mut self, index: Option<u32>, id: Option<&str>) -> Option<usize> {
        let last = self.calls.last().map(|call| call.index);
        let index = index.or(last).unwrap_or(0);
        let known = self.calls.iter().rposition(|call| call.index == index);
        let other = |place: usize| {
            let (Some(call), Some(id)) = (self.calls.get(place), id) else {
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

    /// The answer, with our call ids and global tool names. What a model began to ask for before it refused is not in it.
    ///
    /// # Errors
    /// `MODEL_MALFORMED` when it was cut.
    pub fn finish(mut self, step: &StepRef, offers: &[ToolOffer]) -> Outcome<(ModelAnswer, Usage)> {
        let Some(end) = self.end else {
            return Err(malformed("it was cut off"));
        };
        self.rest();
        if self.refused {
            self.calls.clear();
        }
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
                arguments: arguments(call.arguments, end, redactor),
            })
            .collect();
        let stop = match end {
            _ if self.refused => StopReason::Refused,
            _ if !tool_calls.is_empty() => StopReason::ToolCalls,
            StopReason::ToolCalls => StopReason::End,
            other => other,
        };
        let answer = ModelAnswer {
            text: self.text,
            tool_calls,
            stop,
        };
        Ok((answer, self.usage))
    }
}

/// Text that is no JSON stays text, which no tool takes: half a call is never carried out.
fn arguments(text: String, end: StopReason, redactor: &Redactor) -> Value {
    if text.trim().is_empty() {
        // A tool without arguments, unless the answer ran out of tokens before they came.
        return match end {
            StopReason::Length => Value::String(String::new()),
            StopReason::End | StopReason::ToolCalls | StopReason::Refused => Value::Object(serde_json::Map::new()),
        };
    }
    match serde_json::from_str(&text) {
        Ok(value) => redactor.clean_value(value),
        // Its escapes are not read, so a key may hide behind them.
        Err(_) => Value::String(redactor.clean_strictly(text)),
    }
}

/// What came is no answer.
pub fn malformed(what: &str) -> Fault {
    Fault::new(
        ErrorCode::ModelMalformed,
        format!("the provider's answer could not be read: {what}"),
    )
}

/// More came than an answer may hold.
pub fn too_large() -> Fault {
    Fault::new(
        ErrorCode::LimitExceeded,
        format!("the model's answer is over {MODEL_ANSWER_BYTES_MAX} bytes"),
    )
}
