//! One tool step of an attempt: taken from the ledger when it is finished, asked about when it may have left the view, else made
//! through the gateway. The calls of a script that a step runs are steps after it.

use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{Question, QuestionKind, Risk, Scope};
use openwrap_contracts::identity::{Actor, Label, StepRef};
use openwrap_contracts::model::ToolCallPart;
use openwrap_contracts::ports::{CancellationToken, ToolCall, View};
use openwrap_contracts::script::Nested;
use openwrap_contracts::tool::{Reach, model_text, preview};
use openwrap_contracts::workflow::Role;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

use crate::attempt::Attempt;
use crate::nested::Nest;
use crate::provenance;
use crate::state::ToolResultState;
use crate::steering::INTERRUPTED;

/// Who does a step, where, and what they have read.
#[derive(Clone, Copy)]
pub(crate) struct Hand<'a> {
    pub place: &'a StepRef,
    pub actor: &'a Actor,
    pub role: &'a Role,
    pub view: &'a View,
    pub labels: &'a [Label],
    /// Files of the view that labelled work wrote.
    pub file_labels: &'a [(String, Vec<Label>)],
    /// A program that was left running may be at work in the view.
    pub beside: bool,
    /// Ends the step with the attempt, or with the script that makes it.
    pub cancel: &'a CancellationToken,
}

/// What came of a step.
pub(crate) struct Stepped {
    /// As a model reads it.
    pub text: String,
    /// All of it: JSON.
    pub result: Bytes,
    pub is_error: bool,
    pub labels: Vec<Label>,
}

impl Stepped {
    fn of(content: &Value, is_error: bool) -> Self {
        let text = content.to_string();
        Self {
            result: Bytes::copy_from_slice(text.as_bytes()),
            text,
            is_error,
            labels: Vec::new(),
        }
    }
}

/// What a step leaves behind beside its result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// Steps of a script's calls.
    pub calls: u32,
    /// A program may go on.
    pub leaves_running: bool,
}

pub(crate) const CODE_RUN: &str = "code.run";
pub(crate) const SHELL_EXEC: &str = "shell.exec";
const SHELL_STOP: &str = "shell.stop";

impl Attempt {
    /// Makes a step, or takes it from the ledger.
    pub(crate) async fn step(self: &Arc<Self>, hand: Hand<'_>, call: &ToolCallPart) -> Outcome<(Stepped, Made)> {
        let nest = (call.tool == CODE_RUN).then(|| Nest::inside(self, hand));
        let known = self.engine.journal.state().tool_step(hand.place).cloned();
        if let Some(step) = &known
            && step.request_hash != request_hash(call)?
        {
            let message = format!("step {} is not the `{}` that is asked for", hand.place.id(), call.tool);
            return Err(Fault::new(ErrorCode::LedgerBroken, message));
        }
        match known.map(|step| (step.tool, step.result)) {
            Some((_, Some(done))) => {
                let made = Made {
                    calls: done.calls,
                    leaves_running: leaves_running(call) || self.script_ran_programs(hand.place, done.calls),
                };
                Ok((self.finished_step(done).await?, made))
            }
            Some((tool, None)) if self.left_the_view(&tool, hand.place) => {
                Ok((self.outcome_unknown(hand, call).await?, Made::default()))
            }
            _ => {
                let stepped = self.live_step(hand, call, nest.clone()).await;
                if let Some(nest) = &nest {
                    nest.close();
                }
                let stepped = stepped?;
                let made = Made {
                    calls: nest.as_ref().map_or(0, |nest| nest.steps()),
                    leaves_running: leaves_running(call) || nest.is_some_and(|nest| nest.ran_programs()),
                };
                Ok((stepped, made))
            }
        }
    }

    async fn finished_step(&self, done: ToolResultState) -> Outcome<Stepped> {
        let bytes = self.engine.ports.blobs.get(&done.result_hash).await?;
        Ok(Stepped {
            text: model_text(&bytes),
            result: bytes,
            is_error: done.is_error,
            labels: done.labels,
        })
    }

