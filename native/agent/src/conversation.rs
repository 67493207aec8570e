//! One attempt's talk with its model: steps are numbered, written down before they start, and never done twice. After a
//! crash the same loop runs again and takes finished steps from the ledger.

mod calls;

use std::sync::Arc;

pub use calls::is_elsewhere_better;
use openwrap_contracts::Outcome;
use openwrap_contracts::canonical::{Hashed, canonical_bytes};
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::fabric::FixedRoute;
use openwrap_contracts::identity::{Actor, Label, Origin, Source, StepRef, join_labels};
use openwrap_contracts::limits::{MODEL_OUTPUT_TOKENS, TOOL_CALLS_PER_ANSWER_MAX};
use openwrap_contracts::model::{Message, MessageRole, ModelAnswer, ModelRequest, Part, ToolCallPart, ToolOffer};
use openwrap_contracts::ports::{CancellationToken, Ledger, Told};

use crate::engine::Engine;
use crate::prompt;

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
