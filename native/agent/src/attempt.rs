//! One try at a task: a fresh view, steps until the model says it is done, then the comparison with the base, the grants and
//! the acceptance checks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::change::ChangeSet;
use openwrap_contracts::grant::{ApprovePolicy, Grant, Holder};
use openwrap_contracts::identity::{Actor, Label, StepRef, join_labels};
use openwrap_contracts::limits::TASK_RESULT_BYTES_MAX;
use openwrap_contracts::model::ToolCallPart;
use openwrap_contracts::plan::{Check, PlanTask};
use openwrap_contracts::ports::{CancellationToken, View, ViewSpec};
use openwrap_contracts::tool::{FileEntry, preview};
use openwrap_contracts::workflow::Role;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::conversation::{CallResult, Conversation, Opening};
use crate::engine::Engine;
use crate::message::AttemptEnd;
use crate::program::Program;
use crate::prompt::{self, NamedResult, TASK_FAIL};
use crate::state::RunState;
use crate::step::{Hand, Made, stop_programs};

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
        let this = Arc::new(self);
        let end = match this.work(&view, files).await {
            Ok(end) => end,
            Err(fault) => end_of(fault, &this.cancel),
        };
        this.close_sessions().await;
        match this.engine.ports.views.drop_view(view.view_id).await {
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

    async fn work(self: &Arc<Self>, view: &View, files: Vec<FileEntry>) -> Outcome<AttemptEnd> {
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
        if let Some(program) = Program::of(&self.engine).await? {
            let done = self.play(&program, role, view, files, file_labels).await?;
            return self.finish(&done.text, view, &done.place, done.labels).await;
        }
        let mut conversation = self.opening(role, files).await?;
        conversation.file_labels = file_labels;
        match self.converse(&mut conversation, role, view).await? {
            Turn::Failed(reason) => Ok(AttemptEnd::Failed {
                code: ErrorCode::ExecutionFailed,
                message: reason,
            }),
            Turn::Done(text) => {
                let labels = conversation.labels.clone();
                self.finish(&text, view, &conversation.place, labels).await
            }
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

    async fn opening(&self, role: &Role, files: Vec<FileEntry>) -> Outcome<Conversation> {
        let engine = &self.engine;
        let results = self.dependency_results().await?;
        let (earlier, labels) = {
            let state = engine.journal.state();
            let names = state.shown_labels(&self.task.task_id, self.attempt, &files);
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
                route: engine.route(&role.name),
                system: prompt::system(role),
                message,
                tools,
                cancel: self.cancel.clone(),
            },
        ))
    }

    pub(crate) async fn dependency_results(&self) -> Outcome<Vec<NamedResult>> {
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

    async fn converse(self: &Arc<Self>, conversation: &mut Conversation, role: &Role, view: &View) -> Outcome<Turn> {
        let steps_max = self
            .task
            .max_steps
            .unwrap_or(u32::MAX)
            .min(self.engine.workflow.acceptance.steps_max);
        let mut beside = false;
        // Steps of scripts' calls: they have a limit of their own.
        let mut nested = 0;
        loop {
            if conversation.place.step - nested > steps_max {
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
                let (result, made) = self.tool_step(conversation, role, view, call, beside).await?;
                results.push(result);
                nested += made.calls;
                beside |= made.leaves_running;
            }
            conversation.add_results(results);
        }
    }

    /// The next step of a conversation, and those of the script it ran.
    async fn tool_step(
        self: &Arc<Self>,
        conversation: &mut Conversation,
        role: &Role,
        view: &View,
        call: &ToolCallPart,
        beside: bool,
    ) -> Outcome<(CallResult, Made)> {
        let place = conversation.place.clone();
        let hand = Hand {
            place: &place,
            actor: &conversation.actor,
            role,
            view,
            labels: &conversation.labels,
            file_labels: &conversation.file_labels,
            beside,
            cancel: &self.cancel,
        };
        let (stepped, made) = self.step(hand, call).await?;
        conversation.place.step += 1 + made.calls;
        let result = CallResult {
            call_id: call.call_id.clone(),
            tool: call.tool.clone(),
            text: stepped.text,
            is_error: stepped.is_error,
            labels: stepped.labels,
        };
        Ok((result, made))
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

    async fn finish(&self, text: &str, view: &View, place: &StepRef, labels: Vec<Label>) -> Outcome<AttemptEnd> {
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
        let refused = self.refused(&paths, place);
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
            labels,
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
