//! Servers that mean harm, on both wires: every one ends in one fault, soon, in little memory, and with the key nowhere.

use openwrap_contracts::ErrorCode;
use openwrap_contracts::model::ProviderKind;
use serde_json::json;

use crate::messages::fault_of;
use crate::provider::{Act, KEY, Provider, message_bytes};
use crate::{QUICK, complete};

const KINDS: [ProviderKind; 2] = [ProviderKind::Openai, ProviderKind::Anthropic];
const STREAM: &str = "content-type: text/event-stream\r\n";
const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn what_is_no_model_server_is_told_at_once() {
    let page = "<!doctype html><title>router</title>".to_owned();
    let acts = [
        Act::Answer(200, "content-type: text/html; charset=utf-8\r\n", page.clone()),
        Act::Answer(404, "content-type: text/html\r\n", page.clone()),
        Act::Answer(400, "content-type: text/html\r\n", page),
        Act::Answer(302, "location: http://127.0.0.1:1/login\r\n", String::new()),
        Act::Answer(200, "content-type: image/png\r\n", "x".to_owned()),
        Act::Answer(200, "content-type: text/plain\r\n", "hello".to_owned()),
        Act::Answer(200, "", String::new()),
        Act::Answer(200, JSON, json!({ "status": "ok" }).to_string()),
        Act::Answer(200, JSON, "[]".to_owned()),
        Act::Answer(
            200,
            JSON,
            json!({ "error": "Unexpected endpoint or method. (POST /x). Returning 200 anyway" }).to_string(),
        ),
    ];
    for kind in KINDS {
        for (place, act) in acts.iter().enumerate() {
            let (fault, tries) = fault_of(kind, act.clone()).await;
            let malformed = place == 8 || (kind == ProviderKind::Anthropic && place >= 7);
            if malformed && fault.code == ErrorCode::ModelMalformed {
                continue;
            }
            assert_eq!(
                (fault.code, tries),
                (ErrorCode::ModelAddress, 1),
                "{kind:?} {place}: {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_has_no_end_ends() {
    let line = vec![b'a'; 1 << 20];
    let nested = format!("data: {}\n\n", "[".repeat(100_000));
    let comments = [b": ".as_slice(), &line, b"\n"].concat();
    for kind in KINDS {
        let cases = [
            (
                "a line",
                Act::Under(STREAM, vec![line.clone(); 10]),
                ErrorCode::LimitExceeded,
            ),
            (
                "comments",
                Act::Under(STREAM, vec![comments.clone(); 70]),
                ErrorCode::LimitExceeded,
            ),
            (
                "JSON",
                Act::Under(JSON, vec![line.clone(); 10]),
                ErrorCode::LimitExceeded,
            ),
            (
                "depth",
                Act::Stream(vec![nested.clone().into_bytes()]),
                ErrorCode::ModelMalformed,
            ),
        ];
        for (name, act, code) in cases {
            let (fault, tries) = fault_of(kind, act).await;
            assert_eq!(fault.code, code, "{kind:?} {name}: {fault:?}");
            assert_eq!(
                tries,
                if code == ErrorCode::LimitExceeded { 1 } else { 4 },
                "{kind:?} {name}"
            );
        }
        // An error of any length is read as far as it is shown.
        let (fault, _) = fault_of(kind, Act::Answer(400, "", "e".repeat(8 << 20))).await;
        assert!(fault.message.len() < 3000, "{}", fault.message.len());
    }
}

#[tokio::test]
async fn many_events_cost_what_they_weigh() {
    // Open blocks without number, and calls beyond the limit.
    let block = |index: u32| {
        let block = json!({ "type": "content_block_start", "index": index,
            "content_block": { "type": "tool_use", "id": "", "name": "file_read", "input": {} } });
        format!("data: {block}\n\n")
    };
    let blocks: String = (0..200).map(block).collect();
    let begin = format!("data: {}\n\n", json!({ "type": "message_start", "message": {} }));
    let (fault, _) = fault_of(
        ProviderKind::Anthropic,
        Act::Stream(vec![(begin + &blocks).into_bytes()]),
    )
    .await;
    assert_eq!(fault.code, ErrorCode::ModelMalformed);
    let calls: String = (0..200)
        .map(|index| {
            let call = json!({ "index": index, "id": "", "function": { "name": "file_read", "arguments": "{}" } });
            format!(
                "data: {}\n\n",
                json!({ "choices": [{ "delta": { "tool_calls": [call] } }] })
            )
        })
        .collect();
    let end = format!(
        "data: {}\n\n",
        json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] })
    );
    let provider = Provider::start(vec![Act::Stream(vec![(calls + &end).into_bytes()])]).await;
    let answer = complete(&provider, QUICK).await.0.unwrap().answer;
    assert_eq!(answer.tool_calls.len(), 16);
}

