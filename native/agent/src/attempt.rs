//! One try at a task: a fresh view, steps until the model says it is done, then the comparison with the base, the grants and
//! the acceptance checks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::change::ChangeSet;
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{ApprovePolicy, Grant, Holder, Question, QuestionKind, Risk, Scope};
use openwrap_contracts::identity::{Actor, Label, StepRef, join_labels};
use openwrap_contracts::limits::TASK_RESULT_BYTES_MAX;
use openwrap_contracts::model::ToolCallPart;
use openwrap_contracts::plan::{Check, PlanTask};
use openwrap_contracts::ports::{CancellationToken, ToolCall, View, ViewSpec};
use openwrap_contracts::tool::{FileEntry, Reach, model_text, preview};
use openwrap_contracts::workflow::Role;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::json;

use crate::conversation::{CallResult, Conversation, Opening};
use crate::engine::Engine;
use crate::message::AttemptEnd;
use crate::prompt::{self, NamedResult, TASK_FAIL};
use crate::provenance;
use crate::state::{RunState, ToolResultState};
use crate::steering::INTERRUPTED;

/// Longest wait for the sessions of an attempt that ends by itself, and of one that was told to stop.
const CLOSE_MAX: Duration = Duration::from_secs(2);
const CLOSE_CUT_SHORT: Duration = Duration::from_millis(50);

/// One attempt, ready to run (or to go on after a crash).
pub struct Attempt {
    pub engine: Arc<Engine>,
    pub task: PlanTask,
    pub attempt: u32,
    pub worker_id: String,
    pub head: bool,
    pub cancel: CancellationToken,
}

enum Turn {
    Done(String),
    Failed(String),
}

impl Attempt {
    /// Runs it to its end; the view is gone afterwards.
    pub async fn run(self) -> AttemptEnd {
        if self.is_superseded() {
            self.cancel.cancelled().await;
            return AttemptEnd::Aborted;
        }
        let prepared = self.prepare().await;
        let (view, files) = match prepared {
            Ok(prepared) => prepared,
            Err(fault) => return end_of(fault, &self.cancel),
        };
        let end = match self.work(&view, files).await {
            Ok(end) => end,
            Err(fault) => end_of(fault, &self.cancel),
        };
        self.close_sessions().await;
        match self.engine.ports.views.drop_view(view.view_id).await {
            Ok(()) => end,
            Err(fault) => AttemptEnd::Broken { fault },
        }
    }

    /// Terminals and browsers end with the view they work in. What takes longer ends with the run.
    async fn close_sessions(&self) {
        let Some(sessions) = &self.engine.ports.sessions else {
            return;
        };
        let wait = if self.cancel.is_cancelled() {
            CLOSE_CUT_SHORT
        } else {
            CLOSE_MAX
        };
        let closing = sessions.close_all(&self.engine.spec.run_id, Some(&self.task.task_id));
        let _ = tokio::time::timeout(wait, closing).await;
    }

    fn is_superseded(&self) -> bool {
        let place = StepRef {
            task_id: self.task.task_id.clone(),
            attempt: self.attempt,
            step: 0,
        };
        let state = self.engine.journal.state();
        let started = state.attempts.get(&(place.task_id.clone(), place.attempt));
        let base = started.and_then(|started| started.base.clone());
        drop(state);
        self.engine.approver.superseded(&place, base.as_ref())
    }

    async fn prepare(&self) -> Outcome<(View, Vec<FileEntry>)> {
        let (base_hash, below) = self.engine.layers(&self.task.task_id, self.attempt)?;
        let files = self.engine.files(&base_hash, &below).await?;
        Ok((self.open_view(base_hash, below).await?, files))
    }

    async fn work(&self, view: &View, files: Vec<FileEntry>) -> Outcome<AttemptEnd> {
        let role = self.engine.workflow.role(&self.task.role).ok_or_else(|| {
            Fault::new(
                ErrorCode::InvalidPlan,
                format!("role `{}` is not defined", self.task.role),
            )
        })?;
        let file_labels = self
            .engine
            .journal
            .state()
            .file_labels(&self.task.task_id, self.attempt);
        let mut conversation = self.opening(role, files, &file_labels).await?;
        conversation.file_labels = file_labels;
        match self.converse(&mut conversation, role, view).await? {
            Turn::Failed(reason) => Ok(AttemptEnd::Failed {
                code: ErrorCode::ExecutionFailed,
                message: reason,
            }),
            Turn::Done(text) => self.finish(&text, view, &conversation).await,
        }
    }

