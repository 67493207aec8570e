//! The fabric against exact bytes on a real socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The provider and the dialer that reaches it are sockets of the test's own.
#![allow(clippy::disallowed_methods)]

mod hostile;
mod messages;
mod provider;
mod recordings;
mod refusals;
mod trials;

use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::model::{ModelAnswer, ModelReply, StopReason, ToolCallPart, Usage};
use openwrap_contracts::ports::{CancellationToken, Models};
use openwrap_contracts::{Fault, Outcome};
use openwrap_models::Times;
use provider::{Act, KEY, Provider, Shown, answer_bytes, call};
use serde_json::json;

const QUICK: Times = Times {
    idle_ms: 60_000,
    wall_ms: 120_000,
    first_wait_ms: 1,
};

async fn complete(provider: &Provider, times: Times) -> (Outcome<ModelReply>, Arc<Shown>) {
    let shown = Arc::new(Shown::default());
    let fabric = provider.fabric(times);
    let outcome = fabric
        .complete(call(), Arc::clone(&shown) as _, CancellationToken::new())
        .await;
    (outcome, shown)
}

async fn fault_of(act: Act) -> (Fault, usize) {
    let provider = Provider::start(vec![act]).await;
    let fault = complete(&provider, QUICK).await.0.unwrap_err();
    let tries = provider.heard.requests.lock().unwrap().len();
    (fault, tries)
}

fn right_answer() -> ModelAnswer {
    let part = |index: usize, tool: &str, arguments| ToolCallPart {
        call_id: format!("t.1.3.{index}"),
        tool: tool.to_owned(),
        arguments,
    };
    ModelAnswer {
        text: "Größe 1\n".to_owned(),
        tool_calls: vec![
            part(0, "file.read", json!({ "path": "a" })),
            part(1, "file.write", json!({ "path": "b", "content": "ü" })),
        ],
        stop: StopReason::ToolCalls,
    }
}

#[tokio::test]
async fn every_split_of_the_stream_gives_the_same_answer() {
    let bytes = answer_bytes();
    let acts = (0..=bytes.len())
        .map(|at| Act::Stream(vec![bytes[..at].to_vec(), bytes[at..].to_vec()]))
        .collect();
    let provider = Provider::start(acts).await;
    for at in 0..=bytes.len() {
        let (reply, shown) = complete(&provider, QUICK).await;
        let reply = reply.unwrap();
        assert_eq!((reply.answer, reply.tries), (right_answer(), 1), "split at {at}");
        assert_eq!(
            reply.usage,
            Usage {
                input_tokens: 7,
                output_tokens: 5,
                ..Usage::default()
            }
        );
        assert_eq!(*shown.all.lock().unwrap(), "Größe 1\n", "split at {at}");
    }
}

#[tokio::test]
async fn every_cut_of_the_stream_is_asked_again_or_was_whole() {
    let bytes = answer_bytes();
    let mut acts = Vec::new();
    let finished = String::from_utf8_lossy(&bytes).find("data: {\"choices\":[],").unwrap();
    for at in 0..bytes.len() {
        acts.push(Act::Cut(vec![bytes[..at].to_vec()]));
        if at < finished - 1 {
            acts.push(Act::Stream(vec![bytes.clone()]));
        }
    }
    let provider = Provider::start(acts).await;
    for at in 0..bytes.len() {
        let (reply, shown) = complete(&provider, QUICK).await;
        let reply = reply.unwrap();
        assert_eq!(reply.answer, right_answer(), "cut at {at}");
        assert_eq!(reply.tries, if at < finished - 1 { 2 } else { 1 }, "cut at {at}");
        assert_eq!(*shown.text.lock().unwrap(), "Größe 1\n", "cut at {at}");
    }
}

#[tokio::test]
async fn a_stream_cut_every_time_is_a_fault_after_four_tries() {
    let bytes = answer_bytes();
    let (fault, tries) = fault_of(Act::Cut(vec![bytes[..200].to_vec()])).await;
    assert_eq!((fault.code, tries), (ErrorCode::ModelUnavailable, 4));
    // The same with a proper end of the body: the answer itself is not whole.
    let (fault, tries) = fault_of(Act::Stream(vec![bytes[..200].to_vec()])).await;
    assert_eq!((fault.code, tries), (ErrorCode::ModelMalformed, 4));
    let (fault, tries) = fault_of(Act::Stream(vec![b"data: {oops\n\n".to_vec()])).await;
    assert_eq!((fault.code, tries), (ErrorCode::ModelMalformed, 4));
    let (fault, tries) = fault_of(Act::Close).await;
    assert_eq!((fault.code, tries), (ErrorCode::ModelUnavailable, 4));
}

