//! What runs may spend, and what they have spent.

use openwrap_agent::budget::raised;
use openwrap_agent::spending::CostFold;
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::QuestionKind;
use openwrap_contracts::method::{BudgetParams, RunBudgetParams, RunCost, RunParams};
use openwrap_contracts::run::DeviceRole;
use openwrap_contracts::spend::Budget;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::core::Core;
use crate::methods::{Call, caller, done, written};
use crate::run_events::each_event;

impl Core {
    /// The budget of a new run: its own, or the default. One in money alone needs models whose price is known.
    pub(crate) async fn budget_for(&self, budget: Option<Budget>, model: &str) -> Outcome<Option<Budget>> {
        if let Some(budget) = &budget {
            budget.check()?;
        }
        let default = self.following.look(|fold| fold.default_budget).await?;
        let Some(budget) = budget.or(default) else {
            return Ok(None);
        };
        if budget.tokens.is_some() {
            return Ok(Some(budget));
        }
        let fixed = self.ports.routes.fixed(model).await?;
        let routes = fixed
            .iter()
            .flat_map(|fixed| std::iter::once(&fixed.route).chain(&fixed.fallbacks));
        let own = model.to_owned();
        let unknown = std::iter::once(&own)
            .chain(routes)
            .find(|route| self.ports.models.price(route).is_none());
        match unknown {
            None => Ok(Some(budget)),
            Some(route) => Err(Fault::invalid(format!(
                "a budget in money cannot hold: the price of `{route}` is not known"
            ))
            .with_hint("Give the model's price with its provider, or a budget in tokens.")),
        }
    }
}

/// Who may drive sets any budget. Who may only answer questions answers the open one about the budget: with less than what a yes would make
/// of it, or as much.
async fn check_may_set(call: &Call<'_>, params: &RunBudgetParams) -> Outcome<()> {
    if call.core.access.role(call.credentials)? == DeviceRole::Drive {
        return Ok(());
    }
    let state = call.core.runs.state(&params.run_id).await?;
    let asked = state.approvals.values().any(|approval| {
        approval.question.kind == QuestionKind::Budget && approval.decision.is_none() && !approval.withdrawn
    });
    let within = |wanted: Option<u64>, most: Option<u64>| most.is_none_or(|most| wanted.is_some_and(|it| it <= most));
    let most = state.budget.map(raised);
    let answers = match (&params.budget, most) {
        (Some(wanted), Some(most)) => {
            within(wanted.cost_micro_usd, most.cost_micro_usd) && within(wanted.tokens, most.tokens)
        }
        _ => false,
    };
    if asked && answers {
        return Ok(());
    }
    let what = "this device may answer a question about the budget, and not set it otherwise";
    Err(Fault::new(ErrorCode::Forbidden, what).with_hint("Set the budget on a device that may drive."))
}

/// Sets what a run under way may spend.
pub(crate) async fn set_for_run(call: &Call<'_>) -> Outcome<Value> {
    let params: RunBudgetParams = call.read()?;
    if let Some(budget) = &params.budget {
        budget.check()?;
    }
    check_may_set(call, &params).await?;
    let work = async {
        let runs = &call.core.runs;
        runs.set_budget(&params.run_id, params.budget, call.actor.clone())
            .await?;
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "run.budget", &params.request_id, work)
        .await
}

/// Sets what new runs may spend.
pub(crate) async fn set_default(call: &Call<'_>) -> Outcome<Value> {
    let BudgetParams { budget } = call.read()?;
    if let Some(budget) = &budget {
        budget.check()?;
    }
    call.core
        .note_as(call.actor.clone(), None, Fact::BudgetDefaultSet { budget })
        .await?;
    done(call)
}

/// What a run has cost, by model and by task.
pub(crate) async fn cost(call: &Call<'_>) -> Outcome<Value> {
    let params: RunParams = call.read()?;
    let core = call.core;
    let found = core.following.look(|fold| fold.run(&params.run_id).cloned()).await?;
    let run = found.ok_or_else(|| Fault::not_found(format!("there is no run `{}`", params.run_id.escape_debug())))?;
    let mut fold = CostFold::default();
    each_event(&*core.ports.ledger, &params.run_id, |event| fold.apply(&event)).await?;
    let (models, tasks) = fold.lines();
    written(&RunCost {
        total: run.spending,
        budget: run.budget,
        models,
        tasks,
    })
}
