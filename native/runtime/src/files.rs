//! Files as the page shows them: folders and previews of a project, and of what a task of a run sees. A task that still works is
//! looked at in its view; one that is done, in the tree its result was made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bytes::Bytes;
use openwrap_agent::state::RunState;
use openwrap_contracts::change::{ChangeSet, Node};
use openwrap_contracts::event::BaseNote;
use openwrap_contracts::limits::FILE_READ_BYTES_MAX;
use openwrap_contracts::method::{FileListParams, FileParams, FileTree, TreeEntry};
use openwrap_contracts::protected::protected_name;
use openwrap_contracts::tools_user::ToolsUser;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::Value;

use crate::core::Core;
use crate::folders;
use crate::methods::{Call, written};

/// Entries of one folder in one answer.
const ENTRIES_MAX: usize = 2_000;
/// Bytes of one path.
const PATH_BYTES_MAX: usize = 4_000;

/// Whose files.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Whose {
    pub project_id: String,
    #[serde(default)]
    pub run_id: Option<String>,
    #[serde(default)]
    pub task_id: Option<String>,
    /// The files the run delivered, not what became of them.
    #[serde(default)]
    pub delivered: bool,
}

/// A file to be read whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    project_id: String,
    #[serde(default)]
    run_id: Option<String>,
    #[serde(default)]
    task_id: Option<String>,
    #[serde(default)]
    delivered: bool,
    path: String,
}

/// Where files are read from.
pub(crate) enum Place {
    /// A folder of a person's.
    Folder(PathBuf),
    /// A view that somebody works in, and whose it is.
    View(PathBuf, ToolsUser),
    /// A tree whose contents are blobs.
    Tree(BTreeMap<String, Node>),
}

/// A path from the page: relative, in normal form, nothing protected on it; empty for the root where that is meant.
///
/// # Errors
/// `INVALID_ARGUMENTS`, `PATH_OUTSIDE`, `PROTECTED_PATH`.
pub(crate) fn checked_path(path: &str) -> Outcome<String> {
    let shown = path.escape_debug();
    if path.len() > PATH_BYTES_MAX || path.contains('\0') {
        return Err(Fault::invalid(format!("`{shown}` is no path")));
    }
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !name.is_empty() && *name != ".")
        .collect();
    if path.starts_with('/') || names.contains(&"..") {
        return Err(Fault::new(
            ErrorCode::PathOutside,
            format!("`{shown}` leads out of the folder"),
        ));
    }
    let path = names.join("/");
    match protected_name(&path) {
        Some(name) => Err(Fault::new(
            ErrorCode::ProtectedPath,
            format!("`{}` is protected", name.escape_debug()),
        )),
        None => Ok(path),
    }
}

impl Core {
    /// Where these files are.
    ///
    /// # Errors
    /// `NOT_FOUND` (project, run, task, or a view that is gone), `INVALID_ARGUMENTS` (a task without its run).
    pub(crate) async fn place_of(&self, whose: &Whose) -> Outcome<Place> {
        let project = self.project(&whose.project_id).await?;
        if whose.delivered {
            return self.delivered(whose).await.map(Place::Tree);
        }
        let Some(task_id) = &whose.task_id else {
            return Ok(Place::Folder(PathBuf::from(project.path)));
        };
        let run_id = whose.run_id.as_ref();
        let run_id = run_id.ok_or_else(|| Fault::invalid("a task is named together with its run"))?;
        let state = self.state_of(run_id, &whose.project_id).await?;
        if let Some(done) = state.completed.get(task_id) {
            let mut layers = below(&state, task_id, done.attempt)?;
            layers.1.push(done.change_set_hash.clone());
            return self.tree(layers).await.map(Place::Tree);
        }
        let attempt = newest_attempt(&state, task_id);
        let attempt =
            attempt.ok_or_else(|| Fault::not_found(format!("task `{task_id}` has not started in this run")))?;
        let view = self.config.work.join("views").join(run_id);
        let view = view.join(format!("{task_id}.{attempt}")).join("project");
        match folders::real_view(&view).await {
            Ok((folder, owner)) => Ok(Place::View(folder, owner)),
            Err(_) => Err(Fault::not_found(format!(
                "task `{task_id}` has no files now: it does not work at the moment"
            ))),
        }
    }

