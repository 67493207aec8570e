//! The end of a run: the answer, the record, the digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::canonical::{canonical_bytes, canonical_hash, sha256_hex};
use openwrap_contracts::change::{ChangeSet, Node};
use openwrap_contracts::event::{Fact, FailureNote, LabelledFiles};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::record::{
    AttemptRecord, DeliverableRecord, InputPlace, InputRecord, PlanVersionRecord, RunRecord, StepKind, StepRecord,
    TaskRecord,
};
use openwrap_contracts::run::RunStatus;
use openwrap_contracts::tool::{Artifact, FileEntry};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_workforce::conductor::Conductor;
use serde_json::json;

use crate::conversation::{Conversation, Opening};
use crate::engine::Engine;
use crate::program::Program;
use crate::prompt::{self, NamedResult};
use crate::state::{ANSWER, AttemptState, PLANNER, RunState, StepState};

/// How a run is to end.
pub struct Ending {
    status: RunStatus,
    answer: Option<String>,
    error: Option<FailureNote>,
}

impl Ending {
    #[must_use]
    pub fn completed(answer: String) -> Self {
        Self {
            status: RunStatus::Completed,
            answer: Some(answer),
            error: None,
        }
    }

    #[must_use]
    pub fn canceled() -> Self {
        Self {
            status: RunStatus::Canceled,
            answer: None,
            error: None,
        }
    }

    /// The planner answered in words: there was nothing to run.
    #[must_use]
    pub fn refused(message: String) -> Self {
        let error = FailureNote {
            code: ErrorCode::InvalidPlan,
            message: "the planner made no plan".to_owned(),
        };
        Self {
            status: RunStatus::Failed,
            answer: Some(message),
            error: Some(error),
        }
    }

    #[must_use]
    pub fn failed(fault: &Fault) -> Self {
        let error = FailureNote {
            code: fault.code,
            message: fault.message.clone(),
        };
        Self {
            status: RunStatus::Failed,
            answer: None,
            error: Some(error),
        }
    }
}

/// Asks for the final answer; it sees all, retired.
///
/// # Errors
/// As `Conversation::ask`.
pub async fn answer(engine: Arc<Engine>) -> Outcome<String> {
    let workflow = Arc::clone(&engine.workflow);
    let role = workflow
        .role(&workflow.stages.answer)
        .ok_or_else(|| Fault::internal("the workflow has no role for the answer"))?;
    let mut results = Vec::new();
    let retired = retired_results(&engine.journal.state());
    for (task_id, title, result_hash) in retired {
        let text = engine.kept_text(&result_hash).await?;
        let labels = engine.journal.state().result_labels(&task_id, &text);
        results.push(NamedResult {
            task_id,
            title,
            text,
            labels,
        });
    }
    let delivered = deliverables(&engine).await?;
    let files: Vec<FileEntry> = delivered
        .iter()
        .filter_map(|(path, node)| match node {
            Some(Node::File { size, .. }) => Some(FileEntry {
                path: path.clone(),
                size: *size,
            }),
            _ => None,
        })
        .collect();
    if let Some(program) = Program::of(&engine).await? {
        let told = |one: NamedResult| (one.task_id, one.title, one.text);
        let results: Vec<_> = results.into_iter().map(told).collect();
        return program.answer(&engine, &results, &files).await;
    }
    let opening = Opening {
        task_id: ANSWER.to_owned(),
        attempt: 1,
        actor: Actor::worker(ANSWER),
        route: engine.route(&role.name),
        system: prompt::system(role),
        message: prompt::answer_message(&engine.spec.goal, &results, &files),
        tools: Vec::new(),
        cancel: engine.cancel.clone(),
    };
    Ok(Conversation::new(engine, opening).ask().await?.text)
}

fn retired_results(state: &RunState) -> Vec<(String, String, String)> {
    let mut retired: Vec<_> = state.retired.iter().collect();
    retired.sort_by_key(|task| task.ordinal);
    retired
        .into_iter()
        .filter_map(|task| {
            let done = state.completed.get(&task.task_id)?;
            let title = state
                .task(&task.task_id)
                .map(|task| task.title.clone())
                .unwrap_or_default();
            Some((task.task_id.clone(), title, done.result_hash.clone()))
        })
        .collect()
}