#[tokio::test]
async fn statuses_are_asked_again_or_not() {
    let body = || json!({ "error": { "message": "because" } }).to_string();
    for (status, code, tries) in [
        (400, ErrorCode::ModelRejected, 1),
        (404, ErrorCode::ModelAddress, 1),
        (422, ErrorCode::ModelRejected, 1),
        (401, ErrorCode::ModelAuth, 1),
        (403, ErrorCode::ModelAuth, 1),
        (429, ErrorCode::ModelOverloaded, 4),
        (500, ErrorCode::ModelUnavailable, 4),
        (503, ErrorCode::ModelUnavailable, 4),
    ] {
        let (fault, heard) = fault_of(Act::Answer(status, "retry-after-ms: 1\r\n", body())).await;
        assert_eq!((fault.code, heard), (code, tries), "{status}");
        assert!(fault.message.contains("because"), "{}", fault.message);
    }
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_and_answers() {
    let busy = |more| Act::Answer(429, more, String::new());
    let provider = Provider::start(vec![
        busy("retry-after: 0\r\n"),
        busy("retry-after-ms: 2\r\n"),
        Act::Stream(vec![answer_bytes()]),
    ])
    .await;
    let reply = complete(&provider, QUICK).await.0.unwrap();
    assert_eq!((reply.answer, reply.tries), (right_answer(), 3));
    let requests = provider.heard.requests.lock().unwrap();
    assert!(requests.iter().all(|request| request.1 == requests[0].1));
    assert!(requests[0].0.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert!(requests[0].0.contains(&format!("authorization: Bearer {KEY}\r\n")));
}

#[tokio::test]
async fn a_text_that_broke_off_is_taken_back_when_the_next_try_has_none() {
    let begun = b"data: {\"choices\":[{\"delta\":{\"content\":\"half a\"}}]}\n\n".to_vec();
    let silent = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_vec();
    let provider = Provider::start(vec![Act::Cut(vec![begun]), Act::Stream(vec![silent])]).await;
    let (reply, shown) = complete(&provider, QUICK).await;
    assert_eq!(reply.unwrap().answer.text, "");
    assert_eq!(*shown.text.lock().unwrap(), "");
    assert_eq!(*shown.all.lock().unwrap(), "half a");
}

#[tokio::test]
async fn silence_ends_a_try_and_the_wall_ends_the_call() {
    let head = answer_bytes()[..100].to_vec();
    let provider = Provider::start(vec![Act::Hang(vec![head.clone()]), Act::Stream(vec![answer_bytes()])]).await;
    let short = Times { idle_ms: 200, ..QUICK };
    let reply = complete(&provider, short).await.0.unwrap();
    assert_eq!((reply.answer, reply.tries), (right_answer(), 2));
    let provider = Provider::start(vec![Act::Hang(vec![head])]).await;
    let short = Times { wall_ms: 200, ..QUICK };
    let fault = complete(&provider, short).await.0.unwrap_err();
    assert_eq!(fault.code, ErrorCode::ModelUnavailable);
}

#[tokio::test]
async fn cancel_ends_a_call_in_the_stream_and_in_the_wait() {
    let busy = Act::Answer(429, "retry-after: 30\r\n", String::new());
    for act in [Act::Hang(vec![answer_bytes()[..100].to_vec()]), busy] {
        let provider = Provider::start(vec![act]).await;
        let cancel = CancellationToken::new();
        let fabric = provider.fabric(QUICK);
        let work = fabric.complete(call(), Arc::new(Shown::default()), cancel.clone());
        let stop = async {
            while provider.heard.requests.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            cancel.cancel();
        };
        let (outcome, ()) = tokio::join!(work, stop);
        assert_eq!(outcome.unwrap_err().code, ErrorCode::Canceled);
    }
}

#[tokio::test]
async fn an_echoed_key_leaves_in_no_spelling() {
    let json_text = serde_json::to_string(KEY).unwrap();
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let escaped: String = KEY.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let percent: String = KEY.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let bodies = [
        json!({ "error": { "message": format!("bad key {KEY}, {hex}") } }).to_string(),
        format!("<html>{KEY} {json_text}</html>"),
        format!("<html>{escaped}</html>"),
        format!("see {percent}"),
        json!({ "error": format!("Bearer {KEY}") }).to_string(),
    ];
    for status in [401, 400] {
        for body in &bodies {
            let (fault, _) = fault_of(Act::Answer(status, "", body.clone())).await;
            for secret in [KEY, &json_text[1..json_text.len() - 1], &hex, &escaped, &percent] {
                assert!(!format!("{fault:?}").contains(secret), "{fault:?}");
                assert!(!fault.message.contains(secret), "{}", fault.message);
            }
            assert!(fault.message.contains("[redacted]"), "{}", fault.message);
        }
    }
}

#[tokio::test]
async fn a_key_in_the_answer_leaves_neither_whole_nor_in_pieces() {
    for at in 0..=KEY.len() {
        let say = |text: &str| json!({ "choices": [{ "delta": { "content": text } }] });
        let arguments = json!({ "path": KEY }).to_string();
        let call = json!({ "choices": [{ "delta": { "tool_calls": [
            { "index": 0, "id": "x", "function": { "name": "file_read", "arguments": arguments } } ] }, "finish_reason": "tool_calls" }] });
        let events = [say("it is "), say(&KEY[..at]), say(&KEY[at..]), say("."), call];
        let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let provider = Provider::start(vec![Act::Stream(vec![text.into_bytes()])]).await;
        let (reply, shown) = complete(&provider, QUICK).await;
        let answer = reply.unwrap().answer;
        assert_eq!(answer.text, "it is [redacted].");
        assert_eq!(answer.tool_calls[0].arguments, json!({ "path": "[redacted]" }));
        assert_eq!(*shown.text.lock().unwrap(), answer.text);
        assert!(!shown.all.lock().unwrap().contains(KEY));
    }
}

/// The spellings a key may come back in, each cut at every place over two chunks, in text, arguments and errors.
#[tokio::test]
async fn every_spelling_in_pieces_leaves_nothing() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let json_text = serde_json::to_string(KEY).unwrap();
    let spellings = [
        KEY.to_owned(),
        STANDARD.encode(KEY),
        URL_SAFE.encode(KEY),
        KEY.bytes().map(|byte| format!("{byte:02x}")).collect(),
        KEY.bytes().map(|byte| format!("{byte:02X}")).collect(),
        KEY.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>(),
        "sk-canary%2FZx%2B9%228_77%5CaQ".to_owned(),
        json_text[1..json_text.len() - 1].to_owned(),
    ];
    for (place, spelling) in spellings.iter().enumerate() {
        // Escaping what needs none is only looked through where the text is an error.
        if place == 5 {
            let body = json!({ "error": { "message": format!("see {spelling}") } }).to_string();
            let (fault, _) = fault_of(Act::Answer(400, "", body)).await;
            assert!(!fault.message.contains(spelling), "{}", fault.message);
            continue;
        }
        let say = |text: &str| json!({ "choices": [{ "delta": { "content": text } }] });
        let piece = |text: &str| {
            json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 0, "id": "x",
                "function": { "name": "file_read", "arguments": text } }] } }] })
        };
        let broken = json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] });
        for at in (0..=spelling.len()).step_by(3) {
            let arguments = json!({ "path": format!("a {spelling} b") }).to_string();
            let half = arguments.len() / 2;
            let events = [
                say(&spelling[..at]),
                say(&spelling[at..]),
                say("."),
                piece(&arguments[..half]),
                piece(&arguments[half..]),
                broken.clone(),
            ];
            let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            let provider = Provider::start(vec![Act::Stream(vec![text.into_bytes()])]).await;
            let (reply, shown) = complete(&provider, QUICK).await;
            let answer = reply.unwrap().answer;
            let said = shown.all.lock().unwrap();
            // Of base64, at most the last character and the padding stay: they hold less than one byte of the key.
            assert!(answer.text.len() <= "[redacted]Q==.".len(), "{}", answer.text);
            assert!(!said.contains(spelling) && said.starts_with("[redacted]"), "{said}");
            assert!(!answer.tool_calls[0].arguments.to_string().contains(spelling.as_str()));
        }
    }
}