    /// A run's state, when it is a run of this project.
    pub(crate) async fn state_of(&self, run_id: &str, project_id: &str) -> Outcome<RunState> {
        let run = self.following.look(|fold| fold.run(run_id).cloned()).await?;
        let run = run.filter(|run| run.project_id == project_id);
        run.ok_or_else(|| Fault::not_found(format!("there is no run `{run_id}` in this project")))?;
        self.runs.state(run_id).await
    }

    async fn tree(&self, (base, layers): (String, Vec<String>)) -> Outcome<BTreeMap<String, Node>> {
        let manifest = self.ports.views.base_manifest(base).await?;
        let mut tree: BTreeMap<String, Node> = manifest
            .entries
            .into_iter()
            .map(|entry| (entry.path, entry.node))
            .collect();
        for layer in layers.iter().filter(|hash| !hash.is_empty()) {
            for change in self.change_set(layer).await?.changes {
                match change.after {
                    Some(node) => tree.insert(change.path, node),
                    None => tree.remove(&change.path),
                };
            }
        }
        Ok(tree)
    }

    pub(crate) async fn change_set(&self, hash: &str) -> Outcome<ChangeSet> {
        let bytes = self.ports.blobs.get(hash).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Fault::new(ErrorCode::LedgerBroken, format!("{hash} is no change set: {error}")))
    }

    /// A whole file of a place.
    ///
    /// # Errors
    /// `NOT_FOUND`, `PATH_OUTSIDE`, `PROTECTED_PATH`, `LIMIT_EXCEEDED`.
    pub(crate) async fn file_of(&self, place: &Place, path: &str) -> Outcome<Bytes> {
        let path = checked_path(path)?;
        match place {
            Place::Folder(folder) => folders::read_beneath(folder.clone(), path).await,
            Place::View(folder, owner) => folders::read_beneath_as(*owner, folder.clone(), path).await,
            Place::Tree(tree) => match tree.get(&path) {
                Some(Node::File { hash, size, .. }) if *size as usize <= FILE_READ_BYTES_MAX => {
                    self.ports.blobs.get(hash).await
                }
                Some(Node::File { .. }) => Err(Fault::new(
                    ErrorCode::LimitExceeded,
                    format!("`{path}` is larger than {FILE_READ_BYTES_MAX} bytes"),
                )),
                _ => Err(Fault::not_found(format!("there is no file `{path}`"))),
            },
        }
    }

    /// Bytes of a file, for a download.
    ///
    /// # Errors
    /// As [`Core::place_of`] and [`Core::file_of`].
    pub(crate) async fn wanted_file(&self, params: &str) -> Outcome<Bytes> {
        let wanted: Wanted = serde_json::from_str(params)?;
        let whose = Whose {
            project_id: wanted.project_id,
            run_id: wanted.run_id,
            task_id: wanted.task_id,
            delivered: wanted.delivered,
        };
        let place = self.place_of(&whose).await?;
        self.file_of(&place, &wanted.path).await
    }

    /// Paths this run changed: a task's own, or all that have settled.
    async fn changed_paths(&self, whose: &Whose) -> Outcome<BTreeSet<String>> {
        let Some(run_id) = &whose.run_id else {
            return Ok(BTreeSet::new());
        };
        let state = self.state_of(run_id, &whose.project_id).await?;
        let sets = match &whose.task_id {
            Some(task_id) => own_change_sets(&state, task_id),
            None => state.retired.iter().map(|task| task.change_set_hash.clone()).collect(),
        };
        let mut paths = BTreeSet::new();
        for hash in sets.iter().filter(|hash| !hash.is_empty()) {
            paths.extend(self.change_set(hash).await?.paths());
        }
        Ok(paths)
    }
}