/// What the run left of every path it changed.
async fn deliverables(engine: &Engine) -> Outcome<BTreeMap<String, Option<Node>>> {
    let mut commits: Vec<(u32, String)> = {
        let state = engine.journal.state();
        state
            .retired
            .iter()
            .map(|task| (task.ordinal, task.change_set_hash.clone()))
            .collect()
    };
    commits.sort_unstable();
    let mut paths = BTreeMap::new();
    for (_, hash) in commits.into_iter().filter(|(_, hash)| !hash.is_empty()) {
        let changes: ChangeSet = engine.kept(&hash).await?;
        for change in changes.changes {
            paths.insert(change.path, change.after);
        }
    }
    Ok(paths)
}

/// Notes the end; a completed run gets its record and digest.
pub async fn close(engine: &Engine, conductor: &Conductor, ending: Ending) -> RunStatus {
    let status = ending.status;
    let noted = match note_end(engine, conductor, ending).await {
        Ok(()) => return status,
        Err(fault) => Ending::failed(&fault),
    };
    let fact = Fact::RunFinished {
        status: RunStatus::Failed,
        run_digest: None,
        record_hash: None,
        answer_hash: None,
        answer: None,
        artifacts: Vec::new(),
        error: noted.error,
    };
    // When even this cannot be written, the run is taken up again at the next start.
    let _ = engine.journal.note(Actor::core("agent"), fact).await;
    RunStatus::Failed
}

async fn note_end(engine: &Engine, conductor: &Conductor, ending: Ending) -> Outcome<()> {
    let delivered = deliverables(engine).await?;
    let artifacts: Vec<Artifact> = delivered
        .iter()
        .filter_map(|(path, node)| match node {
            Some(Node::File { hash, size, .. }) => Some(artifact(path, hash, *size)),
            _ => None,
        })
        .collect();
    let answer_hash = match &ending.answer {
        Some(answer) => Some(
            engine
                .ports
                .blobs
                .put(Bytes::copy_from_slice(answer.as_bytes()))
                .await?,
        ),
        None => None,
    };
    let (run_digest, record_hash) = if ending.status == RunStatus::Completed {
        let record = record(engine, conductor, &delivered, answer_hash.clone().unwrap_or_default())?;
        let bytes = canonical_bytes(&record)?;
        let digest = sha256_hex(&bytes);
        let kept = engine.ports.blobs.put(Bytes::from(bytes)).await?;
        (Some(digest), Some(kept))
    } else {
        (None, None)
    };
    let fact = Fact::RunFinished {
        status: ending.status,
        run_digest,
        record_hash,
        answer_hash,
        answer: ending.answer,
        artifacts,
        error: ending.error,
    };
    engine.journal.note(Actor::core("agent"), fact).await?;
    Ok(())
}

fn artifact(path: &str, checksum: &str, size: u32) -> Artifact {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let media_type = match extension {
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "json" => "application/json",
        "txt" => "text/plain",
        "html" => "text/html",
        _ => "application/octet-stream",
    };
    Artifact {
        media_type: media_type.to_owned(),
        path: path.to_owned(),
        size,
        checksum: checksum.to_owned(),
    }
}

fn record(
    engine: &Engine,
    conductor: &Conductor,
    delivered: &BTreeMap<String, Option<Node>>,
    answer_hash: String,
) -> Outcome<RunRecord> {
    let state = engine.journal.state();
    let order = conductor.record();
    let tasks: Outcome<Vec<TaskRecord>> = order
        .tasks
        .iter()
        .map(|task| task_record(engine, &state, task))
        .collect();
    let checksum = |node: &Option<Node>| match node {
        Some(Node::File { hash, .. }) => Some(hash.clone()),
        Some(Node::Symlink { target }) => Some(sha256_hex(target.as_bytes())),
        Some(Node::Directory) | None => None,
    };
    Ok(RunRecord {
        version: 1,
        goal: state.goal.clone(),
        run_date: state.run_date.clone(),
        project_hash: state.project_hash.clone(),
        workflow_hash: state.workflow_hash.clone(),
        plan_versions: plan_versions(&state)?,
        inputs: inputs(&state, order.tasks.iter())?,
        tasks: tasks?,
        deliverables: delivered
            .iter()
            .map(|(path, node)| DeliverableRecord {
                path: path.clone(),
                checksum: checksum(node),
            })
            .collect(),
        squashed: order.squashed,
        answer_hash,
    })
}

