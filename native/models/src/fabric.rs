//! The fabric: providers, routes, calls with retries.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use openwrap_contracts::limits::{MODEL_IDLE_MS_MAX, MODEL_TRIES_MAX, MODEL_WALL_MS_MAX};
use openwrap_contracts::model::{ModelAnswer, ModelCall, ModelReply, ProviderConfig, ProviderKind, Usage};
use openwrap_contracts::ports::{
    CancellationToken, Dialer, HttpRequest, HttpResponse, Models, Secret, Task, TextSink, Vault,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::assembly::Assembly;
use crate::redaction::Redactor;
use crate::retry::{Failure, wait_ms};
use crate::wire;

/// Most of an error body that is read.
const ERROR_BODY_BYTES: usize = 16 * 1024;

/// Every model call goes through here.
pub struct ModelFabric {
    dialer: Arc<dyn Dialer>,
    vault: Arc<dyn Vault>,
    providers: RwLock<BTreeMap<String, ProviderConfig>>,
}

impl ModelFabric {
    #[must_use]
    pub fn new(dialer: Arc<dyn Dialer>, vault: Arc<dyn Vault>) -> Arc<Self> {
        Arc::new(Self {
            dialer,
            vault,
            providers: RwLock::new(BTreeMap::new()),
        })
    }

    /// Replaces the table of providers.
    pub fn set_providers(&self, providers: Vec<ProviderConfig>) {
        let table = providers
            .into_iter()
            .map(|provider| (provider.provider_id.clone(), provider))
            .collect();
        *self.providers.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// Provider and model of a route `provider/model`; without a model the provider's default.
    ///
    /// # Errors
    /// `NO_ROUTE`.
    pub fn route(&self, route: &str) -> Outcome<(ProviderConfig, String)> {
        let (provider_id, model) = route.split_once('/').unwrap_or((route, ""));
        let providers = self.providers.read().unwrap_or_else(PoisonError::into_inner);
        let no_route = |what: String| Fault::new(ErrorCode::NoRoute, what);
        let provider = providers
            .get(provider_id)
            .ok_or_else(|| no_route(format!("there is no provider `{provider_id}`")))?;
        let model = match model {
            "" => provider
                .default_model_id
                .clone()
                .or_else(|| provider.model_ids.first().cloned()),
            named => Some(named.to_owned()),
        };
        let model = model.ok_or_else(|| no_route(format!("provider `{provider_id}` has no model")))?;
        if provider.kind == ProviderKind::Openai && !provider.model_ids.contains(&model) {
            return Err(no_route(format!(
                "provider `{provider_id}` does not list model `{model}`"
            )));
        }
        Ok((provider.clone(), model))
    }

    async fn complete_route(
        &self,
        call: ModelCall,
        deltas: Arc<dyn TextSink>,
        cancel: CancellationToken,
    ) -> Outcome<ModelReply> {
        let (provider, model) = self.route(&call.request.route)?;
        let body = Bytes::from(serde_json::to_vec(&wire::body(&call.request, &model))?);
        let started = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let attempt = self.attempt(&provider, &body, &call, &deltas, &cancel);
            let failure = tokio::select! {
                () = cancel.cancelled() => return Err(Fault::canceled()),
                outcome = tokio::time::timeout(Duration::from_millis(MODEL_WALL_MS_MAX), attempt) => match outcome {
                    Ok(Ok((answer, usage))) => {
                        let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
                        return Ok(ModelReply { answer, usage, latency_ms, tries });
                    }
                    Ok(Err(failure)) => failure,
                    Err(_) => Failure::last(timeout("the answer took too long")),
                },
            };
            if !failure.again || tries as usize >= MODEL_TRIES_MAX {
                return Err(failure.fault);
            }
            let spread = u64::from(started.elapsed().subsec_nanos());
            tokio::select! {
                () = cancel.cancelled() => return Err(Fault::canceled()),
                () = tokio::time::sleep(Duration::from_millis(wait_ms(tries, failure.after_ms, spread))) => {}
            }
        }
    }

    async fn attempt(
        &self,
        provider: &ProviderConfig,
        body: &Bytes,
        call: &ModelCall,
        deltas: &Arc<dyn TextSink>,
        cancel: &CancellationToken,
    ) -> Result<(ModelAnswer, Usage), Failure> {
        let key = match &provider.auth_ref {
            Some(name) => Some(self.vault.open(name).await.map_err(Failure::last)?),
            None => None,
        };
        let redactor = Redactor::new(key.as_ref());
        let request = http_request(provider, body.clone(), key, &call.run_id);
        let outcome = self.exchange(request, call, deltas, cancel, &redactor).await;
        outcome.map_err(|mut failure| {
            failure.fault.message = redactor.clean(&failure.fault.message);
            failure
        })
    }

    async fn exchange(
        &self,
        request: HttpRequest,
        call: &ModelCall,
        deltas: &Arc<dyn TextSink>,
        cancel: &CancellationToken,
        redactor: &Redactor,
    ) -> Result<(ModelAnswer, Usage), Failure> {
        let response = self
            .dialer
            .http(request, cancel.clone())
            .await
            .map_err(|fault| match fault.code {
                ErrorCode::EgressFailed | ErrorCode::Timeout => {
                    Failure::passing(Fault::new(ErrorCode::ModelUnavailable, fault.message))
                }
                _ => Failure::last(fault),
            })?;
        if response.status != 200 {
            return Err(refusal(response).await);
        }
        read_stream(response, call, deltas, redactor).await
    }
}

impl Models for ModelFabric {
    fn complete(
        &self,
        call: ModelCall,
        deltas: Arc<dyn TextSink>,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<ModelReply>> {
        Box::pin(self.complete_route(call, deltas, cancel))
    }
}

fn http_request(provider: &ProviderConfig, body: Bytes, key: Option<Secret>, run_id: &str) -> HttpRequest {
    let mut headers = vec![
        ("content-type".to_owned(), Secret::new(b"application/json".to_vec())),
        ("accept".to_owned(), Secret::new(b"text/event-stream".to_vec())),
    ];
    if let Some(key) = key {
        let mut value = b"Bearer ".to_vec();
        value.extend_from_slice(key.expose());
        headers.push(("authorization".to_owned(), Secret::new(value)));
    }
    HttpRequest {
        method: "POST",
        url: format!("{}/chat/completions", provider.base_url.trim_end_matches('/')),
        headers,
        body,
        purpose: format!("model:{}", provider.provider_id),
        run_id: Some(run_id.to_owned()),
    }
}

async fn refusal(mut response: HttpResponse) -> Failure {
    let header = |name: &str| {
        response
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    };
    let after_ms = header("retry-after-ms")
        .and_then(|value| value.parse::<u64>().ok())
        .or_else(|| {
            let seconds = header("retry-after")?
                .parse::<f64>()
                .ok()
                .filter(|seconds| *seconds >= 0.0)?;
            Some(
                Duration::try_from_secs_f64(seconds)
                    .map_or(u64::MAX, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            )
        });
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = response.body.recv().await {
        body.extend_from_slice(&chunk);
        if body.len() >= ERROR_BODY_BYTES {
            body.truncate(ERROR_BODY_BYTES);
            break;
        }
    }
    let message = serde_json::from_slice::<wire::ErrorBody>(&body).map_or_else(
        |_| String::from_utf8_lossy(&body).trim().to_owned(),
        |body| body.error.message,
    );
    Failure::of_status(response.status, &message, after_ms)
}

async fn read_stream(
    response: HttpResponse,
    call: &ModelCall,
    deltas: &Arc<dyn TextSink>,
    redactor: &Redactor,
) -> Result<(ModelAnswer, Usage), Failure> {
    let mut assembly = Assembly::default();
    let mut offset = 0;
    let body = futures_util::stream::unfold(response.body, |mut body| async move {
        let chunk = body.recv().await?;
        Some((chunk, body))
    });
    let mut events = Box::pin(body.eventsource());
    let idle = Duration::from_millis(MODEL_IDLE_MS_MAX);
    loop {
        let event = match tokio::time::timeout(idle, events.next()).await {
            Err(_) => return Err(Failure::passing(timeout("the provider fell silent"))),
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                let what = format!("the stream broke: {error}");
                return Err(Failure::passing(Fault::new(ErrorCode::ModelUnavailable, what)));
            }
            Ok(Some(Ok(event))) => event,
        };
        if event.data == "[DONE]" {
            break;
        }
        let added = assembly.push(&event.data).map_err(passing_unless_limit)?;
        if !added.is_empty() {
            let clean = redactor.clean(&added);
            deltas.delta(&call.run_id, &call.step, offset, &clean);
            offset += clean.len();
        }
    }
    // A whole answer counts even when the closing line is missing: some servers leave it out.
    let (mut answer, usage) = assembly
        .finish(&call.step, &call.request.tools)
        .map_err(passing_unless_limit)?;
    answer.text = redactor.clean(&answer.text);
    Ok((answer, usage))
}

fn passing_unless_limit(fault: Fault) -> Failure {
    if fault.code == ErrorCode::LimitExceeded {
        Failure::last(fault)
    } else {
        Failure::passing(fault)
    }
}

fn timeout(what: &str) -> Fault {
    Fault::new(ErrorCode::Timeout, what)
}