    async fn open_view(&self, base_hash: String, below: Vec<String>) -> Outcome<View> {
        let own = self.finished_changes();
        let own_layers = own.len();
        let layers = below.into_iter().chain(own).collect();
        let spec = ViewSpec {
            run_id: self.engine.spec.run_id.clone(),
            task_id: self.task.task_id.clone(),
            attempt: self.attempt,
            base_hash,
            layers,
            own_layers,
        };
        self.engine.ports.views.open(spec).await
    }

    /// Change sets of the steps this attempt had finished before a crash, in order.
    fn finished_changes(&self) -> Vec<String> {
        let state = self.engine.journal.state();
        let Some(attempt) = state.attempts.get(&(self.task.task_id.clone(), self.attempt)) else {
            return Vec::new();
        };
        let change = |step: &crate::state::StepState| match step {
            crate::state::StepState::Tool(tool) => tool.result.as_ref()?.change_set_hash.clone(),
            crate::state::StepState::Model { .. } => None,
        };
        attempt.steps.values().filter_map(change).collect()
    }

    async fn opening(
        &self,
        role: &Role,
        files: Vec<FileEntry>,
        file_labels: &[(String, Vec<Label>)],
    ) -> Outcome<Conversation> {
        let engine = &self.engine;
        let results = self.dependency_results().await?;
        let (earlier, labels) = {
            let state = engine.journal.state();
            let names = state.name_labels((&self.task.task_id, self.attempt), &files, file_labels);
            match self.earlier_failure(&state) {
                Some((failure, labels)) => (Some(failure), join_labels(&names, &labels)),
                None => (None, names),
            }
        };
        let spec = &engine.spec;
        let message = prompt::worker_message(
            &spec.goal,
            &spec.run_date,
            &self.task,
            &results,
            &files,
            earlier.as_deref(),
            &labels,
        );
        let mut tools = engine.ports.gateway.offers(&role.tools);
        tools.push(prompt::fail_offer());
        Ok(Conversation::new(
            Arc::clone(engine),
            Opening {
                task_id: self.task.task_id.clone(),
                attempt: self.attempt,
                actor: Actor::worker(self.worker_id.clone()),
                route: engine.workflow.route(&role.name, &spec.model).to_owned(),
                system: prompt::system(role),
                message,
                tools,
                cancel: self.cancel.clone(),
            },
        ))
    }

    async fn dependency_results(&self) -> Outcome<Vec<NamedResult>> {
        let mut results = Vec::with_capacity(self.task.depends_on.len());
        for dependency in &self.task.depends_on {
            let found = {
                let state = self.engine.journal.state();
                let title = state
                    .task(dependency)
                    .map(|task| task.title.clone())
                    .unwrap_or_default();
                state
                    .completed
                    .get(dependency)
                    .map(|done| (title, done.result_hash.clone()))
            };
            let Some((title, result_hash)) = found else {
                return Err(Fault::internal(format!("task {dependency} has no result yet")));
            };
            let text = self.engine.kept_text(&result_hash).await?;
            let labels = self.engine.journal.state().result_labels(dependency, &text);
            results.push(NamedResult {
                task_id: dependency.clone(),
                title,
                text,
                labels,
            });
        }
        Ok(results)
    }

    /// Why the try before failed, and what it had read when it said so.
    fn earlier_failure(&self, state: &RunState) -> Option<(String, Vec<Label>)> {
        let earlier = self.attempt.checked_sub(1)?;
        let failure = state
            .attempts
            .get(&(self.task.task_id.clone(), earlier))?
            .failure
            .as_ref()?;
        let labels = state.attempt_labels(&self.task.task_id, earlier);
        Some((format!("{}: {}", failure.0.as_str(), failure.1), labels))
    }

