//! A model call inside a tool's step: reserved in the run's account, written down before and after. The step stays the tool's.

use std::sync::Arc;

use openwrap_agent::budget::{Ask, Reservation};
use openwrap_agent::engine::Engine;
use openwrap_contracts::canonical::Hashed;
use openwrap_contracts::event::{Fact, FailureNote};
use openwrap_contracts::fabric::FixedRoute;
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::model::Usage;
use openwrap_contracts::ports::{CancellationToken, Ledger, Meter, Named};
use openwrap_contracts::spend::{ModelPrice, Spend};
use openwrap_contracts::tool::preview;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// What is asked, before it goes out.
pub(crate) struct Question<'a> {
    pub engine: &'a Arc<Engine>,
    pub step: &'a StepRef,
    pub route: &'a str,
    /// Canonical JSON of the request.
    pub request: Hashed,
    pub price: Option<ModelPrice>,
    pub at_most: Spend,
}

/// A call under way.
pub(crate) struct Asked<'a> {
    engine: &'a Arc<Engine>,
    step: &'a StepRef,
    route: &'a str,
    request_hash: String,
    reservation: Option<Arc<Reservation>>,
}

/// An answer as it is noted.
pub(crate) struct Answered<'a> {
    /// Canonical JSON of it.
    pub answer: Hashed,
    pub text: &'a str,
    pub usage: Usage,
    pub latency_ms: u32,
    pub tries: u32,
    /// None: by its usage.
    pub booked: Option<Spend>,
}

fn worker(step: &StepRef) -> Actor {
    Actor::worker(step.task_id.clone())
}

impl<'a> Question<'a> {
    /// Reserves, then notes that it is asked.
    ///
    /// # Errors
    /// As [`Engine::reserve`] and `Ledger::append`.
    pub async fn begin(self, cancel: &CancellationToken) -> Outcome<Asked<'a>> {
        let request_hash = self.request.hex();
        let ask = Ask {
            step: self.step.clone(),
            actor: worker(self.step),
            route: self.route.to_owned(),
            request_hash: request_hash.clone(),
            price: self.price,
            at_most: self.at_most,
        };
        let unreserved = ask.requested();
        let reservation = self.engine.reserve(ask, cancel).await?;
        let requested = reservation.as_ref().map_or(unreserved, |known| known.requested());
        let Engine { journal, ports, .. } = &**self.engine;
        let event = journal.event_at(worker(self.step), self.step, requested);
        journal
            .append_with(Named::new(&*ports.blobs, vec![self.request]), vec![event])
            .await?;
        Ok(Asked {
            engine: self.engine,
            step: self.step,
            route: self.route,
            request_hash,
            reservation,
        })
    }
}

impl Asked<'_> {
    pub fn meter(&self) -> Option<Arc<dyn Meter>> {
        let reservation = self.reservation.clone();
        reservation.map(|reservation| reservation as Arc<dyn Meter>)
    }

    /// Notes the answer.
    ///
    /// # Errors
    /// As `Ledger::append`.
    pub async fn answered(self, answered: Answered<'_>) -> Outcome<()> {
        let by_usage = || {
            let reservation = self.reservation.as_ref()?;
            Some(reservation.of_usage(&answered.usage))
        };
        let booked = answered.booked.or_else(by_usage);
        let fact = Fact::ModelFinished {
            route: self.route.to_owned(),
            request_hash: self.request_hash.clone(),
            result_hash: Some(answered.answer.hex()),
            usage: answered.usage,
            latency_ms: answered.latency_ms,
            tries: answered.tries,
            tool_calls: 0,
            preview: preview(answered.text),
            error: None,
            booked,
        };
        self.end(fact, vec![answered.answer], booked).await
    }

    /// Notes why there is no answer.
    ///
    /// # Errors
    /// As `Ledger::append`.
    pub async fn failed(self, fault: &Fault) -> Outcome<()> {
        // Given up with its step, which says so itself: what was reserved stays spent.
        if matches!(fault.code, ErrorCode::Canceled | ErrorCode::BudgetReached) {
            return Ok(());
        }
        let booked = self.reservation.as_ref().map(|reservation| reservation.of_failure());
        let fact = Fact::ModelFinished {
            route: self.route.to_owned(),
            request_hash: self.request_hash.clone(),
            result_hash: None,
            usage: Usage::default(),
            latency_ms: 0,
            tries: 1,
            tool_calls: 0,
            preview: String::new(),
            error: Some(FailureNote {
                code: fault.code,
                message: fault.message.clone(),
            }),
            booked,
        };
        self.end(fact, Vec::new(), booked).await
    }

    async fn end(&self, fact: Fact, content: Vec<Hashed>, booked: Option<Spend>) -> Outcome<()> {
        let Engine { journal, ports, .. } = &**self.engine;
        let event = journal.event_at(worker(self.step), self.step, fact);
        journal
            .append_with(Named::new(&*ports.blobs, content), vec![event])
            .await?;
        if let (Some(reservation), Some(booked)) = (&self.reservation, booked) {
            reservation.settle(booked);
        }
        Ok(())
    }
}

/// The routes of a step's question in the order they are asked: the one that was granted, else those fixed for its kind, else the
/// worker's own.
pub(crate) fn routes(engine: &Engine, step: &StepRef, granted: Option<String>, kind: &str) -> Vec<String> {
    if let Some(route) = granted {
        return vec![route];
    }
    let (fixed, role) = {
        let state = engine.journal.state();
        let fixed = state.routes.iter().find(|fixed| fixed.role == kind).cloned();
        (fixed, state.task(&step.task_id).map(|task| task.role.clone()))
    };
    let FixedRoute { route, fallbacks, .. } = match (fixed, role) {
        (Some(fixed), _) => fixed,
        (None, role) => engine.route(&role.unwrap_or_default()),
    };
    std::iter::once(route).chain(fallbacks).collect()
}
