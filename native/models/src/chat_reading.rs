//! Answers on the wire of chat completions: chunk by chunk, or whole from a server that does not stream.

use openwrap_contracts::Outcome;
use openwrap_contracts::model::{StopReason, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::assembly::{Assembly, CallPiece, malformed};
use crate::counting::counted;
use crate::refusal;

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    /// Whatever it tells.
    #[serde(default)]
    usage: Option<Value>,
    /// Some servers report a failure inside the stream.
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<FunctionDelta>,
}

#[derive(Debug, Deserialize)]
struct FunctionDelta {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<Arguments>,
}

/// A piece of JSON text; some servers send the object itself.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Arguments {
    Text(String),
    Parsed(serde_json::Map<String, Value>),
}

/// Takes one `data:` payload in; returns the text it surely added.
///
/// # Errors
/// `MODEL_MALFORMED`, `LIMIT_EXCEEDED`, or what the server reported inside the stream.
pub fn push(assembly: &mut Assembly<'_>, data: &str) -> Outcome<String> {
    let chunk: Chunk = serde_json::from_str(data).map_err(|error| malformed(&error.to_string()))?;
    if let Some(error) = chunk.error {
        return Err(refusal::in_stream(&error));
    }
    if let Some(usage) = chunk.usage {
        assembly.usage = Usage {
            input_tokens: counted(&usage, &["prompt_tokens"]).unwrap_or(0),
            output_tokens: counted(&usage, &["completion_tokens"]).unwrap_or(0),
            cache_read_tokens: counted(&usage["prompt_tokens_details"], &["cached_tokens"]).unwrap_or(0),
            cache_write_tokens: 0,
        };
    }
    // Only one choice is ever asked for.
    let choice = chunk.choices.and_then(|choices| choices.into_iter().next());
    choice.map_or_else(|| Ok(String::new()), |choice| push_choice(assembly, choice))
}

fn push_choice(assembly: &mut Assembly<'_>, choice: Choice) -> Outcome<String> {
    let delta = choice.delta.unwrap_or_default();
    let mut added = String::new();
    if let Some(text) = delta.content {
        added.push_str(&assembly.say(text)?);
    }
    if let Some(text) = delta.refusal.filter(|text| !text.is_empty()) {
        assembly.refuse();
        added.push_str(&assembly.say(text)?);
    }
    for call in delta.tool_calls.unwrap_or_default() {
        let function = call.function.unwrap_or(FunctionDelta {
            name: None,
            arguments: None,
        });
        assembly.call(CallPiece {
            index: call.index,
            id: call.id,
            name: function.name,
            arguments: function.arguments.map(|arguments| match arguments {
                Arguments::Text(text) => text,
                Arguments::Parsed(object) => Value::Object(object).to_string(),
            }),
        })?;
    }
    if let Some(reason) = choice.finish_reason {
        assembly.end(match reason.as_str() {
            "content_filter" => StopReason::Refused,
            "length" => StopReason::Length,
            _ => StopReason::End,
        });
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::redaction::Redactor;
    use openwrap_contracts::ErrorCode;
    use openwrap_contracts::identity::StepRef;
    use openwrap_contracts::model::{ModelAnswer, ToolOffer};

    fn answer(chunks: &[&str]) -> Outcome<ModelAnswer> {
        let redactor = Redactor::new(None);
        let mut assembly = Assembly::new(&redactor);
        for chunk in chunks {
            push(&mut assembly, chunk)?;
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
        // Nor does it matter what is told about it.
        for usage in [
            "\"none\"",
            "[1]",
            r#"{"prompt_tokens":1.5,"completion_tokens":-1,"prompt_tokens_details":7}"#,
        ] {
            let told = whole.replace(r#"{"prompt_tokens":1}"#, usage);
            assert_eq!(answer(&[&told]).unwrap().text, "hi", "{usage}");
        }
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

    #[test]
    fn a_call_that_was_not_finished_is_none_to_carry_out() {
        let ended = |reason: &str, arguments: &str| {
            let call = format!(
                r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"a","function":{{"name":"file_read","arguments":"{arguments}"}}}}]}},"finish_reason":"{reason}"}}]}}"#
            );
            answer(&[&call]).unwrap()
        };
        let calls = ended("tool_calls", "").tool_calls;
        assert_eq!(calls[0].arguments.to_string(), "{}");
        for cut in ["", "{", "{\\\"p\\\":"] {
            let calls = ended("length", cut).tool_calls;
            assert!(calls[0].arguments.is_string(), "{cut}");
        }
        let refused = ended("content_filter", "{}");
        assert_eq!((refused.tool_calls.len(), refused.stop), (0, StopReason::Refused));
    }
}