    /// Whether a finished script had started programs: any of them may go on. By the names of its calls alone, which is all that is
    /// known of them after a crash.
    fn script_ran_programs(&self, place: &StepRef, calls: u32) -> bool {
        let state = self.engine.journal.state();
        (1..=calls).any(|call| {
            let place = StepRef {
                step: place.step + call,
                ..place.clone()
            };
            state.tool_step(&place).is_some_and(|step| step.tool == SHELL_EXEC)
        })
    }

    /// Whether the act may have reached more than the view: by what the tool is, or because a program had a network.
    fn left_the_view(&self, tool: &str, place: &StepRef) -> bool {
        let definition = self.engine.ports.gateway.definition(tool);
        let state = self.engine.journal.state();
        let ran = state
            .tool_step(place)
            .is_some_and(|step| step.needs.iter().any(|need| need.starts_with("run:")));
        drop(state);
        definition.is_none_or(|definition| matches!(definition.reach, Reach::Outside | Reach::Irreversible))
            || (ran && self.engine.has_network(place))
    }

    async fn live_step(&self, hand: Hand<'_>, call: &ToolCallPart, nest: Option<Arc<Nest>>) -> Outcome<Stepped> {
        let engine = &self.engine;
        engine.step_gate(hand.place, hand.cancel).await?;
        engine.note_budget_asked(hand.place).await?;
        let live = engine.steps.begin(&hand.place.task_id, hand.cancel);
        // A script that had begun runs again: its calls take their places from the ledger, and the next one is given up.
        let has_begun = nest.is_some() && engine.journal.state().tool_step(hand.place).is_some();
        if !has_begun && engine.is_given_up(hand.place) {
            return self.give_up(hand, call).await;
        }
        let (token, live) = match &nest {
            // What a person interrupts is the call of the script that is under way: it is a step with a result of its own.
            Some(_) => (hand.cancel.clone(), None),
            None => (live.token(), Some(live)),
        };
        let asked = self.asked(hand, call, nest);
        let gateway = &engine.ports.gateway;
        match gateway.call(asked, Arc::clone(&engine.approver), token).await {
            Ok(step) => Ok(Stepped {
                text: step.text,
                result: step.result,
                is_error: step.is_error,
                labels: step.labels,
            }),
            Err(fault) if fault.code == ErrorCode::Canceled && live.is_some_and(|live| live.is_given_up()) => {
                self.give_up_act(hand, call).await
            }
            Err(fault) => Err(fault),
        }
    }

    fn asked(&self, hand: Hand<'_>, call: &ToolCallPart, nest: Option<Arc<Nest>>) -> ToolCall {
        let spec = &self.engine.spec;
        let mut allowed_tools = hand.role.tools.clone();
        if hand.beside {
            allowed_tools.push(SHELL_STOP.to_owned());
        }
        ToolCall {
            run_id: spec.run_id.clone(),
            project_id: spec.project_id.clone(),
            step: hand.place.clone(),
            role: hand.role.title.clone(),
            allowed_tools,
            call_id: call.call_id.clone(),
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            view: hand.view.clone(),
            project_path: spec.project_path.clone(),
            labels: hand.labels.to_vec(),
            file_labels: hand.file_labels.to_vec(),
            head: self.head,
            // What runs beside a script is an input of its calls; the script itself touches nothing.
            beside: hand.beside && nest.is_none(),
            nested: nest.map(|nest| Nested(nest)),
        }
    }

    /// A person interrupted before the act began: it never does.
    async fn give_up(&self, hand: Hand<'_>, call: &ToolCallPart) -> Outcome<Stepped> {
        let engine = &self.engine;
        let content = interrupted_content();
        let refused = Fact::ToolRefused {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            request_hash: request_hash(call)?,
            arguments_hash: engine.keep(&call.arguments).await?,
            summary: preview(&call.tool),
            code: ErrorCode::Canceled,
            decision: None,
            result_hash: engine.keep(&content).await?,
            preview: preview(&content.to_string()),
        };
        engine.journal.note_at(hand.actor.clone(), hand.place, refused).await?;
        Ok(Stepped::of(&content, true))
    }

