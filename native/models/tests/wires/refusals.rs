//! What both wires make of refusals: which fault, asked again or not, and what a person is told to do.

use openwrap_contracts::ErrorCode;
use openwrap_contracts::model::ProviderKind;
use serde_json::{Value, json};

use crate::messages::fault_of;
use crate::provider::Act;

/// Kind, status, type or code, message; the fault, how often it was asked, words of the hint.
type Row = (
    ProviderKind,
    u16,
    &'static str,
    &'static str,
    ErrorCode,
    usize,
    &'static str,
);

#[rustfmt::skip]
const ROWS: [Row; 20] = [
    (ProviderKind::Anthropic, 401, "authentication_error", "invalid x-api-key", ErrorCode::ModelAuth, 1, "does not know the key of `p`"),
    (ProviderKind::Anthropic, 403, "permission_error", "no", ErrorCode::ModelAuth, 1, "may not do this"),
    (ProviderKind::Anthropic, 404, "not_found_error", "model: m", ErrorCode::ModelUnknown, 1, "no model `m`"),
    (ProviderKind::Anthropic, 404, "not_found_error", "Not Found", ErrorCode::ModelAddress, 1, "/v1/messages"),
    (ProviderKind::Anthropic, 400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ErrorCode::ModelRejected, 1, "larger context"),
    (ProviderKind::Anthropic, 400, "invalid_request_error", "Your credit balance is too low", ErrorCode::ModelCredit, 1, "credit"),
    (ProviderKind::Anthropic, 402, "billing_error", "pay", ErrorCode::ModelCredit, 1, "credit"),
    (ProviderKind::Anthropic, 413, "request_too_large", "big", ErrorCode::ModelRejected, 1, "larger context"),
    (ProviderKind::Anthropic, 429, "rate_limit_error", "slow", ErrorCode::ModelOverloaded, 4, "later"),
    (ProviderKind::Anthropic, 500, "api_error", "oops", ErrorCode::ModelUnavailable, 4, "running"),
    (ProviderKind::Anthropic, 529, "overloaded_error", "Overloaded", ErrorCode::ModelOverloaded, 4, "later"),
    (ProviderKind::Openai, 401, "invalid_api_key", "Incorrect API key", ErrorCode::ModelAuth, 1, "does not know"),
    (ProviderKind::Openai, 429, "insufficient_quota", "You exceeded your current quota", ErrorCode::ModelCredit, 1, "credit"),
    (ProviderKind::Openai, 429, "rate_limit_exceeded", "slow", ErrorCode::ModelOverloaded, 4, "later"),
    (ProviderKind::Openai, 400, "context_length_exceeded", "maximum context length is 9", ErrorCode::ModelRejected, 1, "larger context"),
    (ProviderKind::Openai, 404, "model_not_found", "The model `m` does not exist", ErrorCode::ModelUnknown, 1, "no model `m`"),
    (ProviderKind::Local, 404, "api_error", "model 'm' not found, try pulling it first", ErrorCode::ModelUnknown, 1, "no model"),
    (ProviderKind::Local, 404, "", "Not Found", ErrorCode::ModelAddress, 1, "/v1/chat/completions"),
    (ProviderKind::Local, 405, "", "Method Not Allowed", ErrorCode::ModelAddress, 1, "kind"),
    (ProviderKind::Local, 501, "", "no POST", ErrorCode::ModelAddress, 1, "kind"),
];

fn body(kind: ProviderKind, what: &str, message: &str) -> Value {
    match (kind, what) {
        (ProviderKind::Anthropic, _) => {
            json!({ "type": "error", "error": { "type": what, "message": message }, "request_id": "req_1" })
        }
        (_, "") => json!({ "detail": message }),
        _ => json!({ "error": { "message": message, "type": "some_error", "code": what } }),
    }
}

#[tokio::test]
async fn they_are_told_apart_and_say_what_to_do() {
    let more = "content-type: application/json\r\nretry-after-ms: 1\r\nrequest-id: req_1\r\n";
    for (kind, status, what, message, code, tries, words) in ROWS {
        let act = Act::Answer(status, more, body(kind, what, message).to_string());
        let (fault, heard) = fault_of(kind, act).await;
        assert_eq!((fault.code, heard), (code, tries), "{status} {what} {message}");
        assert!(fault.hint.contains(words), "{status} {what}: {}", fault.hint);
        assert!(fault.message.contains("(request req_1)"), "{}", fault.message);
    }
}

#[tokio::test]
async fn inside_a_stream_too() {
    for (error, code, tries) in [
        ("overloaded_error", ErrorCode::ModelOverloaded, 4),
        ("rate_limit_error", ErrorCode::ModelOverloaded, 4),
        ("api_error", ErrorCode::ModelUnavailable, 4),
        ("authentication_error", ErrorCode::ModelAuth, 1),
        ("invalid_request_error", ErrorCode::ModelRejected, 1),
        ("brand_new_error", ErrorCode::ModelOverloaded, 4),
    ] {
        let begun = json!({ "type": "message_start", "message": {} });
        let ended = body(ProviderKind::Anthropic, error, "because");
        let bytes = format!("data: {begun}\n\nevent: error\ndata: {ended}\n\n").into_bytes();
        let (fault, heard) = fault_of(ProviderKind::Anthropic, Act::Stream(vec![bytes])).await;
        assert_eq!((fault.code, heard), (code, tries), "{error}");
        assert!(fault.message.contains("because"));
    }
}
