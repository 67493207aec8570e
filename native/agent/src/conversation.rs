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
            Part::Text { labels, .. } | Part::ToolResult { labels, .. } => join_labels(&all, labels),
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
        }
    }

    /// One model step.
    ///
    /// # Errors
    /// `MODEL_*` and what `Models::complete` says; `CANCELED`; storage faults.
    pub async fn ask(&mut self) -> Outcome<ModelAnswer> {
        let request = canonical_bytes(&self.request)?;
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
        engine.ports.blobs.put(Bytes::from(request)).await?;
        let route = self.request.route.clone();
        let requested = Fact::ModelRequested {
            route: route.clone(),
            request_hash: request_hash.to_owned(),
        };
        engine
            .journal
            .note_at(self.actor.clone(), &self.place, requested)
            .await?;
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
        let finished = match &reply {
            Ok(reply) => self.finished(request_hash, reply).await?,
            Err(fault) => Fact::ModelFinished {
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
            },
        };
        engine
            .journal
            .note_at(self.actor.clone(), &self.place, finished)
            .await?;
        reply.map(|reply| reply.answer)
    }

    async fn finished(&self, request_hash: &str, reply: &ModelReply) -> Outcome<Fact> {
        let result_hash = self.engine.keep(&reply.answer).await?;
        Ok(Fact::ModelFinished {
            route: self.request.route.clone(),
            request_hash: request_hash.to_owned(),
            result_hash: Some(result_hash),
            usage: reply.usage,
            latency_ms: reply.latency_ms,
            tries: reply.tries,
            tool_calls: u32::try_from(reply.answer.tool_calls.len()).unwrap_or(u32::MAX),
            preview: preview(&reply.answer.text),
            error: None,
        })
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
