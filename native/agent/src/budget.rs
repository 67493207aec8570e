//! The account of a live run. Before a model call goes out, the most it can cost is reserved here, at once for all workers; when that
//! would go over the run's budget, everyone waits for one question. A yes at least doubles the budget, a no stops the run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{Question, QuestionKind, Risk, Scope};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::limits::{BUDGET_MICRO_USD_MAX, BUDGET_TOKENS_MAX, MODEL_TEMPLATE_TOKENS_MAX};
use openwrap_contracts::model::Usage;
use openwrap_contracts::ports::{Approver, CancellationToken, Meter, Task};
use openwrap_contracts::spend::{Budget, ModelPrice, Spend};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{mpsc, oneshot};

use crate::journal::Journal;
use crate::message::Message;
use crate::state::RunState;

/// Said when the run ends by a no.
const REFUSED: &str = "The budget is used up and was not raised.";

/// What one run may spend, and has spent.
pub struct Account {
    journal: Arc<Journal>,
    approver: Arc<dyn Approver>,
    actor: mpsc::UnboundedSender<Message>,
    sums: Mutex<Sums>,
}

/// Spent and reserved together: what counts against the budget. Calls that were cut off in an earlier life stay reserved.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    cost_micro_usd: u64,
    tokens: u64,
}

/// A call that is about to go out.
#[derive(Debug, Clone)]
pub struct Ask {
    pub step: StepRef,
    pub actor: Actor,
    pub route: String,
    pub request_hash: String,
    pub price: Option<ModelPrice>,
    /// Most it can cost.
    pub at_most: Spend,
}

impl Ask {
    /// `input_tokens` and `output_tokens`: the most there can be.
    #[must_use]
    pub fn new(
        step: StepRef,
        actor: Actor,
        route: &str,
        request_hash: &str,
        price: Option<ModelPrice>,
        tokens: (u64, u64),
    ) -> Self {
        let at_most = Spend {
            tokens: tokens.0.saturating_add(tokens.1),
            cost_micro_usd: price.as_ref().map(|price| price.at_most(tokens.0, tokens.1)),
        };
        Self {
            step,
            actor,
            route: route.to_owned(),
            request_hash: request_hash.to_owned(),
            price,
            at_most,
        }
    }

    /// The event to write before the call goes out.
    #[must_use]
    pub fn requested(&self) -> Fact {
        Fact::ModelRequested {
            route: self.route.clone(),
            request_hash: self.request_hash.clone(),
            reserved: Some(self.at_most),
        }
    }
}

/// Most tokens a question can have: none is shorter than a byte, and the provider adds words of its own.
#[must_use]
pub fn tokens_at_most(bytes: usize) -> u64 {
    (bytes as u64).saturating_add(MODEL_TEMPLATE_TOKENS_MAX as u64)
}