#[tokio::test]
async fn a_key_cut_off_by_a_limit_is_no_key_shown() {
    let cut = &KEY[..KEY.len() - 1];
    let body = json!({ "error": { "message": format!("bad key {cut}") } }).to_string();
    let (fault, _) = fault_of(Act::Answer(400, "", body)).await;
    assert!(
        !fault.message.contains(cut) && fault.message.contains("[redacted]"),
        "{}",
        fault.message
    );
    let events = [
        json!({ "choices": [{ "delta": { "content": format!("it is {cut}") }, "finish_reason": "length" }] })
            .to_string(),
        "[DONE]".to_owned(),
    ];
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let provider = Provider::start(vec![Act::Stream(vec![text.into_bytes()])]).await;
    let (reply, shown) = complete(&provider, QUICK).await;
    assert_eq!(reply.unwrap().answer.text, "it is [redacted]");
    assert_eq!(*shown.text.lock().unwrap(), "it is [redacted]");
}

#[tokio::test]
async fn an_answer_without_end_is_refused_once() {
    let chunk = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "a".repeat(1 << 20)
    );
    let (fault, tries) = fault_of(Act::Hang(vec![chunk.into_bytes(); 6])).await;
    assert_eq!((fault.code, tries), (ErrorCode::LimitExceeded, 1));
}

#[tokio::test]
async fn routes_that_do_not_exist_are_named() {
    let provider = Provider::start(vec![Act::Close]).await;
    let fabric = provider.fabric(QUICK);
    for route in ["q/m", "p/other", "q"] {
        let mut call = call();
        Arc::make_mut(&mut call.request).route = route.to_owned();
        let outcome = fabric
            .complete(call, Arc::new(Shown::default()), CancellationToken::new())
            .await;
        assert_eq!(outcome.unwrap_err().code, ErrorCode::NoRoute, "{route}");
    }
    assert_eq!(fabric.route("p").unwrap().1, "m");
}
