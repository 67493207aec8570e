//! Reads why a provider refused, and says what a person can do about it.

use openwrap_contracts::model::{ProviderConfig, ProviderKind};
use openwrap_contracts::{ErrorCode, Fault};
use serde_json::Value;

use crate::address::{place, question_url};
use crate::retry::Failure;

/// Types and codes of errors, of both wires: which fault they are. Sources: the error pages of OpenAI and Anthropic.
const KINDS: [(&str, ErrorCode); 18] = [
    ("authentication_error", ErrorCode::ModelAuth),
    ("permission_error", ErrorCode::ModelAuth),
    ("invalid_api_key", ErrorCode::ModelAuth),
    ("insufficient_quota", ErrorCode::ModelCredit),
    ("billing_error", ErrorCode::ModelCredit),
    ("billing_hard_limit_reached", ErrorCode::ModelCredit),
    ("model_not_found", ErrorCode::ModelUnknown),
    ("rate_limit_error", ErrorCode::ModelOverloaded),
    ("rate_limit_exceeded", ErrorCode::ModelOverloaded),
    ("overloaded_error", ErrorCode::ModelOverloaded),
    ("context_length_exceeded", ErrorCode::ModelRejected),
    ("invalid_request_error", ErrorCode::ModelRejected),
    ("request_too_large", ErrorCode::ModelRejected),
    ("content_policy_violation", ErrorCode::ModelRejected),
    ("server_error", ErrorCode::ModelUnavailable),
    ("api_error", ErrorCode::ModelUnavailable),
    ("timeout_error", ErrorCode::ModelUnavailable),
    ("internal_server_error", ErrorCode::ModelUnavailable),
];
/// Words for an empty account where no code says it.
const NO_CREDIT: [&str; 3] = [
    "credit balance is too low",
    "exceeded your current quota",
    "insufficient balance",
];

/// A refused question, or list of models.
pub struct Refused<'a> {
    pub provider: &'a ProviderConfig,
    pub model: &'a str,
    pub has_key: bool,
    pub status: u16,
    pub content_type: Option<&'a str>,
    pub body: &'a [u8],
    /// `retry-after`, in milliseconds.
    pub after_ms: Option<u64>,
    pub request_id: Option<&'a str>,
}

