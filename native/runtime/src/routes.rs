//! Which model serves which role: the rules a person ordered, and what they mean for a new run.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use openwrap_contracts::event::Fact;
use openwrap_contracts::fabric::{FabricContext, FixedRoute, RouteRule};
use openwrap_contracts::limits::{ROUTE_FALLBACKS_MAX, ROUTES_MAX};
use openwrap_contracts::method::{Empty, PriceList, RouteList, RouteOrderParams, RouteParams};
use openwrap_contracts::ports::{Routes, Task};
use openwrap_contracts::workflow::Workflow;
use openwrap_contracts::{Fault, Outcome};
use openwrap_models::{ModelFabric, PRICES_AS_OF, known_prices};
use serde_json::Value;

use crate::core::Core;
use crate::methods::{Call, done, written};
use crate::rehearsal::REHEARSAL;

/// Of pictures and of sound, beside the roles.
pub(crate) const VISION: &str = "vision";
pub(crate) const AUDIO: &str = "audio";
/// Between the priorities of two rules that were put in order.
const PRIORITY_STEP: i32 = 10;

/// The rules in force, in the order they are tried.
pub struct RouteTable {
    rules: RwLock<Vec<RouteRule>>,
    roles: Vec<String>,
    fabric: Arc<ModelFabric>,
}

impl RouteTable {
    pub fn new(workflow: &Workflow, fabric: Arc<ModelFabric>) -> Arc<Self> {
        let roles = workflow.roles.iter().map(|role| role.name.clone());
        Arc::new(Self {
            rules: RwLock::new(Vec::new()),
            roles: roles.chain([VISION.to_owned(), AUDIO.to_owned()]).collect(),
            fabric,
        })
    }

    /// Replaces the rules.
    pub fn set(&self, rules: Vec<RouteRule>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = ordered(rules);
    }

    /// A rule that names a provider or model that is not there is passed over.
    fn fixed_now(&self, model: &str) -> Vec<FixedRoute> {
        // Who rehearses pays for nothing, whatever the rules say.
        if model.split('/').next() == Some(REHEARSAL) {
            return Vec::new();
        }
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let there = |route: &&String| self.fabric.route(route).is_ok();
        let of_role = |role: &String| {
            let context = FabricContext {
                worker_id: None,
                task_type: Some(role.clone()),
            };
            // A rule for everybody is for those that speak: sound needs one of its own.
            let meant = |rule: &&RouteRule| role != AUDIO || rule.task_type.is_some();
            let mut matching = rules.iter().filter(|rule| rule.matches(&context)).filter(meant);
            let rule = matching.find(|rule| there(&&rule.model_id))?;
            let fallbacks = rule.fallback_model_ids.iter().flatten().filter(there);
            Some(FixedRoute {
                role: role.clone(),
                route: rule.model_id.clone(),
                fallbacks: fallbacks.cloned().collect(),
            })
        };
        self.roles.iter().filter_map(of_role).collect()
    }
}

impl Routes for RouteTable {
    fn fixed<'a>(&'a self, model: &'a str) -> Task<'a, Outcome<Vec<FixedRoute>>> {
        Box::pin(async move { Ok(self.fixed_now(model)) })
    }
}

/// Highest priority first, then by id.
pub(crate) fn ordered(mut rules: Vec<RouteRule>) -> Vec<RouteRule> {
    rules.sort_by(|a, b| a.order().cmp(&b.order()));
    rules
}

impl Core {
    /// Tells the table which rules there are.
    pub(crate) async fn load_routes(&self) -> Outcome<()> {
        let rules = self
            .following
            .look(|fold| fold.routes.values().cloned().collect())
            .await?;
        self.routes.set(rules);
        Ok(())
    }

