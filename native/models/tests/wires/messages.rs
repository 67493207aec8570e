//! The wire of Anthropic messages, byte by byte; and what both wires make of refusals.

use openwrap_contracts::ErrorCode;
use openwrap_contracts::model::{ProviderKind, StopReason, Usage};
use openwrap_contracts::{Fault, Outcome};
use serde_json::{Value, json};

use crate::provider::{Act, KEY, Provider, message_bytes};
use crate::{QUICK, complete, right_answer};

async fn anthropic(acts: Vec<Act>) -> Provider {
    Provider::of(ProviderKind::Anthropic, acts).await
}

/// The fault of a provider that always does this, and how often it was asked.
pub async fn fault_of(kind: ProviderKind, act: Act) -> (Fault, usize) {
    let provider = Provider::of(kind, vec![act]).await;
    let fault = complete(&provider, QUICK).await.0.unwrap_err();
    let tries = provider.heard.requests.lock().unwrap().len();
    (fault, tries)
}

fn events(list: &[Value]) -> Vec<u8> {
    let text: String = list
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    text.into_bytes()
}

/// An answer of these blocks, which ends for this reason.
fn message(inner: &[Value], reason: &str) -> Vec<u8> {
    let mut list = vec![json!({ "type": "message_start", "message": {} })];
    list.extend_from_slice(inner);
    list.push(json!({ "type": "message_delta", "delta": { "stop_reason": reason } }));
    list.push(json!({ "type": "message_stop" }));
    events(&list)
}

fn start(index: u32, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn stop(index: u32) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

fn input(index: u32, text: &str) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": { "type": "input_json_delta", "partial_json": text } })
}

fn call(id: &str) -> Value {
    json!({ "type": "tool_use", "id": id, "name": "file_read", "input": {} })
}

async fn answer_to(bytes: Vec<u8>) -> Outcome<openwrap_contracts::model::ModelAnswer> {
    let provider = anthropic(vec![Act::Stream(vec![bytes])]).await;
    complete(&provider, QUICK).await.0.map(|reply| reply.answer)
}

