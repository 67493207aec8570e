//! What a worker reads back: results, refusals, faults.

use openwrap_contracts::canonical::canonical_bytes;
use openwrap_contracts::limits::TOOL_RESULT_BYTES_MAX;
use openwrap_contracts::tool::model_text;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_grants::visible;
use serde_json::{Map, Value, json};

/// Refused paths named in one result.
const PATHS_NAMED_MAX: usize = 50;

/// `{"error":{code,message,hint?,reason?}}`.
pub fn error_content(fault: &Fault, reason: Option<&str>) -> Value {
    let mut error = Map::new();
    error.insert("code".to_owned(), json!(fault.code));
    error.insert("message".to_owned(), json!(fault.message));
    if fault.hint != fault.code.hint() {
        error.insert("hint".to_owned(), json!(fault.hint));
    }
    if let Some(reason) = reason {
        error.insert("reason".to_owned(), json!(reason));
    }
    json!({ "error": error })
}

/// The act ran and changed paths it may not change: the worker is told which, the completion check refuses them.
pub fn refused_content(refused: &[String], result: Value) -> Value {
    let mut named: Vec<String> = refused
        .iter()
        .take(PATHS_NAMED_MAX)
        .map(|path| visible::fact(path))
        .collect();
    if refused.len() > PATHS_NAMED_MAX {
        named.push(format!("{} more", refused.len() - PATHS_NAMED_MAX));
    }
    let fault = Fault::new(
        ErrorCode::PermissionDenied,
        format!(
            "changed without permission: {}. The task cannot complete with these changes: put the paths back as they were",
            named.join(", ")
        ),
    );
    let mut content = error_content(&fault, None);
    if let Some(fields) = content.as_object_mut() {
        fields.insert("result".to_owned(), result);
    }
    content
}

/// Canonical bytes of a result and the text a model reads of them.
///
/// # Errors
/// `INTERNAL` when the content has no JSON form.
pub fn rendered(content: &Value) -> Outcome<(Vec<u8>, String)> {
    let bytes = canonical_bytes(content)?;
    // What `model_text` says of these bytes, without reading them back as JSON.
    let text = match content {
        Value::String(text) if text.len() <= TOOL_RESULT_BYTES_MAX => text.clone(),
        Value::String(_) => model_text(&bytes),
        _ if bytes.len() <= TOOL_RESULT_BYTES_MAX => String::from_utf8_lossy(&bytes).into_owned(),
        _ => model_text(&bytes),
    };
    Ok((bytes, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_text_is_what_a_restart_reads_from_the_blob() {
        let long = "ä".repeat(TOOL_RESULT_BYTES_MAX);
        for content in [
            json!("plain \u{1} text"),
            json!({ "b": 1, "a": "x" }),
            json!(long),
            json!({ "a": long }),
            json!(null),
        ] {
            let (bytes, text) = rendered(&content).unwrap();
            assert_eq!(text, model_text(&bytes));
        }
    }
}
