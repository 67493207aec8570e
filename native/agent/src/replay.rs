//! Replay: scheduler, gateway, grants and every deterministic tool run again in fresh views; model answers, decisions and
//! observed results come from the record. Nothing is asked, nothing is dialed, nothing is written to the ledger.

use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::canonical::{canonical_bytes, canonical_hash};
use openwrap_contracts::event::{BaseNote, Event, Fact, LabelledFiles, StoredEvent};
use openwrap_contracts::fabric::FixedRoute;
use openwrap_contracts::grant::{ApprovePolicy, Decision, EffectiveDecision, Grant, Question, QuestionKind, Scope};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::model::{ModelCall, ModelReply, Usage};
use openwrap_contracts::ports::{
    Approver, Blobs, CancellationToken, FileOrigins, Ledger, Models, ObservedResult, Routes, Tail, Task, TextSink, Told,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::broadcast;

use crate::desk::{Rules, grants_for};
use crate::journal::Journal;
use crate::state::{RunState, StepState};

/// The folded state of a recorded run, to answer from.
pub struct Recorded {
    state: RunState,
    blobs: Arc<dyn Blobs>,
    diverged: Mutex<Vec<String>>,
    stop: CancellationToken,
}

impl Recorded {
    #[must_use]
    pub fn new(state: RunState, blobs: Arc<dyn Blobs>, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            state,
            blobs,
            diverged: Mutex::new(Vec::new()),
            stop,
        })
    }

    /// The recorded run.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Steps that gave something else than was recorded, in the order found.
    #[must_use]
    pub fn diverged(&self) -> Vec<String> {
        self.diverged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn diverge(&self, step: &StepRef, what: &str) -> Fault {
        let line = format!("{}: {what}", step.id());
        self.diverged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.clone());
        self.stop.cancel();
        Fault::new(ErrorCode::ReplayDiverged, line)
    }

    fn step(&self, step: &StepRef) -> Option<&StepState> {
        self.state
            .attempts
            .get(&(step.task_id.clone(), step.attempt))?
            .steps
            .get(&step.step)
    }

    /// Compares a finished tool step with the recorded one.
    fn compare(&self, event: &Event) {
        let step = StepRef {
            task_id: event.task_id.clone().unwrap_or_default(),
            attempt: event.attempt.unwrap_or(0),
            step: event.step.unwrap_or(0),
        };
        let (request, result) = match &event.fact {
            Fact::ToolRequested { request_hash, .. } => (Some(request_hash), None),
            Fact::ToolFinished {
                result_hash,
                change_set_hash,
                ..
            } => (None, Some((result_hash, change_set_hash))),
            Fact::ToolRefused {
                request_hash,
                result_hash,
                ..
            } => (Some(request_hash), Some((result_hash, &None))),
            _ => return,
        };
        let Some(StepState::Tool(recorded)) = self.step(&step) else {
            self.diverge(&step, "the record has no such tool step");
            return;
        };
        if request.is_some_and(|hash| *hash != recorded.request_hash) {
            self.diverge(&step, "another tool call than was recorded");
        }
        let Some((result_hash, change_set_hash)) = result else {
            return;
        };
        let same = recorded.result.as_ref().is_some_and(|recorded| {
            recorded.result_hash == *result_hash && recorded.change_set_hash == *change_set_hash
        });
        if !same {
            self.diverge(
                &step,
                &format!(
                    "{} gave another result or changed other files than was recorded",
                    recorded.tool
                ),
            );
        }
    }
}

/// A ledger that lives as long as the replay.
pub struct MemoryLedger {
    rows: Mutex<u64>,
    sender: broadcast::Sender<openwrap_contracts::ports::EventBatch>,
    recorded: Option<Arc<Recorded>>,
}

impl MemoryLedger {
    #[must_use]
    pub fn new(recorded: Option<Arc<Recorded>>) -> Arc<Self> {
        let (sender, _) = broadcast::channel(1);
        Arc::new(Self {
            rows: Mutex::new(0),
            sender,
            recorded,
        })
    }
}

