//! The model fabric of track AS over the core's own: providers, routes, calls, usage. Secrets come from whoever made it, one by one, for
//! the moment of a call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use openwrap_agent::conversation::is_elsewhere_better;
use openwrap_agent::replay::MemoryLedger;
use openwrap_contracts::fabric::{
    FabricAnswer, FabricContext, FabricProviderKind, FabricRequest, ModelFabricSnapshot, ModelUsageEvent,
    ProviderConfigRecord, RouteRule,
};
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::{
    MODEL_OUTPUT_TOKENS, MODEL_TRIES_MAX, MODEL_WALL_MS_MAX, ROUTE_FALLBACKS_MAX, ROUTES_MAX, USAGE_EVENTS_MAX,
};
use openwrap_contracts::model::{ModelCall, ModelReply, ModelRequest, ProviderConfig, ProviderKind, Usage};
use openwrap_contracts::ports::{CancellationToken, Clock, Dialer, Models, TextSink, Vault};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_egress::Egress;
use openwrap_models::{ModelFabric, Terms};

use crate::providers::{check, rule_for};
use crate::routes::ordered;

/// Providers of one fabric.
const PROVIDERS_MAX: usize = 100;

/// Providers, routes and usage of one fabric.
pub struct Fabric {
    models: Arc<ModelFabric>,
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    providers: Vec<ProviderConfigRecord>,
    routes: Vec<RouteRule>,
    usage: VecDeque<(u64, ModelUsageEvent)>,
    /// Number of the newest usage event.
    cursor: u64,
}