    async fn converse(&self, conversation: &mut Conversation, role: &Role, view: &View) -> Outcome<Turn> {
        let steps_max = self
            .task
            .max_steps
            .unwrap_or(u32::MAX)
            .min(self.engine.workflow.acceptance.steps_max);
        let mut beside = false;
        loop {
            if conversation.place.step > steps_max {
                return Err(Fault::new(
                    ErrorCode::LimitExceeded,
                    format!("task {} needs more than {steps_max} steps", self.task.task_id),
                ));
            }
            let answer = conversation.ask().await?;
            if answer.tool_calls.is_empty() {
                if beside {
                    self.tool_step(conversation, role, view, &stop_programs(), beside)
                        .await?;
                }
                return Ok(Turn::Done(answer.text));
            }
            let mut results = Vec::with_capacity(answer.tool_calls.len());
            for call in &answer.tool_calls {
                if call.tool == TASK_FAIL {
                    let reason = call.arguments.get("reason").and_then(|reason| reason.as_str());
                    return Ok(Turn::Failed(reason.unwrap_or("the worker gave no reason").to_owned()));
                }
                results.push(self.tool_step(conversation, role, view, call, beside).await?);
                beside |= leaves_running(call);
            }
            conversation.add_results(results);
        }
    }

    async fn tool_step(
        &self,
        conversation: &mut Conversation,
        role: &Role,
        view: &View,
        call: &ToolCallPart,
        beside: bool,
    ) -> Outcome<CallResult> {
        let place = conversation.place.clone();
        conversation.place.step += 1;
        let known = self.engine.journal.state().tool_step(&place).cloned();
        let result = match known.map(|step| (step.tool, step.result)) {
            Some((_, Some(done))) => self.finished_step(done).await?,
            Some((tool, None)) if self.left_the_view(&tool, &place) => {
                self.outcome_unknown(&place, conversation, call).await?
            }
            _ => self.live_step(&place, conversation, role, view, (call, beside)).await?,
        };
        Ok(CallResult {
            call_id: call.call_id.clone(),
            tool: call.tool.clone(),
            text: result.0,
            is_error: result.1,
            labels: result.2,
        })
    }

    async fn finished_step(&self, done: ToolResultState) -> Outcome<(String, bool, Vec<Label>)> {
        let bytes = self.engine.ports.blobs.get(&done.result_hash).await?;
        Ok((model_text(&bytes), done.is_error, done.labels))
    }

    /// Whether the act may have reached more than the view: by what the tool is, or because a program had a network.
    fn left_the_view(&self, tool: &str, place: &StepRef) -> bool {
        let definition = self.engine.ports.gateway.definition(tool);
        let state = self.engine.journal.state();
        let ran = state
            .tool_step(place)
            .is_some_and(|step| step.needs.iter().any(|need| need.starts_with("run:")));
        drop(state);
        definition.is_none_or(|definition| definition.reach != Reach::Confined)
            || (ran && self.engine.has_network(place))
    }

    async fn live_step(
        &self,
        place: &StepRef,
        conversation: &Conversation,
        role: &Role,
        view: &View,
        (call, beside): (&ToolCallPart, bool),
    ) -> Outcome<(String, bool, Vec<Label>)> {
        let engine = &self.engine;
        engine.step_gate(place, &self.cancel).await?;
        let live = engine.steps.begin(&place.task_id, &self.cancel);
        if engine.is_given_up(place) {
            return self.give_up(place, conversation, call).await;
        }
        let asked = call;
        let mut allowed_tools = role.tools.clone();
        if beside {
            allowed_tools.push(SHELL_STOP.to_owned());
        }
        let call = ToolCall {
            run_id: engine.spec.run_id.clone(),
            project_id: engine.spec.project_id.clone(),
            step: place.clone(),
            role: role.title.clone(),
            allowed_tools,
            call_id: call.call_id.clone(),
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            view: view.clone(),
            project_path: engine.spec.project_path.clone(),
            labels: conversation.labels.clone(),
            sources: self.sources(conversation),
            file_labels: conversation.file_labels.clone(),
            head: self.head,
            beside,
        };
        let step = engine
            .ports
            .gateway
            .call(call, Arc::clone(&engine.approver), live.token())
            .await;
        match step {
            Ok(step) => Ok((step.text, step.is_error, step.labels)),
            Err(fault) if fault.code == ErrorCode::Canceled && live.is_given_up() => {
                self.give_up_act(place, conversation, asked, view).await
            }
            Err(fault) => Err(fault),
        }
    }

    fn sources(&self, conversation: &Conversation) -> Vec<String> {
        if conversation.labels.is_empty() {
            return Vec::new();
        }
        let state = self.engine.journal.state();
        state.sources(&self.task.task_id, self.attempt)
    }

