//! The fabric: providers, routes, calls with retries.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openwrap_contracts::limits::{MODEL_ANSWER_BYTES_MAX, MODEL_IDLE_MS_MAX, MODEL_TRIES_MAX, MODEL_WALL_MS_MAX};
use openwrap_contracts::model::{ModelAnswer, ModelCall, ModelReply, ProviderConfig, ProviderKind, Usage};
use openwrap_contracts::ports::{
    CancellationToken, Dialer, HttpRequest, HttpResponse, Models, Secret, Task, TextSink, Vault,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::assembly::Assembly;
use crate::redaction::Redactor;
use crate::retry::{Failure, WAIT_MS_MIN, wait_ms};
use crate::stream::EventDecoder;
use crate::wire;

/// Most of an error body that is read.
const ERROR_BODY_BYTES: usize = 16 * 1024;
/// Most of a provider's message that goes on.
const MESSAGE_BYTES: usize = 2000;

/// How long a call may take, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Without any byte.
    pub idle_ms: u64,
    /// All tries together.
    pub wall_ms: u64,
    /// Before the second try; doubles from there.
    pub first_wait_ms: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            idle_ms: MODEL_IDLE_MS_MAX,
            wall_ms: MODEL_WALL_MS_MAX,
            first_wait_ms: WAIT_MS_MIN,
        }
    }
}

/// Every model call goes through here.
pub struct ModelFabric {
    dialer: Arc<dyn Dialer>,
    vault: Arc<dyn Vault>,
    times: Times,
    providers: RwLock<BTreeMap<String, ProviderConfig>>,
}

impl ModelFabric {
    #[must_use]
    pub fn new(dialer: Arc<dyn Dialer>, vault: Arc<dyn Vault>) -> Arc<Self> {
        Self::with_times(dialer, vault, Times::default())
    }

    /// As `new`, with other times.
    #[must_use]
    pub fn with_times(dialer: Arc<dyn Dialer>, vault: Arc<dyn Vault>, times: Times) -> Arc<Self> {
        Arc::new(Self {
            dialer,
            vault,
            times,
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
        let body = wire::body(&call.request, &model, provider.kind);
        let body = Bytes::from(serde_json::to_vec(&body)?);
        let started = Instant::now();
        let text = StepText::new(&call, &*deltas);
        let work = async {
            let mut tries = 0;
            loop {
                tries += 1;
                let failure = match self.attempt(&provider, &body, &call, &text, &cancel).await {
                    Ok((answer, usage)) => return Ok((answer, usage, tries)),
                    Err(failure) => failure,
                };
                if !failure.again || tries as usize >= MODEL_TRIES_MAX {
                    return Err(failure.fault);
                }
                // The clock's last digits keep many workers from trying in step.
                let spread = u64::from(started.elapsed().subsec_nanos());
                let wait = wait_ms(self.times.first_wait_ms, tries, failure.after_ms, spread);
                tokio::time::sleep(Duration::from_millis(wait)).await;
                text.restart();
            }
        };
        let (answer, usage, tries) = tokio::select! {
            () = cancel.cancelled() => return Err(Fault::canceled()),
            outcome = tokio::time::timeout(Duration::from_millis(self.times.wall_ms), work) => {
                outcome.unwrap_or_else(|_| Err(silent("the answer took too long")))?
            }
        };
        Ok(ModelReply {
            answer,
            usage,
            latency_ms: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
            tries,
        })
    }

    async fn attempt(
        &self,
        provider: &ProviderConfig,
        body: &Bytes,
        call: &ModelCall,
        text: &StepText<'_>,
        cancel: &CancellationToken,
    ) -> Result<(ModelAnswer, Usage), Failure> {
        let key = match &provider.auth_ref {
            Some(name) => Some(trimmed(&self.vault.open(name).await.map_err(Failure::last)?)),
            None => None,
        };
        let redactor = Redactor::new(key.as_ref());
        let request = http_request(provider, body.clone(), key, &call.run_id);
        let outcome = self.exchange(request, call, text, cancel, &redactor).await;
        outcome.map_err(|mut failure| {
            failure.fault.message = shortened(redactor.clean_strictly(failure.fault.message));
            failure
        })
    }

    async fn exchange(
        &self,
        request: HttpRequest,
        call: &ModelCall,
        text: &StepText<'_>,
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
            return Err(self.refusal(response).await);
        }
        let mut assembly = Assembly::new(redactor);
        self.read_answer(response, &mut assembly, text).await?;
        text.add(assembly.text_bytes(), &assembly.rest());
        assembly
            .finish(&call.step, &call.request.tools)
            .map_err(Failure::of_answer)
    }

    async fn read_answer(
        &self,
        mut response: HttpResponse,
        assembly: &mut Assembly<'_>,
        text: &StepText<'_>,
    ) -> Result<(), Failure> {
        let mut take = |data: &str| {
            let offset = assembly.text_bytes();
            let added = assembly.push(data)?;
            text.add(offset, &added);
            Ok(assembly.is_whole())
        };
        if header(&response, "content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            let body = self.whole_body(&mut response, MODEL_ANSWER_BYTES_MAX * 2).await?;
            let body = String::from_utf8_lossy(&body);
            return take(&body).map(|_| ()).map_err(Failure::of_answer);
        }
        let mut decoder = EventDecoder::default();
        let (mut done, mut whole) = (false, false);
        while !done {
            let chunk = match self.next_chunk(&mut response).await {
                Ok(Some(chunk)) => chunk,
                // A whole answer counts even when the closing line is missing: some servers leave it out.
                Ok(None) => break,
                Err(_) if whole => break,
                Err(failure) => return Err(failure),
            };
            let taken = decoder.push(&chunk, |data| {
                done |= data == "[DONE]";
                if !done {
                    whole = take(data)?;
                }
                Ok(())
            });
            taken.map_err(Failure::of_answer)?;
        }
        Ok(())
    }

    async fn next_chunk(&self, response: &mut HttpResponse) -> Result<Option<Bytes>, Failure> {
        let idle = Duration::from_millis(self.times.idle_ms);
        match tokio::time::timeout(idle, response.body.recv()).await {
            Err(_) => Err(Failure::passing(silent("the provider fell silent"))),
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(fault))) if fault.code == ErrorCode::Canceled => Err(Failure::last(fault)),
            Ok(Some(Err(fault))) => Err(Failure::passing(Fault::new(
                ErrorCode::ModelUnavailable,
                format!("the stream broke: {}", fault.message),
            ))),
        }
    }

    async fn whole_body(&self, response: &mut HttpResponse, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.next_chunk(response).await? {
            body.extend_from_slice(&chunk);
            if body.len() > limit {
                body.truncate(limit);
                break;
            }
        }
        Ok(body)
    }

    async fn refusal(&self, mut response: HttpResponse) -> Failure {
        let after_ms = asked_wait(&response);
        let body = self
            .whole_body(&mut response, ERROR_BODY_BYTES)
            .await
            .unwrap_or_default();
        Failure::of_status(response.status, &wire::error_message(&body), after_ms)
    }
}