impl Ledger for MemoryLedger {
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async move {
            if let Some(recorded) = &self.recorded {
                events.iter().for_each(|event| recorded.compare(event));
            }
            let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            events
                .iter()
                .map(|event| {
                    *rows += 1;
                    let bytes = canonical_bytes(event)?.into();
                    Ok(StoredEvent {
                        sequence: *rows,
                        hash: [0; 32],
                        bytes,
                    })
                })
                .collect()
        })
    }

    fn read(&self, _after: u64, _run_id: Option<String>, _limit: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn head(&self) -> (u64, [u8; 32]) {
        (*self.rows.lock().unwrap_or_else(PoisonError::into_inner), [0; 32])
    }

    fn tail(&self) -> Tail {
        self.sender.subscribe()
    }
}

/// Answers model calls from the record; a request that differs from the recorded one is a divergence.
pub struct RecordedModels {
    recorded: Arc<Recorded>,
}

impl RecordedModels {
    #[must_use]
    pub fn new(recorded: Arc<Recorded>) -> Arc<Self> {
        Arc::new(Self { recorded })
    }
}

impl Models for RecordedModels {
    fn complete(
        &self,
        call: ModelCall,
        _deltas: Arc<dyn TextSink>,
        _cancel: CancellationToken,
    ) -> Task<'_, Outcome<ModelReply>> {
        Box::pin(async move {
            let asked = canonical_hash(&*call.request)?;
            let Some(StepState::Model {
                request_hash,
                result_hash,
            }) = self.recorded.step(&call.step)
            else {
                return Err(self.recorded.diverge(&call.step, "the record has no such model call"));
            };
            if asked != *request_hash {
                return Err(self
                    .recorded
                    .diverge(&call.step, "another model request than was recorded"));
            }
            let Some(result_hash) = result_hash else {
                if self.recorded.state.was_interrupted(&call.step) {
                    return Err(Fault::canceled());
                }
                return Err(self.recorded_failure(&call.step));
            };
            let bytes = self.recorded.blobs.get(result_hash).await?;
            let answer = serde_json::from_slice(&bytes)?;
            Ok(ModelReply {
                answer,
                usage: Usage::default(),
                latency_ms: 0,
                tries: 1,
            })
        })
    }
}

impl RecordedModels {
    /// The call failed then, so it fails now: that is an input like an answer.
    fn recorded_failure(&self, step: &StepRef) -> Fault {
        let attempt = self.recorded.state.attempts.get(&(step.task_id.clone(), step.attempt));
        match attempt.and_then(|attempt| attempt.failure.clone()) {
            Some((code, message)) => Fault::new(code, message),
            None => self.recorded.diverge(step, "the recorded call has no answer"),
        }
    }
}

/// The models of roles as they were fixed then.
pub struct RecordedRoutes(pub Vec<FixedRoute>);

impl Routes for RecordedRoutes {
    fn fixed<'a>(&'a self, _model: &'a str) -> Task<'a, Outcome<Vec<FixedRoute>>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// Which files held text from outside, from the record.
pub struct RecordedOrigins {
    recorded: Arc<Recorded>,
}

impl RecordedOrigins {
    #[must_use]
    pub fn new(recorded: Arc<Recorded>) -> Arc<Self> {
        Arc::new(Self { recorded })
    }
}

impl FileOrigins for RecordedOrigins {
    fn labelled(&self, _project_id: String, _base_hash: String, version: u32) -> Task<'_, Outcome<Vec<LabelledFiles>>> {
        let plans = &self.recorded.state.plans;
        let accepted = plans
            .iter()
            .find(|plan| plan.version == version)
            .and_then(|plan| plan.accepted.as_ref());
        let known = accepted.map_or(&self.recorded.state.labelled, |accepted| &accepted.labelled);
        let known = known.clone();
        Box::pin(async move { Ok(known) })
    }
}

/// Answers questions from the record.
pub struct RecordedApprover {
    recorded: Arc<Recorded>,
    journal: Arc<Journal>,
    rules: Rules,
}