impl Fabric {
    /// Asks `vault` for a provider's key each time it is asked itself.
    ///
    /// # Errors
    /// None today; egress may have some later.
    pub fn new(vault: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Outcome<Self> {
        let egress = Egress::new(MemoryLedger::new(None), Arc::clone(&clock))?;
        Ok(Self {
            models: ModelFabric::new(Arc::clone(&egress) as Arc<dyn Dialer>, vault),
            egress,
            clock,
            book: Mutex::default(),
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all providers; on an error none.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` naming the provider and what is wrong, `ALREADY_EXISTS` for two of one id.
    pub fn load_providers(&self, mut records: Vec<ProviderConfigRecord>) -> Outcome<()> {
        if records.len() > PROVIDERS_MAX {
            return Err(Fault::invalid(format!("at most {PROVIDERS_MAX} providers")));
        }
        records.sort_by(|a, b| a.provider_id.cmp(&b.provider_id));
        if let Some(twice) = records.windows(2).find(|two| two[0].provider_id == two[1].provider_id) {
            let what = format!("provider `{}` is there twice", twice[0].provider_id);
            return Err(Fault::new(ErrorCode::AlreadyExists, what));
        }
        let mut configs = Vec::with_capacity(records.len());
        let mut rules = Vec::with_capacity(records.len());
        let mut terms = BTreeMap::new();
        for record in &records {
            let config = config_of(record)?;
            check(&config).map_err(|fault| named(record, &fault.message))?;
            let purpose = format!("model:{}", config.provider_id);
            rules.push((purpose.clone(), rule_for(&config, &purpose)?));
            terms.insert(config.provider_id.clone(), terms_of(record)?);
            configs.push(config);
        }
        let before: Vec<String> = {
            let mut book = self.book();
            let before = std::mem::replace(&mut book.providers, records);
            before.into_iter().map(|record| record.provider_id).collect()
        };
        for provider_id in before {
            self.egress.disallow(&format!("model:{provider_id}"));
        }
        for (purpose, rule) in rules {
            self.egress.replace(&purpose, &[rule]);
        }
        self.models.set_providers(configs);
        self.models.set_terms(terms);
        Ok(())
    }

    /// Replaces all routes; on an error none.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `ALREADY_EXISTS` for two of one id, `NO_ROUTE` for a model no provider has.
    pub fn load_routes(&self, routes: Vec<RouteRule>) -> Outcome<()> {
        if routes.len() > ROUTES_MAX {
            return Err(Fault::invalid(format!("at most {ROUTES_MAX} routes")));
        }
        let mut ids = std::collections::BTreeSet::new();
        for rule in &routes {
            let fallbacks = rule.fallback_model_ids.as_deref().unwrap_or_default();
            if rule.rule_id.is_empty() || rule.rule_id.len() > 64 || fallbacks.len() > ROUTE_FALLBACKS_MAX {
                return Err(Fault::invalid(format!(
                    "route `{}`: ruleId has 1 to 64 characters, fallbackModelIds at most {ROUTE_FALLBACKS_MAX}",
                    rule.rule_id
                )));
            }
            if !ids.insert(rule.rule_id.as_str()) {
                let what = format!("route `{}` is there twice", rule.rule_id);
                return Err(Fault::new(ErrorCode::AlreadyExists, what));
            }
            for model in std::iter::once(&rule.model_id).chain(fallbacks) {
                self.models.route(model)?;
            }
        }
        self.book().routes = ordered(routes);
        Ok(())
    }

    /// Models for a context in the order they are asked: of the first rule that matches, else the default one.
    fn candidates(&self, request: &FabricRequest, context: &FabricContext) -> Outcome<Vec<String>> {
        if let Some(model) = &request.model_id {
            return Ok(vec![model.clone()]);
        }
        let book = self.book();
        if let Some(rule) = book.routes.iter().find(|rule| rule.matches(context)) {
            let fallbacks = rule.fallback_model_ids.iter().flatten();
            return Ok(std::iter::once(&rule.model_id).chain(fallbacks).cloned().collect());
        }
        let default = book.providers.iter().find_map(|provider| {
            let model = provider.default_model_id.as_ref()?;
            Some(format!("{}/{model}", provider.provider_id))
        });
        let none = || {
            Fault::new(
                ErrorCode::NoRoute,
                "no route matches, and no provider has a default model",
            )
        };
        default.map(|model| vec![model]).ok_or_else(none)
    }

    /// Asks the model that the routes name, and those that stand in for it where it gives no answer. Words go to `text` as they come; an
    /// offset of 0 again means that they start over.
    ///
    /// # Errors
    /// `NO_ROUTE`, `INVALID_ARGUMENTS`, `MODEL_*`, `EGRESS_*`; what the vault says.
    pub async fn complete(
        &self,
        request: FabricRequest,
        context: FabricContext,
        text: Arc<dyn TextSink>,
    ) -> Outcome<FabricAnswer> {
        let most = u32::try_from(MODEL_OUTPUT_TOKENS).unwrap_or(u32::MAX);
        let max_output_tokens = request.max_output_tokens.unwrap_or(most);
        if max_output_tokens == 0 || max_output_tokens > most || request.messages.is_empty() {
            return Err(Fault::invalid(format!(
                "maxOutputTokens is 1 to {most}, and there is at least one message"
            )));
        }
        let mut failed = None;
        for route in self.candidates(&request, &context)? {
            let asked = ModelRequest {
                route,
                system: request.system.clone(),
                messages: request.messages.clone(),
                tools: request.tools.clone(),
                max_output_tokens,
            };
            match self.ask(asked, &text).await {
                Ok(answer) => return Ok(answer),
                Err(fault) if is_elsewhere_better(fault.code) => failed = Some(fault),
                Err(fault) => return Err(fault),
            }
        }
        Err(failed.unwrap_or_else(|| Fault::internal("a route without models")))
    }

    async fn ask(&self, request: ModelRequest, text: &Arc<dyn TextSink>) -> Outcome<FabricAnswer> {
        let (provider, model) = self.models.route(&request.route)?;
        let call = ModelCall {
            run_id: "fabric".to_owned(),
            step: StepRef {
                task_id: "call".to_owned(),
                attempt: 1,
                step: 1,
            },
            request: Arc::new(request),
            meter: None,
        };
        let started = Instant::now();
        let route = call.request.route.clone();
        let outcome = self
            .models
            .complete(call, Arc::clone(text), CancellationToken::new())
            .await;
        let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
        let usage = outcome.as_ref().map(|reply| reply.usage).unwrap_or_default();
        let event = self.book_usage((&provider.provider_id, &model), &route, usage, latency_ms);
        let ModelReply { answer, .. } = outcome?;
        Ok(FabricAnswer {
            text: answer.text,
            tool_calls: answer.tool_calls,
            stop: answer.stop,
            usage: event,
        })
    }

    fn book_usage(
        &self,
        (provider, model): (&str, &str),
        route: &str,
        usage: Usage,
        latency_ms: u32,
    ) -> ModelUsageEvent {
        let price = self.models.price(route);
        let created_at = self.clock.now_ms();
        let mut book = self.book();
        book.cursor += 1;
        let event = ModelUsageEvent {
            event_id: format!("usage-{}", book.cursor),
            provider_id: provider.to_owned(),
            model_id: model.to_owned(),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            latency_ms,
            cost_usd: price.map(|price| dollars(price.of_usage(&usage))),
            created_at,
        };
        let row = (book.cursor, event.clone());
        book.usage.push_back(row);
        if book.usage.len() > USAGE_EVENTS_MAX {
            book.usage.pop_front();
        }
        event
    }

    /// Everything there is to see.
    #[must_use]
    pub fn snapshot(&self) -> ModelFabricSnapshot {
        let book = self.book();
        ModelFabricSnapshot {
            providers: book.providers.clone(),
            routes: book.routes.clone(),
            usage_cursor: book.cursor,
        }
    }

    /// Usage events after a number, oldest first; reading takes nothing away.
    #[must_use]
    pub fn usage_events(&self, after: u64, limit: usize) -> Vec<ModelUsageEvent> {
        let book = self.book();
        let later = book.usage.iter().filter(|(number, _)| *number > after);
        later.take(limit).map(|(_, event)| event.clone()).collect()
    }

    /// Forgets providers, routes and usage.
    pub fn reset(&self) {
        let before = std::mem::take(&mut *self.book());
        for provider in before.providers {
            self.egress.disallow(&format!("model:{}", provider.provider_id));
        }
        self.models.set_providers(Vec::new());
        self.models.set_terms(BTreeMap::new());
    }
}

/// Beyond 2⁵³ millionths the sum is no price any more.
#[allow(clippy::cast_precision_loss)]
fn dollars(micro_usd: u64) -> f64 {
    micro_usd as f64 / 1_000_000.0
}

fn named(record: &ProviderConfigRecord, what: &str) -> Fault {
    Fault::invalid(format!("provider `{}`: {what}", record.provider_id))
}

fn config_of(record: &ProviderConfigRecord) -> Outcome<ProviderConfig> {
    let (kind, usual) = match record.kind {
        FabricProviderKind::Openai => (ProviderKind::Openai, Some("https://api.openai.com/v1")),
        FabricProviderKind::Anthropic => (ProviderKind::Anthropic, Some("https://api.anthropic.com")),
        FabricProviderKind::Gemini => (
            ProviderKind::Openai,
            Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        ),
        FabricProviderKind::Local => (ProviderKind::Local, None),
    };
    let base_url = record.base_url.as_deref().or(usual);
    let base_url = base_url.ok_or_else(|| named(record, "baseUrl is missing: a local server has no usual address"))?;
    Ok(ProviderConfig {
        provider_id: record.provider_id.clone(),
        kind,
        base_url: base_url.to_owned(),
        auth_ref: Some(record.auth_ref.clone()),
        model_ids: record.model_ids.clone(),
        default_model_id: record.default_model_id.clone(),
        prices: record.prices.clone(),
    })
}

fn terms_of(record: &ProviderConfigRecord) -> Outcome<Terms> {
    let wall_ms = record.timeout_ms.map(u64::from);
    if wall_ms.is_some_and(|wall_ms| wall_ms == 0 || wall_ms > MODEL_WALL_MS_MAX) {
        return Err(named(record, &format!("timeoutMs is 1 to {MODEL_WALL_MS_MAX}")));
    }
    let tries = record.max_retries.map(|retries| retries as usize + 1);
    if tries.is_some_and(|tries| tries > MODEL_TRIES_MAX) {
        return Err(named(record, &format!("maxRetries is below {MODEL_TRIES_MAX}")));
    }
    let organization = record.organization_id.clone();
    let plain = |id: &String| !id.is_empty() && id.len() <= 100 && id.bytes().all(|byte| byte.is_ascii_graphic());
    if !organization.iter().all(plain) {
        return Err(named(record, "organizationId has 1 to 100 printable characters"));
    }
    Ok(Terms {
        wall_ms,
        tries,
        organization,
    })
}
