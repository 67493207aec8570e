//! One attempt's talk with its model: steps are numbered, written down before they start, and never done twice. After a
//! crash the same loop runs again and takes finished steps from the ledger.

use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::Outcome;
use openwrap_contracts::canonical::{canonical_bytes, sha256_hex};
use openwrap_contracts::event::{Fact, FailureNote};
use openwrap_contracts::identity::{Actor, Label, Origin, Source, StepRef, join_labels};
use openwrap_contracts::limits::{MODEL_OUTPUT_TOKENS, TOOL_CALLS_PER_ANSWER_MAX};
use openwrap_contracts::model::{
    Message, MessageRole, ModelAnswer, ModelCall, ModelReply, ModelRequest, Part, ToolCallPart, ToolOffer, Usage,
};
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::tool::preview;

use crate::engine::Engine;

/// A conversation in progress.
pub struct Conversation {
    engine: Arc<Engine>,
    /// The next step.
    pub place: StepRef,
    pub actor: Actor,
    pub cancel: CancellationToken,
    pub labels: Vec<Label>,
    request: ModelRequest,
    canonical: CanonicalRequest,
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
    pub route: String,
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
            request: ModelRequest {
                route: opening.route,
                system: opening.system,
                messages: vec![opening.message],
                tools: opening.tools,
                max_output_tokens: u32::try_from(MODEL_OUTPUT_TOKENS).unwrap_or(u32::MAX),
            },
            canonical: CanonicalRequest::default(),
        }
    }

    /// One model step.
    ///
    /// # Errors
    /// `MODEL_*` and what `Models::complete` says; `CANCELED`; storage faults.
    pub async fn ask(&mut self) -> Outcome<ModelAnswer> {
        let request = self.canonical.of(&self.request)?;
        let request_hash = sha256_hex(&request);
        let known = self.engine.journal.state().model_answer(&self.place, &request_hash);
        let mut answer: ModelAnswer = match known {
            Some(hash) => self.engine.kept(&hash).await?,
            None => self.call(request, &request_hash).await?,
        };
        answer.tool_calls.truncate(TOOL_CALLS_PER_ANSWER_MAX);
        self.place.step += 1;
        self.request
            .messages
            .push(assistant(&self.request.route, &answer, &self.labels));
        Ok(answer)
    }

    async fn call(&self, request: Vec<u8>, request_hash: &str) -> Outcome<ModelAnswer> {
        let engine = &self.engine;
        engine.pause_gate(&self.cancel).await?;
        let route = self.request.route.clone();
        let requested = Fact::ModelRequested {
            route: route.clone(),
            request_hash: request_hash.to_owned(),
        };
        self.note_with(request, requested).await?;
        let call = ModelCall {
            run_id: engine.spec.run_id.clone(),
            step: self.place.clone(),
            request: self.request.clone(),
        };
        let reply = engine
            .ports
            .models
            .complete(call, Arc::clone(&engine.ports.text), self.cancel.clone())
            .await;
        if self.cancel.is_cancelled() {
            return Err(openwrap_contracts::Fault::canceled());
        }
        match &reply {
            Ok(reply) => self.finished(request_hash, reply).await?,
            Err(fault) => {
                let failed = Fact::ModelFinished {
                    route,
                    request_hash: request_hash.to_owned(),
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
                };
                engine.journal.note_at(self.actor.clone(), &self.place, failed).await?;
            }
        }
        reply.map(|reply| reply.answer)
    }

    async fn finished(&self, request_hash: &str, reply: &ModelReply) -> Outcome<()> {
        let answer = canonical_bytes(&reply.answer)?;
        let finished = Fact::ModelFinished {
            route: self.request.route.clone(),
            request_hash: request_hash.to_owned(),
            result_hash: Some(sha256_hex(&answer)),
            usage: reply.usage,
            latency_ms: reply.latency_ms,
            tries: reply.tries,
            tool_calls: u32::try_from(reply.answer.tool_calls.len()).unwrap_or(u32::MAX),
            preview: preview(&reply.answer.text),
            error: None,
        };
        self.note_with(answer, finished).await
    }

    /// The fact and the content it names.
    async fn note_with(&self, content: Vec<u8>, fact: Fact) -> Outcome<()> {
        let Engine { journal, ports, .. } = &*self.engine;
        let append = async { journal.note_at(self.actor.clone(), &self.place, fact).await.map(|_| ()) };
        ports.blobs.put_before(Bytes::from(content), Box::pin(append)).await
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
        self.request.messages.push(Message {
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