#[tokio::test]
async fn every_split_of_the_stream_gives_the_same_answer() {
    let bytes = message_bytes();
    let acts = (0..=bytes.len())
        .map(|at| Act::Stream(vec![bytes[..at].to_vec(), bytes[at..].to_vec()]))
        .collect();
    let provider = anthropic(acts).await;
    for at in 0..=bytes.len() {
        let (reply, shown) = complete(&provider, QUICK).await;
        let reply = reply.unwrap();
        assert_eq!((reply.answer, reply.tries), (right_answer(), 1), "split at {at}");
        let usage = Usage {
            input_tokens: 127,
            output_tokens: 5,
            cache_read_tokens: 100,
            cache_write_tokens: 20,
        };
        assert_eq!(reply.usage, usage);
        assert_eq!(*shown.all.lock().unwrap(), "Größe 1\n", "split at {at}");
    }
    let requests = provider.heard.requests.lock().unwrap();
    let head = &requests[0].0;
    assert!(head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-api-key: {KEY}\r\n")) && head.contains("anthropic-version: 2023-06-01\r\n"));
    assert!(!head.to_lowercase().contains("authorization"));
}

/// The connection breaks, or the body just ends, at every byte: asked again until the reason of the end was read, never after.
#[tokio::test]
async fn every_cut_of_the_stream_is_asked_again_or_was_whole() {
    let bytes = message_bytes();
    let finished = String::from_utf8_lossy(&bytes).find("event: message_stop").unwrap();
    // Characters of two bytes before it.
    let finished = finished - String::from_utf8_lossy(&bytes)[..finished].len() + finished;
    let mut acts = Vec::new();
    for at in 0..bytes.len() {
        for begun in [
            Act::Cut(vec![bytes[..at].to_vec()]),
            Act::Stream(vec![bytes[..at].to_vec()]),
        ] {
            acts.push(begun);
            if at < finished {
                acts.push(Act::Stream(vec![bytes.clone()]));
            }
        }
    }
    let asked = acts.len();
    let provider = anthropic(acts).await;
    for at in 0..bytes.len() {
        for way in ["cut", "end"] {
            let (reply, shown) = complete(&provider, QUICK).await;
            let reply = reply.unwrap();
            assert_eq!(reply.answer, right_answer(), "{way} at {at}");
            assert_eq!(reply.tries, if at < finished { 2 } else { 1 }, "{way} at {at}");
            assert_eq!(*shown.text.lock().unwrap(), "Größe 1\n", "{way} at {at}");
        }
    }
    assert_eq!(provider.heard.requests.lock().unwrap().len(), asked);
}

/// A provider whose stream breaks at the same byte every time: the right class after four tries, wherever it is, on both wires.
#[tokio::test]
async fn a_stream_that_never_comes_whole_is_one_fault_of_the_right_class() {
    const TRIES: usize = 4;
    // Each cut waits three times, so many wait at once.
    const AT_ONCE: usize = 48;
    for (kind, bytes, end) in [
        (ProviderKind::Anthropic, message_bytes(), "event: message_stop"),
        (
            ProviderKind::Openai,
            crate::provider::answer_bytes(),
            "data: {\"choices\":[],",
        ),
    ] {
        // From here on the answer is whole.
        let finished = String::from_utf8_lossy(&bytes).find(end).unwrap() - 1;
        let broken = |at: usize| {
            let begun = vec![bytes[..at].to_vec()];
            [
                (Act::Cut(begun.clone()), ErrorCode::ModelUnavailable),
                (Act::Stream(begun), ErrorCode::ModelMalformed),
            ]
        };
        let each = async |from: usize| {
            let cuts = || (from..finished).step_by(AT_ONCE).flat_map(broken);
            let acts = cuts().flat_map(|(act, _)| vec![act; TRIES]).collect();
            let provider = Provider::of(kind, acts).await;
            for (place, (_, code)) in cuts().enumerate() {
                let fault = complete(&provider, QUICK).await.0.unwrap_err();
                let asked = provider.heard.requests.lock().unwrap().len();
                let at = from + place / 2 * AT_ONCE;
                assert_eq!(
                    (fault.code, asked),
                    (code, TRIES * (place + 1)),
                    "{kind:?} at {at}: {fault:?}"
                );
            }
        };
        futures_util::future::join_all((0..AT_ONCE).map(each)).await;
    }
}

#[tokio::test]
async fn an_answer_that_was_not_streamed_is_an_answer() {
    let whole = json!({ "type": "message", "role": "assistant", "stop_reason": "tool_use",
        "content": [
            { "type": "thinking", "thinking": "hm", "signature": "s" },
            { "type": "text", "text": "Größe 1\n" },
            { "type": "tool_use", "id": "a", "name": "file_read", "input": { "path": "a" } },
            { "type": "tool_use", "id": "b", "name": "file_write", "input": { "path": "b", "content": "ü" } },
        ],
        "usage": { "input_tokens": 3, "output_tokens": 4 } });
    let provider = anthropic(vec![Act::Answer(
        200,
        "content-type: application/json\r\n",
        whole.to_string(),
    )])
    .await;
    let reply = complete(&provider, QUICK).await.0.unwrap();
    assert_eq!(reply.answer, right_answer());
    assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (3, 4));
}

#[tokio::test]
async fn what_later_versions_add_is_passed_over() {
    let inner = [
        json!({ "type": "novelty", "index": "x" }),
        start(0, json!({ "type": "thinking", "thinking": "" })),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": "hm" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "signature_delta", "signature": "s" } }),
        stop(0),
        start(1, json!({ "type": "text", "text": "" })),
        json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "citations_delta", "citation": {} } }),
        json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "text_delta", "text": "hi" } }),
        stop(1),
    ];
    let answer = answer_to(message(&inner, "end_turn")).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.stop), ("hi", StopReason::End));
    for (reason, stop) in [
        ("stop_sequence", StopReason::End),
        ("max_tokens", StopReason::Length),
        ("model_context_window_exceeded", StopReason::Length),
        ("refusal", StopReason::Refused),
    ] {
        assert_eq!(answer_to(message(&inner, reason)).await.unwrap().stop, stop, "{reason}");
    }
}

