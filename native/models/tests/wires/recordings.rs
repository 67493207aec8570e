//! AS-052: recordings on a real socket: what is sent, what is tried again, and what is believed of the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use openwrap_contracts::model::{ProviderKind, TranscriptionCall, TranscriptionReply};
use openwrap_contracts::ports::{CancellationToken, Meter, Models, Task};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_models::Terms;

use crate::QUICK;
use crate::provider::{Act, KEY, Provider, Shown, answer_bytes, call};

/// Counts what it is told.
#[derive(Debug, Default)]
struct Counted {
    begun: AtomicUsize,
    again: AtomicUsize,
}

impl Meter for Counted {
    fn begun(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn again(&self) -> Task<'_, Outcome<()>> {
        self.again.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

async fn listen(provider: &Provider) -> (Outcome<TranscriptionReply>, Arc<Counted>) {
    listen_by(provider, Terms::default()).await
}

async fn listen_by(provider: &Provider, terms: Terms) -> (Outcome<TranscriptionReply>, Arc<Counted>) {
    let counted = Arc::new(Counted::default());
    let call = TranscriptionCall {
        run_id: "run".to_owned(),
        route: "p/m".to_owned(),
        file_name: "recording.mp3".to_owned(),
        media_type: "audio/mpeg".to_owned(),
        bytes: Bytes::from_static(b"ID3\xffsound"),
        prompt: None,
        meter: Some(Arc::clone(&counted) as _),
    };
    let fabric = provider.fabric(QUICK);
    fabric.set_terms([("p".to_owned(), terms)].into());
    (fabric.transcribe(call, CancellationToken::new()).await, counted)
}

fn json(text: &str) -> Act {
    Act::Answer(200, "content-type: application/json\r\n", text.to_owned())
}

#[tokio::test]
async fn a_recording_is_sent_as_a_form_and_its_words_come_back_without_the_key() {
    let said = serde_json::json!({ "text": format!("hello {KEY}"), "usage": { "type": "duration", "seconds": 7 } });
    let provider = Provider::start(vec![json(&said.to_string())]).await;
    let (outcome, counted) = listen(&provider).await;
    let reply = outcome.unwrap();
    assert!(
        reply.text.starts_with("hello ") && !reply.text.contains(KEY),
        "{}",
        reply.text
    );
    assert_eq!((reply.seconds, reply.tries), (Some(7), 1));
    assert_eq!(counted.begun.load(Ordering::Relaxed), 1);
    let head = provider.heard.requests.lock().unwrap()[0].0.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/audio/transcriptions "), "{head}");
    assert!(
        head.contains("content-type: multipart/form-data; boundary=openwrap-"),
        "{head}"
    );
    assert_eq!(head.matches("content-type:").count(), 1, "{head}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let busy = Act::Answer(503, "", r#"{"error":{"message":"busy"}}"#.to_owned());
    let provider = Provider::start(vec![busy, json("{"), json(r#"{"text":"three"}"#)]).await;
    let (outcome, counted) = listen(&provider).await;
    assert_eq!(outcome.unwrap().tries, 3);
    // Each try is paid for that began to answer; the account hears of every one.
    assert_eq!(
        (
            counted.begun.load(Ordering::Relaxed),
            counted.again.load(Ordering::Relaxed)
        ),
        (2, 2)
    );
    for (status, code) in [
        (400, ErrorCode::ModelRejected),
        (401, ErrorCode::ModelAuth),
        (404, ErrorCode::ModelAddress),
        (413, ErrorCode::ModelRejected),
    ] {
        let refusal = Act::Answer(status, "", format!(r#"{{"error":{{"message":"no {KEY}"}}}}"#));
        let provider = Provider::start(vec![refusal]).await;
        let (outcome, counted) = listen(&provider).await;
        let fault = outcome.unwrap_err();
        assert_eq!(fault.code, code);
        assert!(!fault.message.contains(KEY), "{fault}");
        assert_eq!(counted.again.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn a_provider_is_asked_by_its_own_terms() {
    let busy = || Act::Answer(503, "", r#"{"error":{"message":"busy"}}"#.to_owned());
    let provider = Provider::start(vec![busy(), json(r#"{"text":"two"}"#)]).await;
    let terms = Terms {
        tries: Some(1),
        organization: Some("org-7".to_owned()),
        ..Terms::default()
    };
    let (outcome, counted) = listen_by(&provider, terms).await;
    assert_eq!(outcome.unwrap_err().code, ErrorCode::ModelUnavailable);
    assert_eq!(counted.again.load(Ordering::Relaxed), 0);
    let head = provider.heard.requests.lock().unwrap()[0].0.to_ascii_lowercase();
    assert!(head.contains("openai-organization: org-7"), "{head}");
    let provider = Provider::start(vec![Act::Hang(Vec::new())]).await;
    let terms = Terms {
        wall_ms: Some(1),
        ..Terms::default()
    };
    let (outcome, _) = listen_by(&provider, terms).await;
    assert_eq!(outcome.unwrap_err().message, "the answer took too long");
}

#[tokio::test]
async fn an_answer_without_end_is_given_up_and_messages_know_no_recordings() {
    let endless = vec![vec![b' '; 1 << 20]; 6];
    let under = Act::Under("content-type: application/json\r\n", endless);
    let provider = Provider::start(vec![under]).await;
    assert_eq!(listen(&provider).await.0.unwrap_err().code, ErrorCode::LimitExceeded);
    let other = Provider::of(ProviderKind::Anthropic, vec![json("{}")]).await;
    assert_eq!(listen(&other).await.0.unwrap_err().code, ErrorCode::NoRoute);
    assert!(other.heard.requests.lock().unwrap().is_empty());
}

/// Takes the first try and no other.
#[derive(Debug, Default)]
struct Poor(AtomicUsize);

impl Meter for Poor {
    fn begun(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn again(&self) -> Task<'_, Outcome<()>> {
        Box::pin(async { Err(Fault::new(ErrorCode::BudgetReached, "no more")) })
    }
}

/// AS-040: on the wire of chat as well.
#[tokio::test]
async fn a_try_that_was_cut_is_paid_for_and_another_needs_leave() {
    let whole = answer_bytes();
    let half = whole[..whole.len() / 2].to_vec();
    let provider = Provider::start(vec![Act::Cut(vec![half.clone()]), Act::Stream(vec![whole])]).await;
    let counted = Arc::new(Counted::default());
    let mut asked = call();
    asked.meter = Some(Arc::clone(&counted) as _);
    let shown = Arc::new(Shown::default());
    let fabric = provider.fabric(QUICK);
    let reply = fabric.complete(asked, shown, CancellationToken::new()).await.unwrap();
    assert_eq!((reply.tries, counted.begun.load(Ordering::Relaxed)), (2, 2));
    assert_eq!(counted.again.load(Ordering::Relaxed), 1);
    let poor = Arc::new(Poor::default());
    let provider = Provider::start(vec![Act::Cut(vec![half])]).await;
    let mut asked = call();
    asked.meter = Some(Arc::clone(&poor) as _);
    let fabric = provider.fabric(QUICK);
    let refused = fabric
        .complete(asked, Arc::new(Shown::default()), CancellationToken::new())
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::BudgetReached);
    assert_eq!(
        (
            poor.0.load(Ordering::Relaxed),
            provider.heard.requests.lock().unwrap().len()
        ),
        (1, 1)
    );
}