/// The text of a step as people see it, over all tries.
struct StepText<'a> {
    call: &'a ModelCall,
    deltas: &'a dyn TextSink,
    shown: std::sync::atomic::AtomicBool,
}

impl<'a> StepText<'a> {
    fn new(call: &'a ModelCall, deltas: &'a dyn TextSink) -> Self {
        Self {
            call,
            deltas,
            shown: false.into(),
        }
    }

    fn add(&self, offset: usize, text: &str) {
        if !text.is_empty() {
            self.shown.store(true, std::sync::atomic::Ordering::Relaxed);
            self.deltas.delta(&self.call.run_id, &self.call.step, offset, text);
        }
    }

    /// What was shown of a try that broke is taken back.
    fn restart(&self) {
        if self.shown.swap(false, std::sync::atomic::Ordering::Relaxed) {
            self.deltas.delta(&self.call.run_id, &self.call.step, 0, "");
        }
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

fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    let known = response
        .headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, value)| value.as_str())
}

/// `retry-after-ms`, or `retry-after` in seconds.
fn asked_wait(response: &HttpResponse) -> Option<u64> {
    if let Some(ms) = header(response, "retry-after-ms").and_then(|value| value.trim().parse().ok()) {
        return Some(ms);
    }
    let seconds: f64 = header(response, "retry-after")?.trim().parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(wait.as_millis()).ok()
}

/// Keys come from files and pipes with a line end that is not theirs.
fn trimmed(key: &Secret) -> Secret {
    Secret::new(key.expose().trim_ascii().to_vec())
}

fn shortened(message: String) -> String {
    if message.len() <= MESSAGE_BYTES {
        return message;
    }
    let end = (0..=MESSAGE_BYTES).rev().find(|at| message.is_char_boundary(*at));
    format!("{}…", &message[..end.unwrap_or(0)])
}

fn silent(what: &str) -> Fault {
    Fault::new(ErrorCode::ModelUnavailable, what)
}