    fn check_rule(&self, rule: &RouteRule) -> Outcome<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if rule.rule_id.is_empty() || rule.rule_id.len() > 64 || !rule.rule_id.chars().all(plain) {
            return Err(Fault::invalid("ruleId must match [a-z0-9._-]{1,64}"));
        }
        if rule.worker_id.is_some() {
            return Err(Fault::invalid(
                "workerId: workers of one role are interchangeable; name the role in taskType",
            ));
        }
        if let Some(role) = &rule.task_type
            && !self.routes.roles.contains(role)
        {
            let known = self.routes.roles.join(", ");
            return Err(Fault::invalid(format!("taskType `{role}` is none of {known}")));
        }
        let fallbacks = rule.fallback_model_ids.as_deref().unwrap_or_default();
        if fallbacks.len() > ROUTE_FALLBACKS_MAX {
            return Err(Fault::invalid(format!(
                "fallbackModelIds names at most {ROUTE_FALLBACKS_MAX} models"
            )));
        }
        let mut seen = BTreeSet::new();
        for route in std::iter::once(&rule.model_id).chain(fallbacks) {
            if !route.contains('/') || route.starts_with(REHEARSAL) {
                return Err(Fault::invalid(format!(
                    "`{route}` is no `provider/model` of a provider that was added"
                )));
            }
            if !seen.insert(route) {
                return Err(Fault::invalid(format!("`{route}` is there twice")));
            }
            self.fabric.route(route)?;
        }
        Ok(())
    }
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome<Value> {
    let _: Empty = call.read()?;
    listed(call.core).await
}

async fn listed(core: &Core) -> Outcome<Value> {
    let rules = core
        .following
        .look(|fold| fold.routes.values().cloned().collect())
        .await?;
    written(&RouteList { routes: ordered(rules) })
}

pub(crate) async fn put(call: &Call<'_>) -> Outcome<Value> {
    let route: RouteRule = call.read()?;
    let core = call.core;
    core.check_rule(&route)?;
    let full = core
        .following
        .look(|fold| fold.routes.len() >= ROUTES_MAX && !fold.routes.contains_key(&route.rule_id))
        .await?;
    if full {
        return Err(Fault::invalid(format!("there are {ROUTES_MAX} rules already")));
    }
    core.note_as(call.actor.clone(), None, Fact::RouteSet { route }).await?;
    core.load_routes().await?;
    done(call)
}

pub(crate) async fn remove(call: &Call<'_>) -> Outcome<Value> {
    let RouteParams { rule_id } = call.read()?;
    let core = call.core;
    let known = core.following.look(|fold| fold.routes.contains_key(&rule_id)).await?;
    if !known {
        return Err(Fault::not_found(format!(
            "there is no rule `{}`",
            rule_id.escape_debug()
        )));
    }
    core.note_as(call.actor.clone(), None, Fact::RouteRemoved { rule_id })
        .await?;
    core.load_routes().await?;
    done(call)
}

pub(crate) async fn order(call: &Call<'_>) -> Outcome<Value> {
    let RouteOrderParams { rule_ids } = call.read()?;
    let core = call.core;
    let mut rules = core.following.look(|fold| fold.routes.clone()).await?;
    let named: BTreeSet<&String> = rule_ids.iter().collect();
    if named.len() != rule_ids.len() || named != rules.keys().collect() {
        return Err(Fault::invalid("ruleIds must name every rule once"));
    }
    for (place, rule_id) in rule_ids.iter().rev().enumerate() {
        let Some(mut route) = rules.remove(rule_id) else {
            continue;
        };
        let priority = i32::try_from(place + 1)
            .unwrap_or(i32::MAX)
            .saturating_mul(PRIORITY_STEP);
        if route.priority != priority {
            route.priority = priority;
            core.note_as(call.actor.clone(), None, Fact::RouteSet { route }).await?;
        }
    }
    core.load_routes().await?;
    listed(core).await
}

pub(crate) fn prices(call: &Call<'_>) -> Outcome<Value> {
    let _: Empty = call.read()?;
    written(&PriceList {
        as_of: PRICES_AS_OF.to_owned(),
        prices: known_prices(),
    })
}
