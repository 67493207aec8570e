//! Model servers on this machine, found where they usually listen. Only when a person asks for it: whoever listens at such a port
//! learns that somebody looks for models. Nothing is sent but the question for a list; no key ever.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::limits::{LOCAL_MODEL_MS_MAX, MODEL_LIST_BYTES_MAX};
use openwrap_contracts::model::{LocalModelServer, ProviderKind};
use openwrap_contracts::ports::{CancellationToken, Dialer, HttpRequest, HttpResponse};
use tokio::task::JoinSet;

use crate::exchange::header;
use crate::{models_list, wire};

/// What egress has to allow at 127.0.0.1 and each of the ports while it looks.
pub const LOCAL_PURPOSE: &str = "model-search";

/// Where a product listens unless told otherwise.
#[derive(Debug, Clone, Copy)]
pub struct LocalPort {
    pub port: u16,
    /// Fit to be a provider's id.
    pub provider_id: &'static str,
    pub name: &'static str,
}

const fn at(port: u16, provider_id: &'static str, name: &'static str) -> LocalPort {
    LocalPort {
        port,
        provider_id,
        name,
    }
}

/// Ports that are looked at, in this order.
pub const LOCAL_PORTS: [LocalPort; 8] = [
    at(11434, "ollama", "Ollama"),
    at(1234, "lm-studio", "LM Studio"),
    at(8080, "llama-cpp", "llama.cpp"),
    at(8000, "vllm", "vLLM"),
    at(30000, "sglang", "SGLang"),
    at(1337, "jan", "Jan"),
    at(4891, "gpt4all", "GPT4All"),
    at(5001, "koboldcpp", "KoboldCpp"),
];

/// Looks at some ports of 127.0.0.1 at once, each for a short time; who gives no list of models is not there. In the order of the ports.
pub async fn find_local(
    dialer: &Arc<dyn Dialer>,
    ports: &[LocalPort],
    cancel: &CancellationToken,
) -> Vec<LocalModelServer> {
    let mut looks = JoinSet::new();
    for (place, port) in ports.iter().copied().enumerate() {
        let (dialer, cancel) = (Arc::clone(dialer), cancel.clone());
        looks.spawn(async move {
            let look = look_at(dialer.as_ref(), port, cancel);
            let found = tokio::time::timeout(Duration::from_millis(LOCAL_MODEL_MS_MAX), look).await;
            (place, found.ok().flatten())
        });
    }
    let mut found = Vec::new();
    while let Some(looked) = looks.join_next().await {
        if let Ok((place, Some(server))) = looked {
            found.push((place, server));
        }
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, server)| server).collect()
}

async fn look_at(dialer: &dyn Dialer, port: LocalPort, cancel: CancellationToken) -> Option<LocalModelServer> {
    let base_url = format!("http://127.0.0.1:{}/v1", port.port);
    let request = HttpRequest {
        method: "GET",
        url: format!("{base_url}/models"),
        headers: wire::headers(ProviderKind::Local, None, None, "application/json"),
        body: Bytes::new(),
        purpose: LOCAL_PURPOSE.to_owned(),
        run_id: None,
    };
    let mut response = dialer.http(request, cancel).await.ok()?;
    let json = header(&response, "content-type").is_some_and(|kind| kind.starts_with("application/json"));
    if !json || header(&response, "content-encoding").is_some_and(|how| how != "identity") {
        return None;
    }
    let body = body_of(&mut response).await?;
    let (model_ids, needs_key) = match response.status {
        200 => (models_list::read(&body)?, false),
        401 | 403 => {
            let refusal: serde_json::Value = serde_json::from_slice(&body).ok()?;
            refusal.get("error")?;
            (Vec::new(), true)
        }
        _ => return None,
    };
    Some(LocalModelServer {
        provider_id: port.provider_id.to_owned(),
        name: port.name.to_owned(),
        kind: ProviderKind::Local,
        base_url,
        model_ids,
        needs_key,
    })
}

async fn body_of(response: &mut HttpResponse) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.body.recv().await {
        body.extend_from_slice(&chunk.ok()?);
        if body.len() > MODEL_LIST_BYTES_MAX {
            return None;
        }
    }
    Some(body)
}