impl Account {
    #[must_use]
    pub fn new(journal: Arc<Journal>, approver: Arc<dyn Approver>, actor: mpsc::UnboundedSender<Message>) -> Arc<Self> {
        let total = journal.state().spending.total;
        let sums = Sums {
            cost_micro_usd: total.cost_micro_usd.saturating_add(total.reserved_micro_usd),
            tokens: total.tokens.saturating_add(total.reserved_tokens),
        };
        Arc::new(Self {
            journal,
            approver,
            actor,
            sums: Mutex::new(sums),
        })
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves; while the budget does not allow it, a person is asked and everyone waits.
    ///
    /// # Errors
    /// `BUDGET_REACHED` when the budget is in money alone and the price is not known; `CANCELED`; as the ledger's `append`.
    pub async fn reserve(self: &Arc<Self>, ask: Ask, cancel: &CancellationToken) -> Outcome<Arc<Reservation>> {
        loop {
            let Some(question) = self.take(&ask)? else {
                return Ok(Arc::new(Reservation {
                    account: Arc::clone(self),
                    ask,
                    requested: AtomicBool::new(false),
                    begun: AtomicBool::new(false),
                    settled: AtomicBool::new(false),
                }));
            };
            if !self.was_refused() {
                let decision = self.approver.ask(ask.step.clone(), question, cancel.clone()).await?;
                if cancel.is_cancelled() {
                    return Err(Fault::canceled());
                }
                if decision.allow {
                    continue;
                }
            }
            self.stop(cancel).await?;
        }
    }

    /// Reserves at once, or says what a person is to be asked.
    fn take(&self, ask: &Ask) -> Outcome<Option<Question>> {
        let mut sums = self.sums();
        let state = self.journal.state();
        let Some(budget) = state.budget else {
            sums.add(ask.at_most);
            return Ok(None);
        };
        if ask.at_most.cost_micro_usd.is_none() && budget.tokens.is_none() {
            let what = format!(
                "the run's budget is in money, and the price of `{}` is not known",
                ask.route
            );
            return Err(Fault::new(ErrorCode::BudgetReached, what)
                .with_hint("Give the model's price with its provider, or a budget in tokens."));
        }
        let hash = budget_hash(&state)?;
        let mut after = *sums;
        after.add(ask.at_most);
        if is_open(&state, &hash) || !budget.allows(after.cost_micro_usd, after.tokens) {
            return Ok(Some(question(budget, hash, *sums, ask)));
        }
        *sums = after;
        Ok(None)
    }

    /// A no stands, also after a restart.
    fn was_refused(&self) -> bool {
        let state = self.journal.state();
        state.approvals.values().any(|approval| {
            let refused = approval.decision.as_ref().is_some_and(|decision| !decision.allow);
            refused && approval.question.kind == QuestionKind::Budget
        })
    }

    /// Ends the run, and waits for that.
    async fn stop(&self, cancel: &CancellationToken) -> Outcome<()> {
        let (done, _) = oneshot::channel();
        let message = Message::Stop {
            actor: Actor::core("budget"),
            reason: REFUSED.to_owned(),
            done,
        };
        self.actor.send(message).map_err(|_| Fault::canceled())?;
        cancel.cancelled().await;
        Err(Fault::canceled())
    }
}

impl Sums {
    fn add(&mut self, spend: Spend) {
        self.tokens = self.tokens.saturating_add(spend.tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(spend.cost_micro_usd.unwrap_or(0));
    }

    fn settle(&mut self, reserved: Spend, booked: Spend) {
        self.tokens = self.tokens.saturating_sub(reserved.tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_sub(reserved.cost_micro_usd.unwrap_or(0));
        self.add(booked);
    }
}

/// Twice as much: the least that a yes makes of a budget.
#[must_use]
pub fn raised(budget: Budget) -> Budget {
    Budget {
        cost_micro_usd: budget
            .cost_micro_usd
            .map(|limit| limit.saturating_mul(2).min(BUDGET_MICRO_USD_MAX)),
        tokens: budget
            .tokens
            .map(|limit| limit.saturating_mul(2).min(BUDGET_TOKENS_MAX)),
    }
}

/// The budget a yes to a question sets: what it shows.
#[must_use]
pub fn offered(question: &Question) -> Option<Budget> {
    let (_, to) = question.exact.split_once(" to ")?;
    let mut budget = Budget {
        cost_micro_usd: None,
        tokens: None,
    };
    for part in to.split(" and ") {
        match (part.strip_prefix('$'), part.strip_suffix(" tokens")) {
            (Some(dollars), _) => {
                let (whole, rest) = dollars.split_once('.')?;
                budget.cost_micro_usd = format!("{whole}{rest:0<6}").parse().ok();
            }
            (None, Some(tokens)) => budget.tokens = tokens.parse().ok(),
            (None, None) => return None,
        }
    }
    (budget.cost_micro_usd.is_some() || budget.tokens.is_some()).then_some(budget)
}

/// Twice the budget, or what is spent, under way and waits, whichever is more: one yes is enough for the call that waits.
fn enough(budget: Budget, sums: Sums, ask: &Ask) -> Budget {
    let mut after = sums;
    after.add(ask.at_most);
    let twice = raised(budget);
    let most = |twice: u64, after: u64, limit: u64| twice.max(after).min(limit);
    Budget {
        cost_micro_usd: twice
            .cost_micro_usd
            .map(|twice| most(twice, after.cost_micro_usd, BUDGET_MICRO_USD_MAX)),
        tokens: twice.tokens.map(|twice| most(twice, after.tokens, BUDGET_TOKENS_MAX)),
    }
}

/// One for everyone until the budget is set anew: it offers what the first needs who asks.
fn question(budget: Budget, hash: String, sums: Sums, ask: &Ask) -> Question {
    let exact = format!("{} to {}", words(budget), words(enough(budget, sums, ask)));
    let spent = Budget {
        cost_micro_usd: budget.cost_micro_usd.map(|_| sums.cost_micro_usd),
        tokens: budget.tokens.map(|_| sums.tokens),
    };
    let next = Budget {
        cost_micro_usd: budget.cost_micro_usd.and(ask.at_most.cost_micro_usd),
        tokens: budget.tokens.map(|_| ask.at_most.tokens),
    };
    Question {
        approval_id: String::new(),
        kind: QuestionKind::Budget,
        risk: Risk::LeavesMachine,
        sentence: "Raise the budget of this run?".to_owned(),
        arguments_hash: Some(hash),
        exact,
        why: format!(
            "Spent or under way: {}. The next call of {} can cost up to {}.",
            words(spent),
            ask.step.task_id,
            words(next)
        ),
        if_no: "The run stops. What has settled stays.".to_owned(),
        adds: Vec::new(),
        labels: Vec::new(),
        tool: None,
        scopes: vec![Scope::Run],
    }
}

/// What a replay notes where the recorded run asked.
#[must_use]
pub fn recorded_question(place: &StepRef) -> Question {
    Question {
        approval_id: format!("budget-{}", place.id()),
        kind: QuestionKind::Budget,
        risk: Risk::LeavesMachine,
        sentence: String::new(),
        exact: String::new(),
        why: String::new(),
        if_no: String::new(),
        adds: Vec::new(),
        labels: Vec::new(),
        tool: None,
        arguments_hash: None,
        scopes: Vec::new(),
    }
}

/// Tells one budget of a run from the next, also when they are equal.
///
/// # Errors
/// `INTERNAL` when it has no canonical form.
pub fn budget_hash(state: &RunState) -> Outcome<String> {
    canonical_hash(&serde_json::json!({ "budget": state.budget, "set": state.budgets_set }))
}

fn is_open(state: &RunState, hash: &str) -> bool {
    let same = |asked: &Question| asked.kind == QuestionKind::Budget && asked.arguments_hash.as_deref() == Some(hash);
    let mut approvals = state.approvals.values();
    approvals.any(|approval| approval.decision.is_none() && !approval.withdrawn && same(&approval.question))
}

/// `$1.25`, `40000 tokens`, or both.
fn words(budget: Budget) -> String {
    let money = budget.cost_micro_usd.map(dollars);
    let tokens = budget.tokens.map(|tokens| format!("{tokens} tokens"));
    let parts: Vec<String> = [money, tokens].into_iter().flatten().collect();
    parts.join(" and ")
}

/// Exact, without zeros that say nothing beyond the cents.
fn dollars(micro_usd: u64) -> String {
    let text = format!("${}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000);
    let cents = text.len() - 4;
    let kept = text.trim_end_matches('0').len().max(cents);
    text[..kept].to_owned()
}

/// What is held back for one call. Dropped unsettled, the call was cut off: all of it counts as spent, unless it was never written down.
pub struct Reservation {
    account: Arc<Account>,
    ask: Ask,
    requested: AtomicBool,
    begun: AtomicBool,
    settled: AtomicBool,
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation")
            .field("ask", &self.ask)
            .finish_non_exhaustive()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.requested.load(Ordering::Acquire) {
            self.settle(self.nothing());
        }
    }
}

impl Reservation {
    /// The event to write before the call goes out; from now on it may be written.
    #[must_use]
    pub fn requested(&self) -> Fact {
        self.requested.store(true, Ordering::Release);
        self.ask.requested()
    }

    fn nothing(&self) -> Spend {
        Spend {
            tokens: 0,
            cost_micro_usd: self.ask.price.as_ref().map(|_| 0),
        }
    }

    /// What an answer costs: by its usage, or all of it where the provider told none.
    #[must_use]
    pub fn of_usage(&self, usage: &Usage) -> Spend {
        if usage.input_tokens == 0 {
            return self.ask.at_most;
        }
        Spend {
            tokens: u64::from(usage.input_tokens) + u64::from(usage.output_tokens),
            cost_micro_usd: self.ask.price.as_ref().map(|price| price.of_usage(usage)),
        }
    }

    /// What a call costs that gave no answer: nothing, where the provider never began to.
    #[must_use]
    pub fn of_failure(&self) -> Spend {
        if self.begun.load(Ordering::Acquire) {
            return self.ask.at_most;
        }
        self.nothing()
    }

    /// The call is over and its event is on its way.
    pub fn settle(&self, booked: Spend) {
        if !self.settled.swap(true, Ordering::AcqRel) {
            self.account.sums().settle(self.ask.at_most, booked);
        }
    }
}

impl Meter for Reservation {
    fn begun(&self) {
        self.begun.store(true, Ordering::Release);
    }

    fn again(&self) -> Task<'_, Outcome<()>> {
        Box::pin(async move {
            if !self.begun.swap(false, Ordering::AcqRel) {
                return Ok(());
            }
            let short = self.account.take(&self.ask)?.is_some();
            if short {
                // What went out stays spent; the next try asks a person.
                self.settle(self.ask.at_most);
                return Err(Fault::new(
                    ErrorCode::BudgetReached,
                    "the budget does not allow another try",
                ));
            }
            let journal = &self.account.journal;
            let noted = journal.note_at(self.ask.actor.clone(), &self.ask.step, self.requested());
            noted.await.map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Grant};
    use openwrap_contracts::ports::{Clock, Ledger, ObservedResult};

    use super::*;
    use crate::replay::MemoryLedger;

    #[test]
    fn money_is_written_exactly() {
        for (micro, text) in [
            (0, "$0.00"),
            (1, "$0.000001"),
            (100_000, "$0.10"),
            (1_250_000, "$1.25"),
            (12_345_678, "$12.345678"),
            (2_000_000_000, "$2000.00"),
        ] {
            assert_eq!(dollars(micro), text);
        }
    }

    struct Still;

    impl Clock for Still {
        fn now_ms(&self) -> i64 {
            0
        }
    }

    struct Nobody(Arc<Journal>);

    impl Approver for Nobody {
        fn ask(&self, _: StepRef, _: Question, _: CancellationToken) -> Task<'_, Outcome<EffectiveDecision>> {
            Box::pin(async { Err(Fault::canceled()) })
        }

        fn grants(&self, _: &StepRef) -> Vec<Grant> {
            Vec::new()
        }

        fn policy(&self) -> ApprovePolicy {
            ApprovePolicy::Ask
        }

        fn observed(&self, _: &StepRef) -> Option<ObservedResult> {
            None
        }

        fn ledger(&self) -> Arc<dyn Ledger> {
            Arc::clone(&self.0) as Arc<dyn Ledger>
        }
    }

    fn ask(tokens: u64) -> Ask {
        let step = StepRef {
            task_id: "t".to_owned(),
            attempt: 1,
            step: 1,
        };
        Ask::new(step, Actor::worker("t"), "p/m", "", None, (tokens, 0))
    }

    #[tokio::test]
    async fn what_is_dropped_before_it_is_written_down_costs_nothing() {
        let state = RunState {
            budget: Some(Budget {
                cost_micro_usd: None,
                tokens: Some(100),
            }),
            ..RunState::default()
        };
        let journal = Journal::new(MemoryLedger::new(None), Arc::new(Still), "run", "p", state);
        let approver = Arc::new(Nobody(Arc::clone(&journal)));
        let account = Account::new(journal, approver, mpsc::unbounded_channel().0);
        let cancel = CancellationToken::new();
        for _ in 0..3 {
            drop(account.reserve(ask(60), &cancel).await.unwrap());
        }
        let written = account.reserve(ask(60), &cancel).await.unwrap();
        let _ = written.requested();
        drop(written);
        assert_eq!(account.sums().tokens, 60);
        assert!(
            account.reserve(ask(60), &cancel).await.is_err(),
            "it is spent: a person is asked"
        );
    }

    #[test]
    fn a_yes_is_enough_for_the_call_that_waits_and_sets_what_is_shown() {
        let sums = |tokens, cost_micro_usd| Sums { tokens, cost_micro_usd };
        let both = Budget {
            cost_micro_usd: Some(1_250_001),
            tokens: Some(10),
        };
        let tokens = Budget {
            cost_micro_usd: None,
            ..both
        };
        let money = Budget { tokens: None, ..both };
        for (budget, sums, shown) in [
            (tokens, sums(0, 0), "10 tokens to 20 tokens"),
            (tokens, sums(13, 0), "10 tokens to 33 tokens"),
            (money, sums(0, 9), "$1.250001 to $2.500002"),
            (money, sums(0, 7_000_000), "$1.250001 to $7.00"),
            (both, sums(30, 1), "$1.250001 and 10 tokens to $2.500002 and 50 tokens"),
        ] {
            let asked = question(budget, String::new(), sums, &ask(20));
            assert_eq!(asked.exact, shown);
            assert_eq!(offered(&asked), Some(enough(budget, sums, &ask(20))));
        }
        for strange in ["", "10 to 20", "1 to $x.00", "$1.00"] {
            let mut asked = question(tokens, String::new(), sums(0, 0), &ask(1));
            asked.exact = strange.to_owned();
            assert_eq!(offered(&asked), None, "{strange}");
        }
    }

    #[test]
    fn a_yes_doubles_what_is_limited() {
        let budget = Budget {
            cost_micro_usd: Some(5),
            tokens: None,
        };
        assert_eq!(raised(budget).cost_micro_usd, Some(10));
        assert_eq!(raised(budget).tokens, None);
        let most = Budget {
            cost_micro_usd: None,
            tokens: Some(BUDGET_TOKENS_MAX),
        };
        assert_eq!(raised(most), most);
    }
}