#[tokio::test]
async fn half_a_call_is_never_one_to_carry_out() {
    for begun in ["", "{", "{\"path\":\"/", "{\"path\":\"/\""] {
        let inner = [start(0, call("a")), input(0, begun), stop(0)];
        let answer = answer_to(message(&inner, "max_tokens")).await.unwrap();
        assert!(answer.tool_calls[0].arguments.is_string(), "{begun}");
        let answer = answer_to(message(&inner, "refusal")).await.unwrap();
        assert_eq!((answer.tool_calls.len(), answer.stop), (0, StopReason::Refused));
    }
    let whole = [start(0, call("a")), stop(0)];
    let answer = answer_to(message(&whole, "tool_use")).await.unwrap();
    assert_eq!(answer.tool_calls[0].arguments, json!({}));
    // Ids are ours: a provider that repeats its own, or has none, asks for two calls all the same.
    for ids in [["a", "a"], ["", ""]] {
        let inner = [start(0, call(ids[0])), stop(0), start(1, call(ids[1])), stop(1)];
        let calls = answer_to(message(&inner, "tool_use")).await.unwrap().tool_calls;
        let names: Vec<&str> = calls.iter().map(|call| call.call_id.as_str()).collect();
        assert_eq!(names, ["t.1.3.0", "t.1.3.1"]);
    }
}

#[tokio::test]
async fn streams_out_of_order_are_refused_whole() {
    let text = || json!({ "type": "text", "text": "" });
    let say = |index: u32| json!({ "type": "content_block_delta", "index": index, "delta": { "type": "text_delta", "text": "x" } });
    let broken: Vec<(&str, Vec<Value>)> = vec![
        (
            "one index twice",
            vec![start(0, call("a")), stop(0), start(0, call("b")), stop(0)],
        ),
        (
            "one index twice at once",
            vec![start(0, call("a")), start(0, call("b")), stop(0)],
        ),
        (
            "an index that falls",
            vec![start(1, text()), stop(1), start(0, call("b")), stop(0)],
        ),
        ("a block without an end", vec![start(0, call("a")), input(0, "{}")]),
        ("an end without a begin", vec![stop(0)]),
        ("a piece before its block", vec![input(0, "{}")]),
        (
            "a piece after its block",
            vec![start(0, call("a")), stop(0), input(0, "{}")],
        ),
        ("words in a call", vec![start(0, call("a")), say(0), stop(0)]),
        ("input in words", vec![start(0, text()), input(0, "{}"), stop(0)]),
        (
            "a message in a message",
            vec![json!({ "type": "message_start", "message": {} })],
        ),
        (
            "an index that is none",
            vec![json!({ "type": "content_block_stop", "index": -1 })],
        ),
        (
            "a call without a name",
            vec![start(0, json!({ "type": "tool_use", "id": "a", "input": {} })), stop(0)],
        ),
    ];
    for (name, inner) in broken {
        let fault = answer_to(message(&inner, "tool_use")).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::ModelMalformed, "{name}");
    }
    let after = [message(&[], "end_turn"), events(&[start(0, call("a")), stop(0)])].concat();
    assert_eq!(answer_to(after).await.unwrap_err().code, ErrorCode::ModelMalformed);
    let before = events(&[start(0, call("a")), stop(0)]);
    assert_eq!(answer_to(before).await.unwrap_err().code, ErrorCode::ModelMalformed);
    let paused = answer_to(message(&[], "pause_turn")).await.unwrap_err();
    assert_eq!(paused.code, ErrorCode::ModelMalformed);
}