impl Refused<'_> {
    pub fn failure(&self) -> Failure {
        let known: Option<Value> = serde_json::from_slice(self.body).ok();
        let message = error_message(known.as_ref(), self.body);
        let code = self.code(known.as_ref(), &message);
        let said = if message.is_empty() { "nothing more" } else { &message };
        let id = self.request_id.map(|id| format!(" (request {id})")).unwrap_or_default();
        let text = format!("the provider answered {}: {said}{id}", self.status);
        let fault = Fault::new(code, text);
        let fault = match self.hint(code, &message) {
            Some(hint) => fault.with_hint(hint),
            None => fault,
        };
        Failure {
            again: passes(code),
            fault,
            after_ms: self.after_ms,
        }
    }

    fn code(&self, known: Option<&Value>, message: &str) -> ErrorCode {
        let kind = known.and_then(kind_of);
        let lower = message.to_ascii_lowercase();
        if kind == Some(ErrorCode::ModelCredit) || NO_CREDIT.iter().any(|words| lower.contains(words)) {
            return ErrorCode::ModelCredit;
        }
        let page = self.content_type.is_some_and(is_page);
        match self.status {
            401 | 403 => ErrorCode::ModelAuth,
            402 => ErrorCode::ModelCredit,
            _ if kind == Some(ErrorCode::ModelUnknown) => ErrorCode::ModelUnknown,
            // Both wires answer 404 for a model nobody has; one without a word about models is about the path.
            404 if known.is_some() && !page && lower.contains("model") => ErrorCode::ModelUnknown,
            300..=399 | 404 | 405 | 410 | 501 => ErrorCode::ModelAddress,
            400 if page => ErrorCode::ModelAddress,
            408 | 409 | 425 | 429 | 529 => ErrorCode::ModelOverloaded,
            500..=599 if kind == Some(ErrorCode::ModelOverloaded) => ErrorCode::ModelOverloaded,
            500..=599 => ErrorCode::ModelUnavailable,
            _ => ErrorCode::ModelRejected,
        }
    }

    fn hint(&self, code: ErrorCode, message: &str) -> Option<String> {
        let (provider, name) = (self.provider, place(self.provider));
        let id = &provider.provider_id;
        match code {
            ErrorCode::ModelAuth if !self.has_key => Some(format!("{name} asks for a key: add the one of `{id}`.")),
            ErrorCode::ModelAuth if self.status == 403 => Some(format!(
                "The key of `{id}` is known at {name}, but may not do this: look at its rights there, or use another key."
            )),
            ErrorCode::ModelAuth => Some(format!(
                "{name} does not know the key of `{id}`: put the right one in again."
            )),
            ErrorCode::ModelAddress => Some(no_server_hint(provider)),
            ErrorCode::ModelUnknown => Some(format!(
                "`{id}` has no model `{}` for this key: choose one that it lists.",
                self.model
            )),
            ErrorCode::ModelRejected if is_too_long(self.status, message) => Some(
                "The conversation is longer than this model takes: use one with a larger context, or smaller tasks."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// What may be wrong with an address at which no such server answers.
pub fn no_server_hint(provider: &ProviderConfig) -> String {
    let url = question_url(provider);
    let other = match provider.kind {
        ProviderKind::Anthropic => "`openai` or `local`, where it speaks chat completions",
        ProviderKind::Openai | ProviderKind::Local | ProviderKind::Rehearsal => "`anthropic`, where it speaks messages",
    };
    format!("Nothing at {url} takes a question: check host, port and path of the address, and the kind ({other}).")
}

fn is_too_long(status: u16, message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    status == 413
        || lower.contains("context length")
        || lower.contains("prompt is too long")
        || lower.contains("context window")
}

/// A failure that another try may mend.
pub fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ModelOverloaded | ErrorCode::ModelUnavailable | ErrorCode::ModelMalformed
    )
}

/// What a page for people is sent as, and whatever else no model says.
pub fn is_page(content_type: &str) -> bool {
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    [
        "text/html",
        "application/xhtml+xml",
        "text/css",
        "application/pdf",
        "application/zip",
    ]
    .contains(&kind.as_str())
        || ["image/", "audio/", "video/", "font/"]
            .iter()
            .any(|begin| kind.starts_with(begin))
}

/// A failure that is told inside of an answer.
pub fn in_stream(error: &Value) -> Fault {
    let message = message_of(error).unwrap_or("it gave no reason");
    // What some servers say, with status 200, at a path they do not have.
    if message.starts_with("Unexpected endpoint") {
        return Fault::new(ErrorCode::ModelAddress, format!("the provider answered: {message}"));
    }
    let code = kind_of(error).unwrap_or(ErrorCode::ModelOverloaded);
    Fault::new(code, format!("the provider broke off: {message}"))
}

fn kind_of(value: &Value) -> Option<ErrorCode> {
    let error = value.get("error").unwrap_or(value);
    ["code", "type"].iter().find_map(|field| {
        let name = error.get(field)?.as_str()?;
        KINDS.iter().find(|(kind, _)| *kind == name).map(|(_, code)| *code)
    })
}

/// What the body of a refused request says: its message where it has one, else the text itself.
fn error_message(known: Option<&Value>, body: &[u8]) -> String {
    known
        .and_then(message_of)
        .map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned)
}

/// `{"error":{"message"}}`, `{"error":"…"}`, `{"message"}` or the text itself.
fn message_of(value: &Value) -> Option<&str> {
    let error = value.get("error").unwrap_or(value);
    error.get("message").unwrap_or(error).as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies_of_any_shape_give_their_message() {
        for (body, message) in [
            ("{\"error\":{\"message\":\"m\",\"code\":1}}", "m"),
            ("{\"error\":\"m\"}", "m"),
            ("{\"message\":\"m\"}", "m"),
            (" plain ", "plain"),
            ("{\"detail\":1}", "{\"detail\":1}"),
        ] {
            let known = serde_json::from_str(body).ok();
            assert_eq!(error_message(known.as_ref(), body.as_bytes()), message);
        }
    }
}