fn plan_versions(state: &RunState) -> Outcome<Vec<PlanVersionRecord>> {
    let mut versions: Vec<_> = state.plans.iter().collect();
    versions.sort_by_key(|plan| plan.version);
    versions
        .into_iter()
        .map(|plan| {
            let accepted = plan.accepted.as_ref();
            Ok(PlanVersionRecord {
                hash: plan.plan_hash.clone(),
                accepted_after: accepted.map_or(0, |accepted| accepted.after),
                base_hash: accepted.map(|accepted| accepted.base_hash.clone()).unwrap_or_default(),
                steps: steps(state.attempts.get(&(PLANNER.to_owned(), plan.version)))?,
            })
        })
        .collect()
}

/// What came from people outside the decisions of steps: the run this one follows, answers to plans and to edits of their own, what they
/// said, and which steps they interrupted.
fn inputs<'a>(
    state: &RunState,
    tasks: impl Iterator<Item = &'a openwrap_workforce::conductor::TaskRecord>,
) -> Outcome<Vec<InputRecord>> {
    let mut inputs = Vec::new();
    if let Some(follows) = &state.follows {
        inputs.push(InputRecord {
            at: InputPlace::Retired { retired: 0 },
            kind: "follows".to_owned(),
            hash: follows.context_hash.clone(),
        });
    }
    if let Some(playbook) = &state.playbook {
        for (kind, hash) in [
            ("playbook", &playbook.source_hash),
            ("playbook_inputs", &playbook.inputs_hash),
        ] {
            inputs.push(InputRecord {
                at: InputPlace::Retired { retired: 0 },
                kind: kind.to_owned(),
                hash: hash.clone(),
            });
        }
    }
    inputs.extend(labelled(state)?);
    inputs.extend(decisions(state)?);
    let planner = state.plans.iter().map(|plan| (PLANNER.to_owned(), plan.version));
    let mut planner: Vec<_> = planner.collect();
    planner.sort_unstable();
    let attempts = tasks.flat_map(|task| {
        let task_id = task.task_id.clone();
        task.attempts
            .iter()
            .map(move |attempt| (task_id.clone(), attempt.attempt))
    });
    for (task_id, attempt) in planner.into_iter().chain(attempts).chain([(ANSWER.to_owned(), 1)]) {
        inputs.extend(steering(state, &task_id, attempt)?);
    }
    Ok(inputs)
}

/// Files that held text from outside, as the run began and as each plan was accepted.
fn labelled(state: &RunState) -> Outcome<Vec<InputRecord>> {
    let mut inputs = Vec::new();
    let mut note = |at: InputPlace, labelled: &[LabelledFiles]| -> Outcome<()> {
        if !labelled.is_empty() {
            let kind = "labelled".to_owned();
            let hash = canonical_hash(&labelled)?;
            inputs.push(InputRecord { at, kind, hash });
        }
        Ok(())
    };
    note(InputPlace::Retired { retired: 0 }, &state.labelled)?;
    let mut plans: Vec<_> = state.plans.iter().collect();
    plans.sort_by_key(|plan| plan.version);
    for plan in plans {
        let Some(accepted) = &plan.accepted else { continue };
        let place = StepRef {
            task_id: PLANNER.to_owned(),
            attempt: plan.version,
            step: 0,
        };
        note(InputPlace::Step(place), &accepted.labelled)?;
    }
    Ok(inputs)
}

/// What one attempt was told, by step.
fn steering(state: &RunState, task_id: &str, attempt: u32) -> Outcome<Vec<InputRecord>> {
    let Some(known) = state.attempts.get(&(task_id.to_owned(), attempt)) else {
        return Ok(Vec::new());
    };
    let mut steps: std::collections::BTreeSet<u32> = known.seen.iter().map(|(step, _)| *step).collect();
    steps.extend(&known.interrupted);
    steps.extend(&known.budget_asked);
    steps.extend(known.fell_back.keys());
    let mut inputs = Vec::new();
    for step in steps {
        let place = StepRef {
            task_id: task_id.to_owned(),
            attempt,
            step,
        };
        for told in state.seen_at(&place) {
            let kind = if told.by_core { "hand_back" } else { "message" };
            inputs.push(InputRecord {
                at: InputPlace::Step(place.clone()),
                kind: kind.to_owned(),
                hash: canonical_hash(&json!({ "text": told.text, "labels": told.labels }))?,
            });
        }
        let mut happened = |kind: &str, what: serde_json::Value| -> Outcome<()> {
            inputs.push(InputRecord {
                at: InputPlace::Step(place.clone()),
                kind: kind.to_owned(),
                hash: canonical_hash(&what)?,
            });
            Ok(())
        };
        if known.budget_asked.contains(&step) {
            // How it was raised is of no account: a run that has a record was.
            happened("budget_pause", json!({ "paused": true }))?;
        }
        if let Some(route) = known.fell_back.get(&step) {
            happened("fallback", json!({ "route": route }))?;
        }
        if known.interrupted.contains(&step) {
            happened("interrupt", json!({ "interrupted": true }))?;
        }
    }
    Ok(inputs)
}

