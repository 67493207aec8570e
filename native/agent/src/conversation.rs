//! One attempt's talk with its model: steps are numbered, written down before they start, and never done twice. After a
//! crash the same loop runs again and takes finished steps from the ledger.

use std::sync::Arc;

use openwrap_contracts::canonical::{Hashed, canonical_bytes};
use openwrap_contracts::event::{Event, Fact, FailureNote};
use openwrap_contracts::fabric::FixedRoute;
use openwrap_contracts::identity::{Actor, Label, Origin, Source, StepRef, join_labels};
use openwrap_contracts::limits::{MODEL_OUTPUT_TOKENS, TOOL_CALLS_PER_ANSWER_MAX};
use openwrap_contracts::model::{
    Message, MessageRole, ModelAnswer, ModelCall, ModelReply, ModelRequest, Part, ToolCallPart, ToolOffer, Usage,
};
use openwrap_contracts::ports::{CancellationToken, Ledger, Meter, Named, Told};
use openwrap_contracts::tool::preview;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::budget::{self, Ask, Reservation};
use crate::engine::Engine;
use crate::prompt;
use crate::steering::INTERRUPTED;

/// A conversation in progress.
pub struct Conversation {
    engine: Arc<Engine>,
    /// The next step.
    pub place: StepRef,
    pub actor: Actor,
    pub cancel: CancellationToken,
    pub labels: Vec<Label>,
    /// Files of the view that labelled work wrote.
    pub file_labels: Vec<(String, Vec<Label>)>,
    request: Arc<ModelRequest>,
    canonical: CanonicalRequest,
    /// Models that stand in for the route's, in order.
    fallbacks: Vec<String>,
}

/// Canonical JSON of a request that only grows: each message is written once, so is what never changes.
#[derive(Default)]
struct CanonicalRequest {
    /// The messages so far, with commas between.
    messages: Vec<u8>,
    written: usize,
    /// What follows the messages.
    rest: Vec<u8>,
}

impl CanonicalRequest {
    /// The same bytes as `canonical_bytes` of the request.
    fn of(&mut self, request: &ModelRequest) -> Outcome<Vec<u8>> {
        let ModelRequest {
            route,
            system,
            messages,
            tools,
            max_output_tokens,
        } = request;
        for message in messages.iter().skip(self.written) {
            if self.written > 0 {
                self.messages.push(b',');
            }
            self.messages.extend(canonical_bytes(message)?);
            self.written += 1;
        }
        if self.rest.is_empty() {
            self.rest.extend(b"],\"route\":");
            self.rest.extend(canonical_bytes(route)?);
            self.rest.extend(b",\"system\":");
            self.rest.extend(canonical_bytes(system)?);
            self.rest.extend(b",\"tools\":");
            self.rest.extend(canonical_bytes(tools)?);
            self.rest.push(b'}');
        }
        let first = format!("{{\"maxOutputTokens\":{max_output_tokens},\"messages\":[");
        Ok([first.as_bytes(), &self.messages, &self.rest].concat())
    }
}

/// What opens a conversation.
pub struct Opening {
    pub task_id: String,
    pub attempt: u32,
    pub actor: Actor,
    pub route: FixedRoute,
    pub system: String,
    pub message: Message,
    pub tools: Vec<ToolOffer>,
    pub cancel: CancellationToken,
}

impl Conversation {
    #[must_use]
    pub fn new(engine: Arc<Engine>, opening: Opening) -> Self {
        let labels = opening.message.parts.iter().fold(Vec::new(), |all, part| match part {
            Part::Text { labels, .. } | Part::Image { labels, .. } | Part::ToolResult { labels, .. } => {
                join_labels(&all, labels)
            }
            Part::ToolCall(_) => all,
        });
        Self {
            engine,
            place: StepRef {
                task_id: opening.task_id,
                attempt: opening.attempt,
                step: 1,
            },
            actor: opening.actor,
            cancel: opening.cancel,
            labels,
            file_labels: Vec::new(),
            request: Arc::new(ModelRequest {
                route: opening.route.route,
                system: opening.system,
                messages: vec![opening.message],
                tools: opening.tools,
                max_output_tokens: u32::try_from(MODEL_OUTPUT_TOKENS).unwrap_or(u32::MAX),
            }),
            canonical: CanonicalRequest::default(),
            fallbacks: opening.route.fallbacks,
        }
    }

