//! The model calls of a conversation: reserved in the run's account, written down before and after, asked elsewhere when there is no
//! answer.

use std::sync::Arc;

use openwrap_contracts::canonical::{Hashed, canonical_bytes};
use openwrap_contracts::event::{Fact, FailureNote};
use openwrap_contracts::model::{ModelAnswer, ModelCall, ModelReply, Usage};
use openwrap_contracts::ports::{Ledger, Meter, Named};
use openwrap_contracts::tool::preview;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use super::Conversation;
use crate::budget::{self, Ask, Reservation};
use crate::engine::Engine;
use crate::steering::INTERRUPTED;

impl Conversation {
    /// The step was asked of another model before, in an earlier life or in the recorded run: so it is now.
    pub(super) async fn fall_back_again(&mut self) -> Outcome<()> {
        let replayed = self.engine.approver.fallback(&self.place);
        let known = self.engine.journal.state().fallback_at(&self.place);
        let Some(to) = replayed.clone().or_else(|| known.clone()) else {
            return Ok(());
        };
        if replayed.is_some() && known.is_none() {
            let error = FailureNote {
                code: ErrorCode::ModelUnavailable,
                message: String::new(),
            };
            self.note_fallback(&to, error).await?;
        }
        self.turn_to(to);
        Ok(())
    }

    /// Turns to the next model that stands in, when the one before cannot answer; else the fault stands.
    pub(super) async fn fall_back(&mut self, fault: Fault) -> Outcome<()> {
        let asked = self.fallbacks.iter().position(|route| *route == self.request.route);
        let next = self.fallbacks.get(asked.map_or(0, |place| place + 1)).cloned();
        let Some(to) = next.filter(|_| is_elsewhere_better(fault.code)) else {
            return Err(fault);
        };
        let error = FailureNote {
            code: fault.code,
            message: fault.message,
        };
        self.note_fallback(&to, error).await?;
        self.turn_to(to);
        Ok(())
    }

    async fn note_fallback(&self, to: &str, error: FailureNote) -> Outcome<()> {
        let fact = Fact::ModelFellBack {
            from: self.request.route.clone(),
            to: to.to_owned(),
            error,
        };
        let noted = self.engine.journal.note_at(self.actor.clone(), &self.place, fact);
        noted.await.map(|_| ())
    }

    fn turn_to(&mut self, route: String) {
        if self.request.route != route {
            Arc::make_mut(&mut self.request).route = route;
            self.canonical.rest.clear();
        }
    }

    /// Reserves what the step can cost.
    async fn reserve(&self, request: &Hashed, request_hash: &str) -> Outcome<Option<Arc<Reservation>>> {
        let engine = &self.engine;
        let tokens = (
            budget::tokens_at_most(request.bytes().len()),
            u64::from(self.request.max_output_tokens),
        );
        let route = &self.request.route;
        let price = engine.ports.models.price(route);
        let ask = Ask::new(
            self.place.clone(),
            self.actor.clone(),
            route,
            request_hash,
            price,
            tokens,
        );
        engine.reserve(ask, &self.cancel).await
    }

    /// None: a person interrupted, and the step is over without an answer.
    pub(super) async fn call(&self, request: Hashed, request_hash: &str) -> Outcome<Option<ModelAnswer>> {
        loop {
            let reservation = self.reserve(&request, request_hash).await?;
            // Who waited for a person may find the run paused meanwhile.
            self.engine.pause_gate(&self.cancel).await?;
            match self.call_once(request.clone(), request_hash, reservation).await {
                // A try was cut off, and the budget does not allow another: a person is asked.
                Err(fault) if fault.code == ErrorCode::BudgetReached => {}
                outcome => return outcome,
            }
        }
    }