fn decisions(state: &RunState) -> Outcome<Vec<InputRecord>> {
    let mut inputs = Vec::new();
    let mut approvals: Vec<_> = state.approvals.values().collect();
    approvals.sort_by(|a, b| a.step.cmp(&b.step));
    for approval in approvals {
        let kind = match approval.question.kind {
            openwrap_contracts::grant::QuestionKind::Plan => "plan_decision",
            openwrap_contracts::grant::QuestionKind::Conflict => "person_edit",
            openwrap_contracts::grant::QuestionKind::Tool
            | openwrap_contracts::grant::QuestionKind::OutcomeUnknown
            | openwrap_contracts::grant::QuestionKind::Budget => continue,
        };
        let Some(decision) = &approval.decision else { continue };
        let content = json!({ "exact": approval.question.exact, "allow": decision.allow, "reason": decision.reason });
        let at = InputPlace::Step(approval.step.clone());
        inputs.push(InputRecord {
            at,
            kind: kind.to_owned(),
            hash: canonical_hash(&content)?,
        });
    }
    Ok(inputs)
}

fn task_record(
    engine: &Engine,
    state: &RunState,
    task: &openwrap_workforce::conductor::TaskRecord,
) -> Outcome<TaskRecord> {
    let planned = state
        .plans
        .iter()
        .filter(|plan| plan.version >= task.plan_version)
        .find_map(|plan| plan.plan.tasks.iter().find(|planned| planned.task_id == task.task_id));
    let role = planned.map(|planned| planned.role.clone()).unwrap_or_default();
    let attempts: Outcome<Vec<AttemptRecord>> = task
        .attempts
        .iter()
        .map(|attempt| {
            let known = state.attempts.get(&(task.task_id.clone(), attempt.attempt));
            Ok(AttemptRecord {
                ended_by: attempt.ended_by.as_str().to_owned(),
                steps: steps(known)?,
            })
        })
        .collect();
    Ok(TaskRecord {
        task_id: task.task_id.clone(),
        ordinal: task.ordinal,
        plan_version: task.plan_version,
        route: route(engine, state, &role),
        role,
        attempts: attempts?,
    })
}

/// A playbook's tasks have no model, whatever the workflow has for their role.
fn route(engine: &Engine, state: &RunState, role: &str) -> String {
    match &state.playbook {
        Some(_) => engine.spec.model.clone(),
        None => {
            let fixed = state.routes.iter().find(|fixed| fixed.role == role);
            let own = fixed.map_or(&engine.spec.model, |fixed| &fixed.route);
            engine.workflow.route(role, own).to_owned()
        }
    }
}

/// Finished steps of an attempt, in order.
fn steps(attempt: Option<&AttemptState>) -> Outcome<Vec<StepRecord>> {
    let Some(attempt) = attempt else { return Ok(Vec::new()) };
    let mut records = Vec::with_capacity(attempt.steps.len());
    for (number, step) in &attempt.steps {
        let record = match step {
            StepState::Model {
                request_hash,
                result_hash: None,
            } if attempt.interrupted.contains(number) => StepRecord {
                kind: StepKind::Model,
                request_hash: request_hash.clone(),
                decision: None,
                result_hash: canonical_hash(&json!({ "interrupted": true }))?,
            },
            StepState::Model {
                request_hash,
                result_hash: Some(result_hash),
            } => StepRecord {
                kind: StepKind::Model,
                request_hash: request_hash.clone(),
                decision: None,
                result_hash: result_hash.clone(),
            },
            StepState::Tool(tool) => {
                let Some(result) = &tool.result else { continue };
                let content = json!({ "result": result.result_hash, "changeSet": result.change_set_hash });
                StepRecord {
                    kind: StepKind::Tool,
                    request_hash: tool.request_hash.clone(),
                    decision: tool.decision.clone(),
                    result_hash: canonical_hash(&content)?,
                }
            }
            StepState::Model { .. } => continue,
        };
        records.push(record);
    }
    Ok(records)
}