    /// A person interrupted before the act began: it never does.
    async fn give_up(
        &self,
        place: &StepRef,
        conversation: &Conversation,
        call: &ToolCallPart,
    ) -> Outcome<(String, bool, Vec<Label>)> {
        let engine = &self.engine;
        let content = interrupted_content();
        let text = content.to_string();
        let refused = Fact::ToolRefused {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            request_hash: canonical_hash(&json!({ "tool": call.tool, "arguments": call.arguments }))?,
            arguments_hash: engine.keep(&call.arguments).await?,
            summary: preview(&call.tool),
            code: ErrorCode::Canceled,
            decision: None,
            result_hash: engine.keep(&content).await?,
            preview: preview(&text),
        };
        engine
            .journal
            .note_at(conversation.actor.clone(), place, refused)
            .await?;
        Ok((text, true, Vec::new()))
    }

    /// A person interrupted in the middle of the act: what it has changed so far is what it changed.
    async fn give_up_act(
        &self,
        place: &StepRef,
        conversation: &Conversation,
        call: &ToolCallPart,
        view: &View,
    ) -> Outcome<(String, bool, Vec<Label>)> {
        let engine = &self.engine;
        let requested = engine.journal.state().tool_step(place).map(|step| step.needs.clone());
        let Some(needs) = requested else {
            return self.give_up(place, conversation, call).await;
        };
        let changes = engine.ports.views.changed(view.view_id.clone(), None).await?;
        let change_set_hash = match changes.is_empty() {
            true => None,
            false => Some(engine.keep(&changes).await?),
        };
        let content = interrupted_content();
        let text = content.to_string();
        let finished = Fact::ToolFinished {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            result_hash: engine.keep(&content).await?,
            change_set_hash,
            is_error: true,
            duration_ms: 0,
            labels: provenance::labels_of_needs(&needs),
            artifacts: Vec::new(),
            preview: preview(&text),
            interrupted: true,
        };
        engine
            .journal
            .note_at(conversation.actor.clone(), place, finished)
            .await?;
        Ok((text, true, provenance::labels_of_needs(&needs)))
    }

    /// The core went down while the act was under way: a person says what happened, and that is the step's result.
    async fn outcome_unknown(
        &self,
        place: &StepRef,
        conversation: &Conversation,
        call: &ToolCallPart,
    ) -> Outcome<(String, bool, Vec<Label>)> {
        let question = Question {
            approval_id: String::new(),
            kind: QuestionKind::OutcomeUnknown,
            risk: Risk::CannotBeUndone,
            sentence: format!("Did `{}` of task {} take effect?", call.tool, self.task.title),
            exact: serde_json::to_string_pretty(&call.arguments)?,
            why: "Open Wrap went down while it was under way. It is never repeated on its own.".to_owned(),
            if_no: "The worker is told that it did not happen, and decides what to do.".to_owned(),
            adds: Vec::new(),
            labels: conversation.labels.clone(),
            tool: Some(call.tool.clone()),
            arguments_hash: None,
            scopes: vec![Scope::Once],
        };
        let decision = self
            .engine
            .approver
            .ask(place.clone(), question, self.cancel.clone())
            .await?;
        let content = json!({ "outcome": if decision.allow { "it took effect" } else { "it did not take effect" }, "saidBy": "person" });
        let result_hash = self.engine.keep(&content).await?;
        let text = content.to_string();
        let finished = Fact::ToolFinished {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            result_hash,
            change_set_hash: None,
            is_error: !decision.allow,
            duration_ms: 0,
            labels: Vec::new(),
            artifacts: Vec::new(),
            preview: preview(&text),
            interrupted: false,
        };
        self.engine
            .journal
            .note_at(conversation.actor.clone(), place, finished)
            .await?;
        Ok((text, !decision.allow, Vec::new()))
    }

    /// Changed paths that neither the grants nor an answer for one step cover, or that a rule denies.
    fn refused(&self, paths: &[String], place: &StepRef) -> Vec<String> {
        let (gateway, approver) = (&self.engine.ports.gateway, &self.engine.approver);
        let mut permitted = self.engine.journal.state().permitted(&self.task.task_id, self.attempt);
        if approver.policy() == ApprovePolicy::All {
            permitted.push("write:.".to_owned());
        }
        let grant = |capability: String| Grant {
            grant_id: String::new(),
            capability,
            holder: Holder::Task {
                run_id: self.engine.spec.run_id.clone(),
                task_id: self.task.task_id.clone(),
            },
            issued_at: 0,
            expires_at: None,
            approval_id: None,
        };
        let mut grants = approver.grants(place);
        grants.extend(permitted.into_iter().map(grant));
        let mut refused = gateway.denied_writes(paths, &approver.denies());
        refused.extend(gateway.refused_writes(paths, &grants));
        refused.sort_unstable();
        refused.dedup();
        refused
    }