    async fn call_once(
        &self,
        request: Hashed,
        request_hash: &str,
        reservation: Option<Arc<Reservation>>,
    ) -> Outcome<Option<ModelAnswer>> {
        let engine = &self.engine;
        let step = engine.steps.begin(&self.place.task_id, &self.cancel);
        let route = self.request.route.clone();
        let requested = match &reservation {
            Some(reservation) => reservation.requested(),
            None => Fact::ModelRequested {
                route: route.clone(),
                request_hash: request_hash.to_owned(),
                reserved: None,
            },
        };
        let (journal, place) = (&engine.journal, &self.place);
        let event = journal.event_at(self.actor.clone(), place, requested);
        journal
            .append_with(Named::new(&*engine.ports.blobs, vec![request]), vec![event])
            .await?;
        if engine.journal.state().is_interrupted(&self.place) {
            // Said between the look and the beginning of the step.
            engine.steps.interrupt(Some(&self.place.task_id));
        }
        let call = ModelCall {
            run_id: engine.spec.run_id.clone(),
            step: self.place.clone(),
            request: Arc::clone(&self.request),
            meter: reservation.clone().map(|reservation| reservation as Arc<dyn Meter>),
        };
        let reply = engine
            .ports
            .models
            .complete(call, Arc::clone(&engine.ports.text), step.token())
            .await;
        if self.cancel.is_cancelled() {
            return Err(openwrap_contracts::Fault::canceled());
        }
        let given_up = step.is_given_up() || engine.approver.interrupted(&self.place);
        match reply {
            Ok(reply) => {
                self.finished(request_hash, &reply, reservation.as_deref()).await?;
                Ok(Some(reply.answer))
            }
            Err(fault) if fault.code == ErrorCode::BudgetReached => Err(fault),
            Err(fault) => {
                self.failed(request_hash, &fault, given_up, reservation).await?;
                if given_up { Ok(None) } else { Err(fault) }
            }
        }
    }

    async fn failed(
        &self,
        request_hash: &str,
        fault: &Fault,
        given_up: bool,
        reservation: Option<Arc<Reservation>>,
    ) -> Outcome<()> {
        let booked = reservation.as_ref().map(|reservation| reservation.of_failure());
        let code = if given_up { ErrorCode::Canceled } else { fault.code };
        let message = if given_up { INTERRUPTED } else { &fault.message };
        let failed = Fact::ModelFinished {
            route: self.request.route.clone(),
            request_hash: request_hash.to_owned(),
            result_hash: None,
            usage: Usage::default(),
            latency_ms: 0,
            tries: 1,
            tool_calls: 0,
            preview: String::new(),
            error: Some(FailureNote {
                code,
                message: message.to_owned(),
            }),
            booked,
        };
        let journal = &self.engine.journal;
        journal.note_at(self.actor.clone(), &self.place, failed).await?;
        if let (Some(reservation), Some(booked)) = (reservation, booked) {
            reservation.settle(booked);
        }
        Ok(())
    }

    /// It has happened: what comes of it waits for the ledger before it goes out.
    async fn finished(&self, request_hash: &str, reply: &ModelReply, reservation: Option<&Reservation>) -> Outcome<()> {
        let booked = reservation.map(|reservation| reservation.of_usage(&reply.usage));
        let answer = Hashed::new(canonical_bytes(&reply.answer)?);
        let finished = Fact::ModelFinished {
            route: self.request.route.clone(),
            request_hash: request_hash.to_owned(),
            result_hash: Some(answer.hex()),
            usage: reply.usage,
            latency_ms: reply.latency_ms,
            tries: reply.tries,
            tool_calls: u32::try_from(reply.answer.tool_calls.len()).unwrap_or(u32::MAX),
            preview: preview(&reply.answer.text),
            error: None,
            booked,
        };
        let Engine { journal, ports, .. } = &*self.engine;
        let event = journal.event_at(self.actor.clone(), &self.place, finished);
        journal
            .append_behind(Named::new(&*ports.blobs, vec![answer]), vec![event])
            .await?;
        if let (Some(reservation), Some(booked)) = (reservation, booked) {
            reservation.settle(booked);
        }
        Ok(())
    }
}

/// Whether another provider may answer what this one did not.
#[must_use]
pub fn is_elsewhere_better(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ModelUnavailable
            | ErrorCode::ModelOverloaded
            | ErrorCode::ModelCredit
            | ErrorCode::ModelAuth
            | ErrorCode::ModelAddress
            | ErrorCode::ModelUnknown
            | ErrorCode::ModelMalformed
            | ErrorCode::EgressFailed
            | ErrorCode::EgressTls
            | ErrorCode::NoRoute
    )
}
