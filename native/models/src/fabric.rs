//! The fabric: providers, routes, calls with retries.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openwrap_contracts::limits::{MODEL_IDLE_MS_MAX, MODEL_TRIES_MAX, MODEL_WALL_MS_MAX};
use openwrap_contracts::model::{
    ModelAnswer, ModelCall, ModelReply, ProviderConfig, ProviderKind, TranscriptionCall, TranscriptionReply, Usage,
};
use openwrap_contracts::ports::{CancellationToken, Dialer, Models, Secret, Task, TextSink, Vault};
use openwrap_contracts::spend::ModelPrice;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::chat::Manners;
use crate::exchange::{Exchange, Question, silent};
use crate::price;
use crate::retry::{Failure, WAIT_MS_MIN, wait_ms};
use crate::wire;

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

/// What one provider is asked by, where it is not asked as all are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// All tries of a call together, in milliseconds.
    pub wall_ms: Option<u64>,
    /// Tries of a call, first included.
    pub tries: Option<usize>,
    /// Sent as `openai-organization`.
    pub organization: Option<String>,
}

/// Every model call goes through here.
pub struct ModelFabric {
    dialer: Arc<dyn Dialer>,
    vault: Arc<dyn Vault>,
    times: Times,
    providers: RwLock<BTreeMap<String, ProviderConfig>>,
    /// Of those that asked for others than usual, by provider.
    manners: RwLock<BTreeMap<String, Manners>>,
    /// By provider.
    terms: RwLock<BTreeMap<String, Terms>>,
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
            manners: RwLock::new(BTreeMap::new()),
            terms: RwLock::new(BTreeMap::new()),
        })
    }

    /// Replaces the table of providers.
    pub fn set_providers(&self, providers: Vec<ProviderConfig>) {
        let table = providers
            .into_iter()
            .map(|provider| (provider.provider_id.clone(), provider))
            .collect();
        self.manners.write().unwrap_or_else(PoisonError::into_inner).clear();
        *self.providers.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// Replaces what is particular to providers, by id.
    pub fn set_terms(&self, terms: BTreeMap<String, Terms>) {
        *self.terms.write().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    pub(crate) fn terms_of(&self, provider: &ProviderConfig) -> Terms {
        let terms = self.terms.read().unwrap_or_else(PoisonError::into_inner);
        terms.get(&provider.provider_id).cloned().unwrap_or_default()
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
        let listed = matches!(provider.kind, ProviderKind::Openai | ProviderKind::Anthropic);
        if listed && !provider.model_ids.contains(&model) {
            return Err(no_route(format!(
                "provider `{provider_id}` does not list model `{model}`"
            )));
        }
        Ok((provider.clone(), model))
    }

    pub(crate) fn times(&self) -> Times {
        self.times
    }

    pub(crate) fn dialer(&self) -> &dyn Dialer {
        self.dialer.as_ref()
    }

    pub(crate) fn vault(&self) -> &dyn Vault {
        self.vault.as_ref()
    }

    async fn complete_route(
        &self,
        call: ModelCall,
        deltas: Arc<dyn TextSink>,
        cancel: CancellationToken,
    ) -> Outcome<ModelReply> {
        let (provider, model) = self.route(&call.request.route)?;
        let started = Instant::now();
        let text = StepText::new(&call, &*deltas);
        let wall_ms = self.terms_of(&provider).wall_ms.unwrap_or(self.times.wall_ms);
        let work = self.ask_until_answered(&provider, &model, &call, &text, &cancel);
        let (answer, usage, tries) = tokio::select! {
            () = cancel.cancelled() => return Err(Fault::canceled()),
            outcome = tokio::time::timeout(Duration::from_millis(wall_ms), work) => {
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

    async fn ask_until_answered(
        &self,
        provider: &ProviderConfig,
        model: &str,
        call: &ModelCall,
        text: &StepText<'_>,
        cancel: &CancellationToken,
    ) -> Outcome<(ModelAnswer, Usage, u32)> {
        let started = Instant::now();
        let mut manners = self.manners_of(provider);
        let mut body = wire::body(&call.request, model, provider.kind, manners)?;
        let tries_max = self.terms_of(provider).tries.unwrap_or(MODEL_TRIES_MAX);
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.attempt((provider, model), body.clone(), call, text, cancel).await {
                Ok((answer, usage)) => return Ok((answer, usage, tries)),
                Err(failure) => failure,
            };
            if tries as usize >= tries_max {
                return Err(failure.fault);
            }
            let others = manners.after(&failure.fault);
            if others.is_none() && !failure.again {
                return Err(failure.fault);
            }
            if let Some(meter) = &call.meter {
                meter.again().await?;
            }
            if let Some(others) = others {
                manners = others;
                self.keep_manners(provider, others);
                body = wire::body(&call.request, model, provider.kind, manners)?;
                continue;
            }
            // The clock's last digits keep many workers from trying in step.
            let spread = u64::from(started.elapsed().subsec_nanos());
            let wait = wait_ms(self.times.first_wait_ms, tries, failure.after_ms, spread);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            text.restart();
        }
    }

    /// What is known of how a provider wants to be asked.
    fn manners_of(&self, provider: &ProviderConfig) -> Manners {
        let known = self.manners.read().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&provider.provider_id)
            .copied()
            .unwrap_or_else(|| Manners::of(provider.kind))
    }

    fn keep_manners(&self, provider: &ProviderConfig, manners: Manners) {
        let mut known = self.manners.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(provider.provider_id.clone(), manners);
    }

    async fn attempt(
        &self,
        (provider, model): (&ProviderConfig, &str),
        body: Bytes,
        call: &ModelCall,
        text: &StepText<'_>,
        cancel: &CancellationToken,
    ) -> Result<(ModelAnswer, Usage), Failure> {
        let key = match &provider.auth_ref {
            Some(name) => Some(trimmed(&self.vault.open(name).await.map_err(Failure::last)?)),
            None => None,
        };
        let terms = self.terms_of(provider);
        let exchange = Exchange {
            dialer: self.dialer(),
            provider,
            organization: terms.organization.as_deref(),
            model,
            key: key.as_ref(),
            purpose: format!("model:{}", provider.provider_id),
            run_id: Some(&call.run_id),
            meter: call.meter.as_deref(),
            idle: Duration::from_millis(self.times.idle_ms),
            cancel,
        };
        let question = Question {
            body,
            step: &call.step,
            offers: &call.request.tools,
            heard: &|offset, words| text.add(offset, words),
        };
        exchange.ask(question).await
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

    fn transcribe(&self, call: TranscriptionCall, cancel: CancellationToken) -> Task<'_, Outcome<TranscriptionReply>> {
        Box::pin(self.transcribe_route(call, cancel))
    }

    fn price(&self, route: &str) -> Option<ModelPrice> {
        let (provider, model) = self.route(route).ok()?;
        price::of_model(&provider, &model)
    }
}

/// Keys come from files and pipes with a line end that is not theirs.
pub(crate) fn trimmed(key: &Secret) -> Secret {
    Secret::new(key.expose().trim_ascii().to_vec())
}
