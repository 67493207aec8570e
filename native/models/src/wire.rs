//! The two wires behind one request: which body, which headers, and who reads the answer.

use bytes::Bytes;
use openwrap_contracts::Outcome;
use openwrap_contracts::model::{ModelRequest, ProviderKind};
use openwrap_contracts::ports::Secret;

use crate::assembly::Assembly;
use crate::chat::Manners;
use crate::messages_reading::Reading;
use crate::{chat, chat_reading, messages};

/// The body of a question.
///
/// # Errors
/// `INTERNAL` when it cannot be written.
pub fn body(request: &ModelRequest, model: &str, kind: ProviderKind, manners: Manners) -> Outcome<Bytes> {
    let bytes = match kind {
        ProviderKind::Anthropic => serde_json::to_vec(&messages::body(request, model))?,
        ProviderKind::Openai | ProviderKind::Local | ProviderKind::Rehearsal => {
            serde_json::to_vec(&chat::body(request, model, manners))?
        }
    };
    Ok(Bytes::from(bytes))
}

/// Headers of any request to a provider.
pub fn headers(
    kind: ProviderKind,
    key: Option<&Secret>,
    organization: Option<&str>,
    accept: &str,
) -> Vec<(String, Secret)> {
    let plain = |name: &str, value: &str| (name.to_owned(), Secret::new(value.as_bytes().to_vec()));
    let mut headers = vec![
        plain("content-type", "application/json"),
        plain("accept", accept),
        // What is packed could be larger than any limit once unpacked.
        plain("accept-encoding", "identity"),
    ];
    if kind == ProviderKind::Anthropic {
        headers.push(plain("anthropic-version", messages::VERSION));
    }
    if let Some(organization) = organization {
        headers.push(plain("openai-organization", organization));
    }
    if let Some(key) = key {
        headers.push(match kind {
            ProviderKind::Anthropic => ("x-api-key".to_owned(), Secret::new(key.expose().to_vec())),
            ProviderKind::Openai | ProviderKind::Local | ProviderKind::Rehearsal => {
                let value = [b"Bearer ", key.expose()].concat();
                ("authorization".to_owned(), Secret::new(value))
            }
        });
    }
    headers
}

/// Reads the events of one answer.
pub enum Reader {
    Chat,
    Messages(Reading),
}

impl Reader {
    pub fn of(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::Anthropic => Self::Messages(Reading::default()),
            ProviderKind::Openai | ProviderKind::Local | ProviderKind::Rehearsal => Self::Chat,
        }
    }

    /// Takes one event, or a whole answer, in; returns the text it surely added.
    ///
    /// # Errors
    /// `MODEL_MALFORMED`, `LIMIT_EXCEEDED`, or what the server reported inside the stream.
    pub fn push(&mut self, assembly: &mut Assembly<'_>, data: &str) -> Outcome<String> {
        match self {
            Self::Chat => chat_reading::push(assembly, data),
            Self::Messages(reading) => reading.push(assembly, data),
        }
    }

    /// The event after which nothing comes. It is no part of the answer.
    pub fn is_last(&self, data: &str) -> bool {
        match self {
            Self::Chat => data == "[DONE]",
            Self::Messages(_) => false,
        }
    }
}
