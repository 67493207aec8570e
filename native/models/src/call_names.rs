//! How a tool call is named on a wire: by its place in the conversation, in nine letters and digits.
//!
//! Our own ids hold dots and may be long: Anthropic takes `[a-zA-Z0-9_-]+`, OpenAI forty characters, some servers nine letters and
//! digits and nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;

use openwrap_contracts::model::{ModelRequest, Part, ToolCallPart, ToolOffer, wire_name};
use serde_json::{Value, json};

/// Names of all calls of one request.
pub struct CallNames<'a> {
    ids: BTreeMap<&'a str, String>,
    offers: &'a [ToolOffer],
}

impl<'a> CallNames<'a> {
    pub fn of(request: &'a ModelRequest) -> Self {
        let mut ids = BTreeMap::new();
        for part in request.messages.iter().flat_map(|message| &message.parts) {
            if let Part::ToolCall(ToolCallPart { call_id, .. }) | Part::ToolResult { call_id, .. } = part {
                let number = ids.len();
                ids.entry(call_id.as_str())
                    .or_insert_with(|| format!("call{number:05}"));
            }
        }
        Self {
            ids,
            offers: &request.tools,
        }
    }

    /// Of a call or its result.
    pub fn id(&self, call_id: &str) -> String {
        self.ids.get(call_id).cloned().unwrap_or_default()
    }

    /// The tool's name as it was offered.
    pub fn tool(&self, call: &ToolCallPart) -> Cow<'a, str> {
        let offered = self.offers.iter().find(|offer| offer.name == call.tool);
        offered.map_or_else(
            || Cow::Owned(wire_name(&call.tool)),
            |offer| Cow::Borrowed(offer.wire_name.as_str()),
        )
    }
}

/// Arguments as an object: what a model wrote instead goes back inside one, since strict servers refuse the whole conversation
/// otherwise.
pub fn object_of(arguments: &Value) -> Cow<'_, Value> {
    match arguments {
        Value::Object(_) => Cow::Borrowed(arguments),
        other => Cow::Owned(json!({ "unreadable": other })),
    }
}
