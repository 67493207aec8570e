//! Retirement: a task's change set goes into the project, atomically, and never over a person's edit unasked.

use std::sync::Arc;

use openwrap_contracts::Fault;
use openwrap_contracts::Outcome;
use openwrap_contracts::change::{ChangeSet, Node};
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{Question, QuestionKind, Risk, Scope};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::ports::CommitOutcome;
use openwrap_contracts::tool::FileEntry;
use tokio::sync::mpsc;

use crate::engine::Engine;
use crate::message::Message;

/// Place of a conflict's question: after any step a task can take.
const QUESTION_STEP: u32 = 1_001;

/// Commits in the background and tells the engine.
pub fn spawn(engine: Arc<Engine>, outbox: mpsc::UnboundedSender<Message>, task_id: String, ordinal: u32) {
    tokio::spawn(async move {
        let outcome = commit(&engine, &task_id).await;
        let _ = outbox.send(Message::Committed {
            task_id,
            ordinal,
            outcome,
        });
    });
}

async fn commit(engine: &Engine, task_id: &str) -> Outcome<CommitOutcome> {
    let (attempt, change_set_hash, tree_hash) = {
        let state = engine.journal.state();
        let done = state.completed.get(task_id);
        let done = done.ok_or_else(|| Fault::internal(format!("task {task_id} retires without being completed")))?;
        let tree_hash = state
            .retired
            .last()
            .map_or_else(|| state.project_hash.clone(), |task| task.tree_hash.clone());
        (done.attempt, done.change_set_hash.clone(), tree_hash)
    };
    if change_set_hash.is_empty() {
        return Ok(CommitOutcome::Committed { tree_hash });
    }
    let mut changes: ChangeSet = engine.kept(&change_set_hash).await?;
    let question_at = StepRef {
        task_id: task_id.to_owned(),
        attempt,
        step: QUESTION_STEP,
    };
    let mut edited = engine.approver.edited(&question_at);
    loop {
        let commit_hash = if changes.is_empty() {
            String::new()
        } else {
            engine.keep(&changes).await?
        };
        let place = StepRef {
            task_id: task_id.to_owned(),
            attempt,
            step: 0,
        };
        let fact = Fact::CommitRequested {
            change_set_hash: change_set_hash.clone(),
            commit_hash,
            labelled: engine.journal.state().left_labelled((task_id, attempt), &changes),
        };
        engine.journal.note_at(Actor::core("views"), &place, fact).await?;
        if changes.is_empty() {
            return Ok(CommitOutcome::Committed { tree_hash });
        }
        let project = engine.spec.project_path.clone();
        let outcome = match edited.take() {
            Some(paths) => CommitOutcome::PersonEdited { paths },
            None => engine.ports.views.commit(project, changes.clone()).await?,
        };
        match outcome {
            CommitOutcome::PersonEdited { paths } => {
                changes = settle_conflict(engine, &question_at, changes, &paths).await?;
            }
            done @ CommitOutcome::Committed { .. } => return Ok(done),
        }
    }
}

/// A person changed the same paths: they say which version stays.
async fn settle_conflict(engine: &Engine, step: &StepRef, changes: ChangeSet, paths: &[String]) -> Outcome<ChangeSet> {
    let question = Question {
        approval_id: String::new(),
        kind: QuestionKind::Conflict,
        risk: Risk::ChangesFiles,
        sentence: format!("Replace your own edit of {}?", sentence_list(paths)),
        exact: paths.join("\n"),
        why: "You changed these files while the task worked on them.".to_owned(),
        if_no: "Your version stays; the task's other changes are kept.".to_owned(),
        adds: Vec::new(),
        labels: Vec::new(),
        tool: None,
        arguments_hash: None,
        scopes: vec![Scope::Once],
    };
    let decision = engine
        .approver
        .ask(step.clone(), question, engine.cancel.clone())
        .await?;
    let mut kept = Vec::with_capacity(changes.changes.len());
    let manifest = if decision.allow {
        engine
            .ports
            .views
            .manifest(engine.spec.project_path.clone())
            .await?
            .entries
    } else {
        Vec::new()
    };
    for mut change in changes.changes {
        if paths.contains(&change.path) {
            if !decision.allow {
                continue;
            }
            change.before = manifest
                .iter()
                .find(|entry| entry.path == change.path)
                .map(|entry| entry.node.clone());
        }
        kept.push(change);
    }
    Ok(ChangeSet { changes: kept })
}

fn sentence_list(paths: &[String]) -> String {
    let named: Vec<String> = paths.iter().take(3).map(|path| format!("`{path}`")).collect();
    match paths.len() {
        0..=3 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), more - 3),
    }
}

/// Files a task's commit left in the project, by path.
///
/// # Errors
/// As `Blobs::get`.
pub async fn delivered_files(engine: &Engine, task_id: &str) -> Outcome<Vec<FileEntry>> {
    let commit_hash = engine.journal.state().commits.get(task_id).cloned().unwrap_or_default();
    if commit_hash.is_empty() {
        return Ok(Vec::new());
    }
    let changes: ChangeSet = engine.kept(&commit_hash).await?;
    let file = |change: openwrap_contracts::change::Change| match change.after {
        Some(Node::File { size, .. }) => Some(FileEntry {
            path: change.path,
            size,
        }),
        _ => None,
    };
    Ok(changes.changes.into_iter().filter_map(file).collect())
}