    /// One model step that ends with an answer; steps a person interrupts before it are counted.
    ///
    /// # Errors
    /// `MODEL_*` and what `Models::complete` says; `CANCELED`; storage faults.
    pub async fn ask(&mut self) -> Outcome<ModelAnswer> {
        let mut answer = loop {
            if !self.engine.journal.state().is_finished(&self.place) {
                self.engine.step_gate(&self.place, &self.cancel).await?;
            }
            self.hear().await?;
            self.fall_back_again().await?;
            let request = Hashed::new(self.canonical.of(&self.request)?);
            let request_hash = request.hex();
            let (known, given_up) = {
                let state = self.engine.journal.state();
                let known = state.model_answer(&self.place, &request_hash);
                (known, state.was_interrupted(&self.place))
            };
            let answer: Option<ModelAnswer> = match known {
                Some(hash) => Some(self.engine.kept(&hash).await?),
                None if given_up => None,
                None => match self.call(request, &request_hash).await {
                    Ok(answer) => answer,
                    Err(fault) => {
                        self.fall_back(fault).await?;
                        continue;
                    }
                },
            };
            self.place.step += 1;
            if let Some(answer) = answer {
                break answer;
            }
        };
        answer.tool_calls.truncate(TOOL_CALLS_PER_ANSWER_MAX);
        self.add(assistant(&self.request.route, &answer, &self.labels));
        Ok(answer)
    }

    /// Takes in what was said since the last step; the step before which it is heard is noted.
    async fn hear(&mut self) -> Outcome<()> {
        let (mut told, fresh, replayed) = match self.engine.approver.messages(&self.place) {
            Some(recorded) => (Vec::new(), recorded, true),
            None => {
                let state = self.engine.journal.state();
                let fresh = if state.is_finished(&self.place) {
                    Vec::new()
                } else {
                    state.to_tell(&self.place)
                };
                (state.seen_at(&self.place), fresh, false)
            }
        };
        if !fresh.is_empty() {
            let events = fresh.iter().flat_map(|told| self.heard(told, replayed)).collect();
            self.engine.journal.append(events).await?;
        }
        told.extend(fresh);
        if told.is_empty() {
            return Ok(());
        }
        let parts = told.into_iter().map(|told| {
            self.labels = join_labels(&self.labels, &told.labels);
            prompt::told(told)
        });
        let message = Message {
            role: MessageRole::User,
            parts: parts.collect(),
        };
        self.add(message);
        Ok(())
    }

    /// Copies nothing: whoever shared the request is done with it.
    fn add(&mut self, message: Message) {
        Arc::make_mut(&mut self.request).messages.push(message);
    }

    /// A replay notes what was said as well: its record needs it.
    fn heard(&self, told: &Told, replayed: bool) -> Vec<Event> {
        let journal = &self.engine.journal;
        let mut events = Vec::with_capacity(2);
        if replayed {
            let actor = if told.by_core {
                Actor::core("replay")
            } else {
                Actor::person("replay")
            };
            let sent = Fact::MessageSent {
                message_id: told.message_id.clone(),
                text: told.text.clone(),
                interrupt: false,
                labels: told.labels.clone(),
            };
            events.push(journal.event_at(actor, &self.place, sent));
        }
        let seen = Fact::MessageSeen {
            message_id: told.message_id.clone(),
        };
        events.push(journal.event_at(self.actor.clone(), &self.place, seen));
        events
    }

