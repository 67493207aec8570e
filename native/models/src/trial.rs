//! Tries a provider out before work depends on it: one short question, so that address, kind, key, model and credit are all seen to
//! be right, and a look at what models there are.

use std::time::{Duration, Instant};

use openwrap_contracts::identity::{Origin, Source, StepRef};
use openwrap_contracts::limits::{MODEL_LIST_BYTES_MAX, PROVIDER_TEST_MS_MAX};
use openwrap_contracts::model::{Message, MessageRole, ModelRequest, Part, ProviderConfig, ProviderTest};
use openwrap_contracts::ports::{CancellationToken, Secret};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::chat::Manners;
use crate::exchange::{Exchange, Question, silent};
use crate::fabric::{ModelFabric, trimmed};
use crate::models_list;
use crate::retry::Failure;
use crate::wire;

/// What egress has to allow at the provider's host and port while it is tried.
pub const TRIAL_PURPOSE: &str = "model-trial";
/// Enough for a word; models that think first may stop there.
const OUTPUT_TOKENS: u32 = 64;
/// Models that a hint names.
const NAMED_MAX: usize = 8;
/// Other manners that are tried on a server that names what it does not know.
const MANNERS_MAX: usize = 3;

impl ModelFabric {
    /// Asks a provider, which need not be saved, one short question: with `key`, else with the one its record names.
    ///
    /// # Errors
    /// What a run would end with: `MODEL_AUTH`, `MODEL_ADDRESS`, `MODEL_UNKNOWN`, `MODEL_CREDIT`, `MODEL_UNAVAILABLE`,
    /// `MODEL_OVERLOADED`, `MODEL_REJECTED`, `MODEL_MALFORMED`, `EGRESS_TLS`, `EGRESS_DENIED`, `CANCELED`, each with a hint.
    pub async fn try_provider(
        &self,
        provider: &ProviderConfig,
        key: Option<Secret>,
        cancel: &CancellationToken,
    ) -> Outcome<ProviderTest> {
        let key = match (key, &provider.auth_ref) {
            (Some(key), _) => Some(trimmed(&key)),
            (None, Some(name)) => Some(trimmed(&self.vault().open(name).await?)),
            (None, None) => None,
        };
        let work = self.try_with(provider, key.as_ref(), cancel);
        tokio::select! {
            () = cancel.cancelled() => Err(Fault::canceled()),
            outcome = tokio::time::timeout(Duration::from_millis(PROVIDER_TEST_MS_MAX), work) => {
                outcome.unwrap_or_else(|_| Err(silent("the answer took too long")))
            }
        }
    }

    async fn try_with(
        &self,
        provider: &ProviderConfig,
        key: Option<&Secret>,
        cancel: &CancellationToken,
    ) -> Outcome<ProviderTest> {
        let mut exchange = Exchange {
            dialer: self.dialer(),
            provider,
            organization: None,
            model: "",
            key,
            purpose: TRIAL_PURPOSE.to_owned(),
            run_id: None,
            meter: None,
            idle: Duration::from_millis(PROVIDER_TEST_MS_MAX),
            cancel,
        };
        let listed = exchange.models(MODEL_LIST_BYTES_MAX).await;
        let model_ids = match &listed {
            Ok(body) => models_list::read(body).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let chosen = provider.default_model_id.as_ref().or(provider.model_ids.first());
        let Some(model) = chosen.or(model_ids.first()) else {
            return Err(match listed {
                Err(failure) => failure.fault,
                Ok(_) => Fault::new(ErrorCode::ModelUnknown, "the server lists no model")
                    .with_hint("Name a model by hand, or load one in the server first."),
            });
        };
        exchange.model = model;
        let started = Instant::now();
        match ask(&exchange).await {
            Ok(()) => Ok(ProviderTest {
                model_id: model.clone(),
                latency_ms: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
                model_ids,
            }),
            Err(failure) => Err(with_names(failure.fault, &model_ids)),
        }
    }
}

async fn ask(exchange: &Exchange<'_>) -> Result<(), Failure> {
    let request = question();
    let kind = exchange.provider.kind;
    let step = StepRef {
        task_id: "trial".to_owned(),
        attempt: 1,
        step: 1,
    };
    let mut manners = Manners::of(kind);
    let mut tries = 0;
    loop {
        tries += 1;
        let body = wire::body(&request, exchange.model, kind, manners).map_err(Failure::last)?;
        let question = Question {
            body,
            step: &step,
            offers: &[],
            heard: &|_, _| (),
        };
        let failure = match exchange.ask(question).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        match manners.after(&failure.fault) {
            Some(other) if tries < MANNERS_MAX => manners = other,
            _ => return Err(failure),
        }
    }
}

fn question() -> ModelRequest {
    ModelRequest {
        route: String::new(),
        system: "Answer with one word.".to_owned(),
        messages: vec![Message {
            role: MessageRole::User,
            parts: vec![Part::Text {
                text: "Say: ready".to_owned(),
                origin: Origin {
                    source: Source::Core,
                    name: "trial".to_owned(),
                },
                labels: Vec::new(),
            }],
        }],
        tools: Vec::new(),
        max_output_tokens: OUTPUT_TOKENS,
    }
}

/// A model nobody has is best answered with those that there are.
fn with_names(fault: Fault, model_ids: &[String]) -> Fault {
    if fault.code != ErrorCode::ModelUnknown || model_ids.is_empty() {
        return fault;
    }
    let names: Vec<&str> = model_ids.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = model_ids.len().saturating_sub(NAMED_MAX);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    fault.with_hint(format!("It has: {}{more}.", names.join(", ")))
}