pub(crate) fn newest_attempt(state: &RunState, task_id: &str) -> Option<u32> {
    let attempts = state.attempts.keys().filter(|(task, _)| task == task_id);
    attempts.map(|(_, attempt)| *attempt).max()
}

/// Change sets of a task in order: of the whole task when it is done, else of the steps so far.
pub(crate) fn own_change_sets(state: &RunState, task_id: &str) -> Vec<String> {
    if let Some(done) = state.completed.get(task_id) {
        return vec![done.change_set_hash.clone()];
    }
    let attempt = newest_attempt(state, task_id).and_then(|attempt| state.attempts.get(&(task_id.to_owned(), attempt)));
    let steps = attempt.into_iter().flat_map(|attempt| attempt.steps.values());
    let set = |step: &openwrap_agent::state::StepState| match step {
        openwrap_agent::state::StepState::Tool(tool) => tool.result.as_ref()?.change_set_hash.clone(),
        openwrap_agent::state::StepState::Model { .. } => None,
    };
    steps.filter_map(set).collect()
}

/// Base and change sets an attempt started from, in order (design: the base, what had settled, the dependencies).
fn below(state: &RunState, task_id: &str, attempt: u32) -> Outcome<(String, Vec<String>)> {
    let unknown = || Fault::not_found(format!("the start of task `{task_id}` is not known"));
    let started = state.attempts.get(&(task_id.to_owned(), attempt)).ok_or_else(unknown)?;
    let newest = |fits: &dyn Fn(u32, u32) -> bool| {
        let accepted = state
            .plans
            .iter()
            .filter_map(|plan| Some((plan.version, plan.accepted.as_ref()?)));
        let fitting = accepted.filter(|(version, accepted)| fits(*version, accepted.after));
        fitting
            .max_by_key(|(version, _)| *version)
            .map(|(_, accepted)| accepted)
    };
    let mut layers = Vec::new();
    let base = match started.base.clone().unwrap_or(BaseNote::Plan { version: 1 }) {
        BaseNote::Plan { version } => newest(&|known, _| known == version).ok_or_else(unknown)?,
        BaseNote::Retired { count } => {
            let base = newest(&|_, after| after <= count).ok_or_else(unknown)?;
            let settled = state
                .retired
                .iter()
                .filter(|task| task.ordinal >= base.after && task.ordinal < count);
            layers.extend(settled.map(|task| task.change_set_hash.clone()));
            base
        }
    };
    for dependency in &started.closure {
        let done = state.completed.get(dependency).ok_or_else(unknown)?;
        layers.push(done.change_set_hash.clone());
    }
    Ok((base.base_hash.clone(), layers))
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome<Value> {
    let params: FileListParams = call.read()?;
    let whose = Whose {
        project_id: params.project_id,
        run_id: params.run_id,
        task_id: params.task_id,
        delivered: false,
    };
    let path = checked_path(&params.path)?;
    let changed = call.core.changed_paths(&whose).await?;
    let (mut entries, cut) = match call.core.place_of(&whose).await? {
        Place::Folder(folder) => folders::list_beneath(folder, path.clone(), ENTRIES_MAX).await?,
        Place::View(folder, owner) => folders::list_beneath_as(owner, folder, path.clone(), ENTRIES_MAX).await?,
        Place::Tree(tree) => entries_of(&tree, &path)?,
    };
    entries.retain(|entry| protected_name(&entry.name).is_none());
    entries.sort_by(|a, b| b.folder.cmp(&a.folder).then_with(|| a.name.cmp(&b.name)));
    let cut = cut || entries.len() > ENTRIES_MAX;
    entries.truncate(ENTRIES_MAX);
    for entry in &mut entries {
        entry.changed = is_changed(&changed, entry);
    }
    written(&FileTree { entries, cut })
}

fn is_changed(changed: &BTreeSet<String>, entry: &TreeEntry) -> bool {
    if !entry.folder {
        return changed.contains(&entry.path);
    }
    let below = format!("{}/", entry.path);
    changed
        .range(below.clone()..)
        .next()
        .is_some_and(|path| path.starts_with(&below))
}

fn entries_of(tree: &BTreeMap<String, Node>, path: &str) -> Outcome<(Vec<TreeEntry>, bool)> {
    let prefix = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    let mut found: BTreeMap<&str, (bool, u32)> = BTreeMap::new();
    let below = tree
        .range(prefix.clone()..)
        .take_while(|(path, _)| path.starts_with(&prefix));
    for (path, node) in below {
        let inner = path.strip_prefix(&prefix).unwrap_or(path);
        match (inner.split_once('/'), node) {
            (Some((folder, _)), _) => found.insert(folder, (true, 0)),
            (None, Node::Directory) => found.insert(inner, (true, 0)),
            (None, Node::File { size, .. }) => found.insert(inner, (false, *size)),
            (None, Node::Symlink { .. }) => None,
        };
    }
    let is_folder = path.is_empty() || !found.is_empty() || tree.get(path) == Some(&Node::Directory);
    if !is_folder {
        return Err(Fault::not_found(format!("there is no folder `{path}`")));
    }
    let entry = |(name, (folder, size)): (&str, (bool, u32))| TreeEntry {
        name: name.to_owned(),
        path: format!("{prefix}{name}"),
        folder,
        size,
        changed: false,
    };
    Ok((found.into_iter().map(entry).collect(), false))
}

pub(crate) async fn preview(call: &Call<'_>) -> Outcome<Value> {
    let params: FileParams = call.read()?;
    let whose = Whose {
        project_id: params.project_id,
        run_id: params.run_id,
        task_id: params.task_id,
        delivered: params.delivered,
    };
    let path = checked_path(&params.path)?;
    let place = call.core.place_of(&whose).await?;
    let bytes = call.core.file_of(&place, &path).await?;
    let sheet = params.sheet;
    let shown = tokio::task::spawn_blocking(move || crate::preview::of(&path, &bytes, sheet.as_deref())).await;
    written(&shown.map_err(|error| Fault::internal(format!("a preview broke off: {error}")))??)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_of_the_page_stay_inside() {
        assert_eq!(checked_path("./a//b/").unwrap(), "a/b");
        assert_eq!(checked_path("").unwrap(), "");
        for (path, code) in [
            ("../a", ErrorCode::PathOutside),
            ("a/../../b", ErrorCode::PathOutside),
            ("/etc/passwd", ErrorCode::PathOutside),
            (".git/config", ErrorCode::ProtectedPath),
            ("a/.env", ErrorCode::ProtectedPath),
            ("a\0", ErrorCode::InvalidArguments),
        ] {
            assert_eq!(checked_path(path).unwrap_err().code, code, "{path:?}");
        }
    }

    #[test]
    fn a_tree_of_paths_is_listed_folder_by_folder() {
        let file = |size| Node::File {
            hash: String::new(),
            size,
            executable: false,
        };
        let tree = BTreeMap::from([
            ("a-b".to_owned(), file(1)),
            ("a/deep/x.csv".to_owned(), file(2)),
            ("a/y".to_owned(), file(3)),
            ("empty".to_owned(), Node::Directory),
        ]);
        let names = |path: &str| -> Vec<(String, bool)> {
            let (entries, _) = entries_of(&tree, path).unwrap();
            entries.into_iter().map(|entry| (entry.path, entry.folder)).collect()
        };
        assert_eq!(
            names(""),
            [
                ("a".to_owned(), true),
                ("a-b".to_owned(), false),
                ("empty".to_owned(), true)
            ]
        );
        assert_eq!(names("a"), [("a/deep".to_owned(), true), ("a/y".to_owned(), false)]);
        assert_eq!(names("empty"), []);
        assert!(entries_of(&tree, "nothing").is_err());
    }
}