#[tokio::test]
async fn what_comes_packed_or_as_no_text_is_not_read() {
    for kind in KINDS {
        for how in [
            "content-encoding: gzip\r\n",
            "content-encoding: br\r\n",
            "content-encoding: x, gzip\r\n",
        ] {
            let (fault, tries) = fault_of(kind, Act::Under(how, vec![vec![0x1f, 0x8b, 8, 0]])).await;
            assert_eq!((fault.code, tries), (ErrorCode::ModelMalformed, 1), "{how}");
        }
        for lines in [STREAM, JSON] {
            let bytes = b"data: {\"type\":\"\xff\xfe\"}\n\n".to_vec();
            let (fault, _) = fault_of(kind, Act::Under(lines, vec![bytes])).await;
            assert_eq!(fault.code, ErrorCode::ModelMalformed, "{lines}");
        }
    }
}

/// A byte at a time is slow, but it is an answer.
#[tokio::test]
async fn drops_add_up() {
    let drops = message_bytes().iter().map(|byte| vec![*byte]).collect();
    let provider = Provider::of(ProviderKind::Anthropic, vec![Act::Stream(drops)]).await;
    let reply = complete(&provider, QUICK).await.0.unwrap();
    assert_eq!(reply.answer, crate::right_answer());
}

/// The key in every place a server may put it: nothing that leaves holds it, printed in any way.
#[tokio::test]
async fn a_key_that_is_sent_back_goes_nowhere() {
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let json_text = serde_json::to_string(KEY).unwrap();
    let inner = &json_text[1..json_text.len() - 1];
    let spellings = [KEY, &hex, inner];
    let body = |text: &str| json!({ "type": "error", "error": { "type": "api_error", "message": text } }).to_string();
    // `Act` takes lines that live as long as the program.
    let leaked: &'static str = Box::leak(format!("request-id: {hex}\r\nx-request-id: {KEY}\r\n").into_boxed_str());
    let typed: &'static str = Box::leak(format!("content-type: image/{hex}\r\n").into_boxed_str());
    let packed: &'static str = Box::leak(format!("content-encoding: {KEY}\r\n").into_boxed_str());
    for kind in KINDS {
        for spelling in spellings {
            let acts = [
                Act::Answer(400, leaked, body(spelling)),
                Act::Answer(401, leaked, spelling.to_owned()),
                Act::Answer(404, leaked, body(&format!("model {spelling}"))),
                Act::Answer(529, leaked, body(spelling)),
                Act::Answer(200, typed, spelling.to_owned()),
                Act::Answer(200, packed, spelling.to_owned()),
                Act::Stream(vec![format!("data: {}\n\n", body(spelling)).into_bytes()]),
                Act::Stream(vec![format!("data: {{\"type\":\"{spelling}\"}}\n\n").into_bytes()]),
                Act::Stream(vec![format!("data: {{\"choices\":[{spelling}]}}\n\n").into_bytes()]),
            ];
            for act in acts {
                let provider = Provider::of(kind, vec![act]).await;
                let (outcome, shown) = complete(&provider, QUICK).await;
                let told = format!(
                    "{outcome:?} {} {:?}",
                    outcome.as_ref().err().map_or(String::new(), ToString::to_string),
                    shown.all
                );
                for secret in spellings {
                    assert!(!told.contains(secret), "{kind:?}: {told}");
                }
            }
        }
    }
    // Words and inputs of an answer, in pieces.
    let piece = |delta: serde_json::Value| {
        format!(
            "data: {}\n\n",
            json!({ "type": "content_block_delta", "index": 0, "delta": delta })
        )
    };
    for at in 0..=KEY.len() {
        let begin = json!({ "type": "message_start", "message": {} });
        let start =
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "it is " } });
        let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" } });
        let text = [
            format!("data: {begin}\n\ndata: {start}\n\n"),
            piece(json!({ "type": "text_delta", "text": &KEY[..at] })),
            piece(json!({ "type": "text_delta", "text": &KEY[at..] })),
            format!(
                "data: {}\n\ndata: {end}\n\n",
                json!({ "type": "content_block_stop", "index": 0 })
            ),
        ];
        let provider = Provider::of(
            ProviderKind::Anthropic,
            vec![Act::Stream(vec![text.concat().into_bytes()])],
        )
        .await;
        let (reply, shown) = complete(&provider, QUICK).await;
        assert_eq!(reply.unwrap().answer.text, "it is [redacted]");
        assert_eq!(*shown.text.lock().unwrap(), "it is [redacted]");
    }
}
