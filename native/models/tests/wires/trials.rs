//! Trying a provider out, its manners, and servers found on this machine.

use std::sync::Arc;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::model::ProviderKind;
use openwrap_contracts::ports::{CancellationToken, Dialer, Secret};
use openwrap_models::{LocalPort, find_local};
use serde_json::json;

use crate::provider::{Act, PlainDialer, Provider, answer_bytes, message_bytes};
use crate::{QUICK, complete, right_answer};

const JSON: &str = "content-type: application/json\r\n";

fn list(names: &[&str]) -> Act {
    let data: Vec<_> = names.iter().map(|name| json!({ "id": name })).collect();
    Act::Answer(200, JSON, json!({ "object": "list", "data": data }).to_string())
}

async fn tried(
    provider: &Provider,
    key: Option<&str>,
) -> openwrap_contracts::Outcome<openwrap_contracts::model::ProviderTest> {
    let key = key.map(|key| Secret::new(key.as_bytes().to_vec()));
    let fabric = provider.fabric(QUICK);
    fabric
        .try_provider(&provider.config(), key, &CancellationToken::new())
        .await
}

#[tokio::test]
async fn a_provider_that_answers_is_told_with_its_models() {
    for (kind, bytes) in [
        (ProviderKind::Local, answer_bytes()),
        (ProviderKind::Anthropic, message_bytes()),
    ] {
        let provider = Provider::of(kind, vec![list(&["m", "n"]), Act::Stream(vec![bytes.clone()])]).await;
        let test = tried(&provider, Some("another-key\n")).await.unwrap();
        assert_eq!((test.model_id.as_str(), test.model_ids.len()), ("m", 2));
        let requests = provider.heard.requests.lock().unwrap();
        assert!(requests[0].0.starts_with("GET /v1/models HTTP/1.1\r\n"));
        assert!(requests.iter().all(|(head, _)| head.contains("another-key\r\n")));
    }
    // Some have no list.
    let none = Act::Answer(404, "", String::new());
    let provider = Provider::of(ProviderKind::Anthropic, vec![none, Act::Stream(vec![message_bytes()])]).await;
    assert_eq!(tried(&provider, None).await.unwrap().model_ids.len(), 0);
}

#[tokio::test]
async fn what_is_wrong_is_said_once_and_exactly() {
    let error =
        |status: u16, message: &str| Act::Answer(status, JSON, json!({ "error": { "message": message } }).to_string());
    let provider = Provider::start(vec![list(&["a", "b"]), error(404, "The model `m` does not exist")]).await;
    let fault = tried(&provider, None).await.unwrap_err();
    assert_eq!(
        (fault.code, fault.hint.as_str()),
        (ErrorCode::ModelUnknown, "It has: a, b.")
    );
    let provider = Provider::start(vec![error(401, "bad key")]).await;
    let fault = tried(&provider, None).await.unwrap_err();
    assert_eq!(fault.code, ErrorCode::ModelAuth);
    assert_eq!(provider.heard.requests.lock().unwrap().len(), 2);
    let gone = Provider::start(vec![Act::Close]).await;
    let config = gone.config();
    let fabric = gone.fabric(QUICK);
    drop(gone);
    tokio::task::yield_now().await;
    let outcome = fabric.try_provider(&config, None, &CancellationToken::new()).await;
    let fault = outcome.unwrap_err();
    assert_eq!(fault.code, ErrorCode::ModelUnavailable);
    assert!(fault.hint.contains("Nothing listens at 127.0.0.1"), "{fault:?}");
}

#[tokio::test]
async fn a_server_that_names_what_it_does_not_know_is_asked_otherwise_and_that_is_kept() {
    let unknown = |field: &str| {
        Act::Answer(
            422,
            JSON,
            json!({ "detail": format!("extra field: {field}") }).to_string(),
        )
    };
    let whole = || Act::Stream(vec![answer_bytes()]);
    let acts = vec![
        unknown("stream_options"),
        unknown("max_completion_tokens"),
        whole(),
        whole(),
    ];
    let provider = Provider::start(acts).await;
    let fabric = provider.fabric(QUICK);
    for tries in [3, 1] {
        let shown = Arc::new(crate::provider::Shown::default());
        let reply = openwrap_contracts::ports::Models::complete(
            fabric.as_ref(),
            crate::provider::call(),
            shown,
            CancellationToken::new(),
        );
        let reply = reply.await.unwrap();
        assert_eq!((reply.answer, reply.tries), (right_answer(), tries));
    }
    let last = provider.heard.requests.lock().unwrap()[3].1.clone();
    assert_eq!((last.get("stream_options"), &last["max_tokens"]), (None, &json!(99)));
    let provider = Provider::start(vec![unknown("max_completion_tokens, max_tokens")]).await;
    let fault = complete(&provider, QUICK).await.0.unwrap_err();
    assert_eq!(fault.code, ErrorCode::ModelRejected);
}

#[tokio::test]
async fn servers_on_this_machine_are_found_by_their_lists_only() {
    let acts = [
        ("ollama", list(&["llama"])),
        (
            "vllm",
            Act::Answer(401, JSON, json!({ "error": "Unauthorized" }).to_string()),
        ),
        (
            "page",
            Act::Answer(200, "content-type: text/html\r\n", "<p>".to_owned()),
        ),
        ("other", Act::Answer(200, JSON, json!({ "status": "ok" }).to_string())),
        ("mute", Act::Close),
        ("slow", Act::Hang(Vec::new())),
        ("endless", Act::Under(JSON, vec![vec![b' '; 1 << 20]; 4])),
    ];
    let mut servers = Vec::new();
    let mut ports = Vec::new();
    for (provider_id, act) in acts {
        let server = Provider::start(vec![act]).await;
        ports.push(LocalPort {
            port: server.port,
            provider_id,
            name: "x",
        });
        servers.push(server);
    }
    let dialer: Arc<dyn Dialer> = Arc::new(PlainDialer);
    let found = find_local(&dialer, &ports, &CancellationToken::new()).await;
    let told: Vec<_> = found
        .iter()
        .map(|server| (server.provider_id.as_str(), server.model_ids.len(), server.needs_key))
        .collect();
    assert_eq!(told, [("ollama", 1, false), ("vllm", 0, true)]);
    assert_eq!(found[0].base_url, format!("http://127.0.0.1:{}/v1", servers[0].port));
    for server in &servers {
        let requests = server.heard.requests.lock().unwrap();
        assert!(
            requests
                .iter()
                .all(|(head, _)| !head.to_lowercase().contains("authorization"))
        );
    }
}