    /// The step was asked of another model before, in an earlier life or in the recorded run: so it is now.
    async fn fall_back_again(&mut self) -> Outcome<()> {
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
    async fn fall_back(&mut self, fault: Fault) -> Outcome<()> {
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
        let ask = Ask::new(self.place.clone(), self.actor.clone(), route, request_hash, price, tokens);
        engine.reserve(ask, &self.cancel).await
    }

    /// None: a person interrupted, and the step is over without an answer.
    async fn call(&self, request: Hashed, request_hash: &str) -> Outcome<Option<ModelAnswer>> {
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
                let booked = reservation.as_ref().map(|reservation| reservation.of_failure());
                let code = if given_up { ErrorCode::Canceled } else { fault.code };
                let message = if given_up {
                    INTERRUPTED.to_owned()
                } else {
                    fault.message.clone()
                };
                let failed = Fact::ModelFinished {
                    route,
                    request_hash: request_hash.to_owned(),
                    result_hash: None,
                    usage: Usage::default(),
                    latency_ms: 0,
                    tries: 1,
                    tool_calls: 0,
                    preview: String::new(),
                    error: Some(FailureNote { code, message }),
                    booked,
                };
                engine.journal.note_at(self.actor.clone(), &self.place, failed).await?;
                if let (Some(reservation), Some(booked)) = (reservation, booked) {
                    reservation.settle(booked);
                }
                if given_up { Ok(None) } else { Err(fault) }
            }
        }
    }

    /// It has happened: what comes of it waits for the ledger before it goes out.
    async fn finished(
        &self,
        request_hash: &str,
        reply: &ModelReply,
        reservation: Option<&Reservation>,
    ) -> Outcome<()> {
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

    /// Adds the results of an answer's tool calls, in the order of the calls.
    pub fn add_results(&mut self, results: Vec<CallResult>) {
        let parts = results
            .into_iter()
            .map(|result| {
                self.labels = join_labels(&self.labels, &result.labels);
                Part::ToolResult {
                    call_id: result.call_id,
                    text: result.text,
                    is_error: result.is_error,
                    origin: Origin {
                        source: Source::Tool,
                        name: result.tool,
                    },
                    labels: result.labels,
                }
            })
            .collect();
        self.add(Message {
            role: MessageRole::Tool,
            parts,
        });
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

/// Result of one tool call, as the model reads it.
pub struct CallResult {
    pub call_id: String,
    pub tool: String,
    pub text: String,
    pub is_error: bool,
    pub labels: Vec<Label>,
}

impl CallResult {
    /// An error the core itself answers with.
    #[must_use]
    pub fn error(call: &ToolCallPart, code: &str, message: &str) -> Self {
        Self {
            call_id: call.call_id.clone(),
            tool: call.tool.clone(),
            text: serde_json::json!({ "error": { "code": code, "message": message } }).to_string(),
            is_error: true,
            labels: Vec::new(),
        }
    }
}

fn assistant(route: &str, answer: &ModelAnswer, labels: &[Label]) -> Message {
    let mut parts = Vec::with_capacity(answer.tool_calls.len() + 1);
    if !answer.text.is_empty() {
        let origin = Origin {
            source: Source::Model,
            name: route.to_owned(),
        };
        parts.push(Part::Text {
            text: answer.text.clone(),
            origin,
            labels: labels.to_vec(),
        });
    }
    parts.extend(answer.tool_calls.iter().cloned().map(Part::ToolCall));
    Message {
        role: MessageRole::Assistant,
        parts,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_growing_request_is_written_as_a_whole_one() {
        let text = |text: &str| Part::Text {
            text: text.to_owned(),
            origin: Origin {
                source: Source::Model,
                name: "a/\u{e9}".to_owned(),
            },
            labels: Vec::new(),
        };
        let mut request = ModelRequest {
            route: "a/\"b\"".to_owned(),
            system: "line\nline \u{1f600}".to_owned(),
            messages: Vec::new(),
            tools: vec![crate::prompt::fail_offer()],
            max_output_tokens: 4096,
        };
        let mut canonical = CanonicalRequest::default();
        for role in [
            MessageRole::User,
            MessageRole::Assistant,
            MessageRole::Tool,
            MessageRole::User,
        ] {
            assert_eq!(canonical.of(&request).unwrap(), canonical_bytes(&request).unwrap());
            let parts = vec![text("\u{1} \\ \u{2028}"), text("")];
            request.messages.push(Message { role, parts });
        }
        assert_eq!(canonical.of(&request).unwrap(), canonical_bytes(&request).unwrap());
    }
}