    /// A person interrupted in the middle of the act: what it has changed so far is what it changed.
    async fn give_up_act(&self, hand: Hand<'_>, call: &ToolCallPart) -> Outcome<Stepped> {
        let engine = &self.engine;
        // Its request may still be on its way.
        engine.journal.settled().await?;
        let requested = engine
            .journal
            .state()
            .tool_step(hand.place)
            .map(|step| step.needs.clone());
        let Some(needs) = requested else {
            return self.give_up(hand, call).await;
        };
        let changes = engine.ports.views.changed(hand.view.view_id.clone(), None).await?;
        let change_set_hash = match changes.is_empty() {
            true => None,
            false => Some(engine.keep(&changes).await?),
        };
        let content = interrupted_content();
        // What it left in the view may hold what it had read.
        let networked = engine.has_network(hand.place);
        let labels = provenance::labels_of_act(&needs, hand.file_labels, networked);
        let finished = Fact::ToolFinished {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            result_hash: engine.keep(&content).await?,
            change_set_hash,
            is_error: true,
            duration_ms: 0,
            labels: labels.clone(),
            artifacts: Vec::new(),
            preview: preview(&content.to_string()),
            interrupted: true,
            calls: 0,
        };
        engine.journal.note_at(hand.actor.clone(), hand.place, finished).await?;
        Ok(Stepped {
            labels,
            ..Stepped::of(&content, true)
        })
    }

    /// The core went down while the act was under way: a person says what happened, and that is the step's result.
    async fn outcome_unknown(&self, hand: Hand<'_>, call: &ToolCallPart) -> Outcome<Stepped> {
        let question = Question {
            approval_id: String::new(),
            kind: QuestionKind::OutcomeUnknown,
            risk: Risk::CannotBeUndone,
            sentence: format!("Did `{}` of task {} take effect?", call.tool, self.task.title),
            exact: serde_json::to_string_pretty(&call.arguments)?,
            why: "Open Wrap went down while it was under way. It is never repeated on its own.".to_owned(),
            if_no: "The worker is told that it did not happen, and decides what to do.".to_owned(),
            adds: Vec::new(),
            labels: hand.labels.to_vec(),
            tool: Some(call.tool.clone()),
            arguments_hash: None,
            scopes: vec![Scope::Once],
        };
        let decision = self
            .engine
            .approver
            .ask(hand.place.clone(), question, hand.cancel.clone())
            .await?;
        let outcome = if decision.allow {
            "it took effect"
        } else {
            "it did not take effect"
        };
        let content = json!({ "outcome": outcome, "saidBy": "person" });
        let finished = Fact::ToolFinished {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            result_hash: self.engine.keep(&content).await?,
            change_set_hash: None,
            is_error: !decision.allow,
            duration_ms: 0,
            labels: Vec::new(),
            artifacts: Vec::new(),
            preview: preview(&content.to_string()),
            interrupted: false,
            calls: 0,
        };
        self.engine
            .journal
            .note_at(hand.actor.clone(), hand.place, finished)
            .await?;
        Ok(Stepped::of(&content, !decision.allow))
    }
}

/// Names the act in the ledger: the hash of its tool and arguments.
fn request_hash(call: &ToolCallPart) -> Outcome<String> {
    canonical_hash(&json!({ "tool": call.tool, "arguments": call.arguments }))
}

/// Whether a program may go on after the call. By the call alone, so that a replay knows it as well.
pub(crate) fn leaves_running(call: &ToolCallPart) -> bool {
    call.tool == SHELL_EXEC && call.arguments["background"] == true
}

/// The step with which an attempt ends that left programs running: what they, or a person, wrote after the last one is an input too.
pub(crate) fn stop_programs() -> ToolCallPart {
    ToolCallPart {
        call_id: "stop-programs".to_owned(),
        tool: SHELL_STOP.to_owned(),
        arguments: json!({}),
    }
}

pub(crate) fn interrupted_content() -> Value {
    json!({ "error": { "code": ErrorCode::Canceled, "message": INTERRUPTED } })
}