    async fn finish(&self, text: &str, view: &View, conversation: &Conversation) -> Outcome<AttemptEnd> {
        let engine = &self.engine;
        let failed = |message: String| {
            Ok(AttemptEnd::Failed {
                code: ErrorCode::CheckFailed,
                message,
            })
        };
        if text.len() > TASK_RESULT_BYTES_MAX {
            return failed(format!(
                "the result is {} bytes, {TASK_RESULT_BYTES_MAX} are the most",
                text.len()
            ));
        }
        let changes = engine.ports.views.finish(view.view_id.clone()).await?;
        let paths = changes.paths();
        let refused = self.refused(&paths, &conversation.place);
        if !refused.is_empty() {
            return failed(format!("changed without permission: {}", refused.join(", ")));
        }
        let present = self.present_files(&changes).await?;
        if let Some(problem) = self.task.checks.iter().find_map(|check| unmet(check, text, &present)) {
            return failed(problem);
        }
        Ok(AttemptEnd::Completed {
            result_hash: engine.ports.blobs.put(Bytes::copy_from_slice(text.as_bytes())).await?,
            change_set_hash: if changes.is_empty() {
                String::new()
            } else {
                engine.keep(&changes).await?
            },
            paths,
            preview: preview(text),
            labels: conversation.labels.clone(),
        })
    }

    /// Non-empty files of the view as it is handed on.
    async fn present_files(&self, changes: &ChangeSet) -> Outcome<Vec<String>> {
        if self.task.checks.is_empty() {
            return Ok(Vec::new());
        }
        let (base_hash, mut layers) = self.engine.layers(&self.task.task_id, self.attempt)?;
        if !changes.is_empty() {
            layers.push(self.engine.keep(changes).await?);
        }
        let files = self.engine.files(&base_hash, &layers).await?;
        Ok(files
            .into_iter()
            .filter(|file| file.size > 0)
            .map(|file| file.path)
            .collect())
    }
}

const SHELL_EXEC: &str = "shell.exec";
const SHELL_STOP: &str = "shell.stop";

/// Whether a program may go on after the call. By the call alone, so that a replay knows it as well.
fn leaves_running(call: &ToolCallPart) -> bool {
    call.tool == SHELL_EXEC && call.arguments["background"] == true
}

/// The step with which an attempt ends that left programs running: what they, or a person, wrote after the last one is an input too.
fn stop_programs() -> ToolCallPart {
    ToolCallPart {
        call_id: "stop-programs".to_owned(),
        tool: SHELL_STOP.to_owned(),
        arguments: json!({}),
    }
}

fn interrupted_content() -> serde_json::Value {
    json!({ "error": { "code": ErrorCode::Canceled, "message": INTERRUPTED } })
}

fn unmet(check: &Check, text: &str, present: &[String]) -> Option<String> {
    match check {
        Check::FileExists { path } => {
            (!present.iter().any(|known| known == path)).then(|| format!("`{path}` is missing or empty"))
        }
        Check::ResultIsJson => serde_json::from_str::<serde_json::Value>(text)
            .err()
            .map(|error| format!("the result is not JSON: {error}")),
        Check::ResultContains { text: wanted } => {
            (!text.contains(wanted.as_str())).then(|| format!("the result does not contain `{wanted}`"))
        }
    }
}

fn end_of(fault: Fault, cancel: &CancellationToken) -> AttemptEnd {
    if cancel.is_cancelled() {
        return AttemptEnd::Aborted;
    }
    match fault.code {
        ErrorCode::NeedsHead => AttemptEnd::NeedsHead,
        ErrorCode::Canceled => AttemptEnd::Aborted,
        ErrorCode::StorageFailed | ErrorCode::LedgerBroken | ErrorCode::Internal | ErrorCode::ReplayDiverged => {
            AttemptEnd::Broken { fault }
        }
        code => AttemptEnd::Failed {
            code,
            message: fault.message,
        },
    }
}
