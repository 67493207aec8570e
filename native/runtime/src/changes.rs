//! What a run changed, path by path, from the change sets of its steps and tasks.

use std::collections::{BTreeMap, BTreeSet};

use openwrap_agent::state::RunState;
use openwrap_contracts::change::Node;
use openwrap_contracts::event::Fact;
use openwrap_contracts::limits::PREVIEW_FILE_BYTES_MAX;
use openwrap_contracts::method::{ChangeEntry, ChangeKind, ChangeList, ChangesParams, DiffParams, FileDiff};
use openwrap_contracts::{Fault, Outcome};
use serde_json::Value;

use crate::core::Core;
use crate::files::own_change_sets;
use crate::methods::{Call, written};
use crate::run_events::each_event;

/// One path over all tasks that changed it.
struct Changed {
    before: Option<Node>,
    after: Option<Node>,
    task_ids: Vec<String>,
    committed: bool,
}

impl Changed {
    /// None: in the end it is as it was.
    fn kind(&self) -> Option<ChangeKind> {
        match (&self.before, &self.after) {
            (before, after) if before == after => None,
            (None, _) => Some(ChangeKind::Added),
            (_, None) => Some(ChangeKind::Removed),
            _ => Some(ChangeKind::Changed),
        }
    }
}

/// Tasks that changed something, in the order their changes lie on each other: settled first, then the plan's.
fn tasks_of(state: &RunState) -> Vec<String> {
    let mut settled: Vec<_> = state.retired.iter().collect();
    settled.sort_by_key(|task| task.ordinal);
    let mut names: Vec<String> = settled.into_iter().map(|task| task.task_id.clone()).collect();
    let plan = state.plans.iter().filter(|plan| plan.accepted.is_some());
    let planned = plan.max_by_key(|plan| plan.version).map(|plan| &plan.plan.tasks);
    names.extend(planned.into_iter().flatten().map(|task| task.task_id.clone()));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

impl Core {
    async fn changes_of(&self, state: &RunState, task_id: Option<&str>) -> Outcome<BTreeMap<String, Changed>> {
        let tasks = match task_id {
            Some(task_id) => vec![task_id.to_owned()],
            None => tasks_of(state),
        };
        let mut all: BTreeMap<String, Changed> = BTreeMap::new();
        for task_id in tasks {
            let committed = state.retired.iter().any(|task| task.task_id == task_id);
            for hash in own_change_sets(state, &task_id).iter().filter(|hash| !hash.is_empty()) {
                for change in self.change_set(hash).await?.changes {
                    let known = all.entry(change.path).or_insert_with(|| Changed {
                        before: change.before,
                        after: None,
                        task_ids: Vec::new(),
                        committed,
                    });
                    known.after = change.after;
                    known.committed &= committed;
                    if known.task_ids.last() != Some(&task_id) {
                        known.task_ids.push(task_id.clone());
                    }
                }
            }
        }
        Ok(all)
    }

    /// Paths that were taken back.
    async fn undone_paths(&self, run_id: &str) -> Outcome<BTreeSet<String>> {
        let mut undone = BTreeSet::new();
        each_event(&*self.ports.ledger, run_id, |event| {
            if let Fact::UndoFinished { reverted, .. } = event.fact {
                undone.extend(reverted);
            }
        })
        .await?;
        Ok(undone)
    }

    /// The text of one side, and whether it was cut; none for a side that is no text.
    async fn side(&self, node: Option<&Node>) -> Outcome<Option<(String, bool)>> {
        match node {
            Some(Node::File { hash, .. }) => {
                let bytes = self.ports.blobs.get(hash).await?;
                let text = crate::preview::text_of(&bytes, PREVIEW_FILE_BYTES_MAX);
                Ok(text.map(|(text, cut)| (text.to_owned(), cut)))
            }
            Some(Node::Symlink { target }) => Ok(Some((target.clone(), false))),
            Some(Node::Directory) | None => Ok(None),
        }
    }
}

fn size_of(node: Option<&Node>) -> Option<u32> {
    match node {
        Some(Node::File { size, .. }) => Some(*size),
        _ => None,
    }
}

fn hash_of(node: Option<&Node>) -> Option<String> {
    match node {
        Some(Node::File { hash, .. }) => Some(hash.clone()),
        _ => None,
    }
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome<Value> {
    let params: ChangesParams = call.read()?;
    let core = call.core;
    let state = core.known_state(&params.run_id).await?;
    let undone = core.undone_paths(&params.run_id).await?;
    let changes = core.changes_of(&state, params.task_id.as_deref()).await?;
    let entry = |(path, changed): (String, Changed)| {
        Some(ChangeEntry {
            kind: changed.kind()?,
            undone: undone.contains(&path),
            path,
            committed: changed.committed,
            before_size: size_of(changed.before.as_ref()),
            after_size: size_of(changed.after.as_ref()),
            task_ids: changed.task_ids,
        })
    };
    written(&ChangeList {
        changes: changes.into_iter().filter_map(entry).collect(),
    })
}

pub(crate) async fn diff(call: &Call<'_>) -> Outcome<Value> {
    let params: DiffParams = call.read()?;
    let core = call.core;
    let state = core.known_state(&params.run_id).await?;
    let mut changes = core.changes_of(&state, params.task_id.as_deref()).await?;
    let changed = changes.remove(&params.path);
    let changed = changed.filter(|changed| changed.kind().is_some());
    let changed =
        changed.ok_or_else(|| Fault::not_found(format!("`{}` was not changed here", params.path.escape_debug())))?;
    let (before, after) = (changed.before.as_ref(), changed.after.as_ref());
    let (old, new) = (core.side(before).await?, core.side(after).await?);
    let text = (before.is_none() || old.is_some()) && (after.is_none() || new.is_some());
    let cut = [&old, &new].into_iter().flatten().any(|(_, cut)| *cut);
    let shown = |side: Option<(String, bool)>| side.filter(|_| text).map(|(text, _)| text);
    written(&FileDiff {
        kind: changed.kind().unwrap_or(ChangeKind::Changed),
        path: params.path,
        text,
        before_hash: hash_of(before),
        after_hash: hash_of(after),
        before: shown(old),
        after: shown(new),
        cut: cut && text,
    })
}

impl Core {
    /// The state of a run there is.
    pub(crate) async fn known_state(&self, run_id: &str) -> Outcome<RunState> {
        let known = self.following.look(|fold| fold.run(run_id).is_some()).await?;
        if !known {
            return Err(Fault::not_found(format!("there is no run `{run_id}`")));
        }
        self.runs.state(run_id).await
    }
}