impl RecordedApprover {
    #[must_use]
    pub fn new(recorded: Arc<Recorded>, journal: Arc<Journal>, rules: Rules) -> Arc<Self> {
        Arc::new(Self {
            recorded,
            journal,
            rules,
        })
    }

    /// Answers to plans and to edits of a person's own are inputs: the record of the replay needs them too.
    async fn note(&self, step: &StepRef, mut question: Question, decision: &EffectiveDecision) -> Outcome<()> {
        question.approval_id = step.id();
        let resolved = Fact::ApprovalResolved {
            approval_id: step.id(),
            decision: Decision {
                allow: decision.allow,
                scope: Scope::Once,
                reason: decision.reason.clone(),
            },
        };
        let actor = Actor::core("replay");
        let events = vec![
            self.journal
                .event_at(actor.clone(), step, Fact::ApprovalRequested { question }),
            self.journal.event_at(actor, step, resolved),
        ];
        self.journal.append(events).await.map(|_| ())
    }

    fn decision(&self, step: &StepRef) -> Option<EffectiveDecision> {
        if let Some(StepState::Tool(tool)) = self.recorded.step(step)
            && let Some(decision) = &tool.decision
        {
            return Some(decision.clone());
        }
        let approvals = self.recorded.state.approvals.values();
        let answered = approvals
            .filter(|approval| approval.step == *step)
            .find_map(|approval| approval.decision.clone());
        answered.map(|decision| EffectiveDecision {
            allow: decision.allow,
            asked: true,
            reason: decision.reason,
        })
    }
}

impl Approver for RecordedApprover {
    fn ask(
        &self,
        step: StepRef,
        question: Question,
        _cancel: CancellationToken,
    ) -> Task<'_, Outcome<EffectiveDecision>> {
        Box::pin(async move {
            let decision = self
                .decision(&step)
                .ok_or_else(|| self.recorded.diverge(&step, "a question the record has no answer to"))?;
            self.note(&step, question, &decision).await?;
            Ok(decision)
        })
    }

    fn grants(&self, step: &StepRef) -> Vec<Grant> {
        // A standing answer is no grant here: the record holds the decision of each step.
        let mut grants = grants_for(&self.journal.state(), step);
        grants.retain(|grant| grant.approval_id.is_none());
        grants
    }

    fn policy(&self) -> ApprovePolicy {
        self.rules.policy
    }

    fn denies(&self) -> Vec<String> {
        self.rules.denies.clone()
    }

    fn observed(&self, step: &StepRef) -> Option<ObservedResult> {
        let StepState::Tool(tool) = self.recorded.step(step)? else {
            return None;
        };
        let result = tool.result.as_ref().filter(|result| result.ran)?;
        Some(ObservedResult {
            result_hash: result.result_hash.clone(),
            change_set_hash: result.change_set_hash.clone(),
            is_error: result.is_error,
            labels: result.labels.clone(),
        })
    }

    fn superseded(&self, attempt: &StepRef, base: Option<&BaseNote>) -> bool {
        let recorded = &self.recorded.state.attempts;
        let known = recorded.get(&(attempt.task_id.clone(), attempt.attempt));
        known.is_none_or(|known| known.base.as_ref() != base)
    }

    fn edited(&self, step: &StepRef) -> Option<Vec<String>> {
        let asked = self.recorded.state.approvals.values().find(|approval| {
            approval.question.kind == QuestionKind::Conflict && approval.step == *step && approval.decision.is_some()
        })?;
        Some(asked.question.exact.lines().map(str::to_owned).collect())
    }

    fn messages(&self, step: &StepRef) -> Option<Vec<Told>> {
        Some(self.recorded.state.seen_at(step))
    }

    fn budget_asked(&self, step: &StepRef) -> bool {
        self.recorded.state.budget_asked_at(step)
    }

    fn fallback(&self, step: &StepRef) -> Option<String> {
        self.recorded.state.fallback_at(step)
    }

    fn interrupted(&self, step: &StepRef) -> bool {
        self.recorded.state.was_interrupted(step)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.journal) as Arc<dyn Ledger>
    }
}
