//! Blobs in memory, a store in a temporary folder, and trees as the standard library sees them.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openwrap_contracts::canonical::{canonical_bytes, sha256_hex};
use openwrap_contracts::change::{Change, ChangeSet, Node};
use openwrap_contracts::ports::{Blobs, CommitOutcome, Reverted, Task, View, ViewSpec, Views};
use openwrap_contracts::{Fault, Outcome};
use openwrap_views::{ViewConfig, ViewStore};
use proptest::prelude::*;

pub const RUN: &str = "run_1";

#[derive(Default)]
pub struct MemoryBlobs(pub Mutex<HashMap<String, Bytes>>);

impl Blobs for MemoryBlobs {
    fn put(&self, bytes: Bytes) -> Task<'_, Outcome<String>> {
        let hash = sha256_hex(&bytes);
        self.0.lock().unwrap().insert(hash.clone(), bytes);
        Box::pin(async move { Ok(hash) })
    }

    fn get(&self, hash: &str) -> Task<'_, Outcome<Bytes>> {
        let found = self.0.lock().unwrap().get(hash).cloned();
        Box::pin(async move { found.ok_or_else(|| Fault::not_found("no blob")) })
    }

    fn has(&self, hash: &str) -> Task<'_, Outcome<bool>> {
        let found = self.0.lock().unwrap().contains_key(hash);
        Box::pin(async move { Ok(found) })
    }
}

pub struct Kit {
    pub folder: tempfile::TempDir,
    pub project: PathBuf,
    pub blobs: Arc<MemoryBlobs>,
    pub store: ViewStore,
    runtime: tokio::runtime::Runtime,
}

impl Kit {
    pub fn new() -> Self {
        Self::owned_by(None)
    }

    pub fn owned_by(tools_owner: Option<(u32, u32)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        fs::create_dir(&project).unwrap();
        let blobs = Arc::<MemoryBlobs>::default();
        let store = open_store(folder.path(), &blobs, tools_owner);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self {
            folder,
            project,
            blobs,
            store,
            runtime,
        }
    }

    /// Starts again on the same folders.
    pub fn restart(&mut self) {
        self.store = open_store(self.folder.path(), &self.blobs, None);
    }

    pub fn wait<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    pub fn write(&self, path: &str, text: &str) {
        write(&self.project, path, text);
    }

    pub fn accept(&self) -> Outcome<String> {
        self.wait(self.store.accept_base(RUN.to_owned(), self.project.clone()))
    }

    pub fn spec(&self, task: &str, base: &str, layers: &[String]) -> ViewSpec {
        ViewSpec {
            run_id: RUN.to_owned(),
            task_id: task.to_owned(),
            attempt: 1,
            base_hash: base.to_owned(),
            layers: layers.to_vec(),
            own_layers: 0,
        }
    }

    pub fn open(&self, task: &str, base: &str, layers: &[String]) -> View {
        self.wait(self.store.open(self.spec(task, base, layers))).unwrap()
    }

    pub fn furnish(&self, view: &View) {
        let made = self.store.private_folders(view.view_id.clone());
        self.wait(made).unwrap();
    }

    pub fn changed(&self, view: &View, paths: Option<&[&str]>) -> Outcome<ChangeSet> {
        let paths = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        self.wait(self.store.changed(view.view_id.clone(), paths))
    }

    pub fn finish(&self, view: &View) -> Outcome<ChangeSet> {
        self.wait(self.store.finish(view.view_id.clone()))
    }

    pub fn keep(&self, changes: &ChangeSet) -> String {
        let bytes = canonical_bytes(changes).unwrap();
        self.wait(self.blobs.put(Bytes::from(bytes))).unwrap()
    }

    pub fn commit(&self, changes: &ChangeSet) -> Outcome<CommitOutcome> {
        self.wait(self.store.commit(self.project.clone(), changes.clone()))
    }

    pub fn committed(&self, changes: &ChangeSet) -> String {
        match self.commit(changes) {
            Ok(CommitOutcome::Committed { tree_hash }) => tree_hash,
            other => panic!("{other:?} for {changes:?}"),
        }
    }

    pub fn revert(&self, changes: &ChangeSet) -> Reverted {
        self.wait(self.store.revert(self.project.clone(), changes.clone()))
            .unwrap()
    }

    /// Hash of the project's tree as the store sees it.
    pub fn tree_hash(&self) -> String {
        let manifest = self.wait(self.store.manifest(self.project.clone())).unwrap();
        openwrap_contracts::canonical::canonical_hash(&manifest).unwrap()
    }

    /// Temporary names of ours anywhere in the project.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        let mut folders = vec![self.project.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_name().to_string_lossy().starts_with(".openwrap-tmp-") {
                    left.push(entry.path());
                } else if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        left
    }
}

fn open_store(folder: &Path, blobs: &Arc<MemoryBlobs>, tools_owner: Option<(u32, u32)>) -> ViewStore {
    let config = ViewConfig {
        work: folder.join("views"),
        bases: folder.join("bases"),
        blobs: blobs.clone(),
        tools_owner,
    };
    ViewStore::new(config).unwrap()
}

/// A tree as plain data.
pub type Tree = BTreeMap<String, Node>;

/// Reads a tree by the standard library alone.
pub fn read_tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    read_into(root, "", &mut tree);
    tree
}

fn read_into(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            let before = tree.len();
            read_into(&entry.path(), &path, tree);
            if tree.len() == before {
                tree.insert(path, Node::Directory);
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())
                .unwrap()
                .into_os_string()
                .into_string()
                .unwrap();
            tree.insert(path, Node::Symlink { target });
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            let executable = entry.metadata().unwrap().permissions().mode() & 0o100 != 0;
            let size = u32::try_from(bytes.len()).unwrap();
            tree.insert(
                path,
                Node::File {
                    hash: sha256_hex(&bytes),
                    size,
                    executable,
                },
            );
        }
    }
}

/// Changes between two trees, by definition.
pub fn plain_difference(before: &Tree, after: &Tree) -> ChangeSet {
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |path: &&String| Change {
        path: (*path).clone(),
        before: before.get(*path).cloned(),
        after: after.get(*path).cloned(),
    };
    let changed = |change: &Change| change.before != change.after;
    ChangeSet {
        changes: paths.iter().map(change).filter(changed).collect(),
    }
}

pub fn write(root: &Path, path: &str, text: &str) {
    let place = root.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, text).unwrap();
}

/// One act of a process or person in a tree.
#[derive(Debug, Clone)]
pub enum Act {
    Write(String, String, bool),
    Remove(String),
    Folder(String),
    Link(String),
    Rename(String, String),
}

pub fn paths() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec!["a", "b", "c", "a.b"]);
    prop::collection::vec(names, 1..4).prop_map(|names| names.join("/"))
}

pub fn acts(many: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        5 => (paths(), "[xy]{0,3}", any::<bool>()).prop_map(|(path, text, run)| Act::Write(path, text, run)),
        2 => paths().prop_map(Act::Remove),
        1 => paths().prop_map(Act::Folder),
        1 => paths().prop_map(Act::Link),
        1 => (paths(), paths()).prop_map(|(from, to)| Act::Rename(from, to)),
    ];
    prop::collection::vec(act, many)
}

impl Act {
    /// Carries the act out below `root`; returns the paths it named.
    pub fn run(&self, root: &Path) -> Vec<String> {
        match self {
            Self::Write(path, text, run) => {
                make_way(root, path);
                fs::write(root.join(path), text).unwrap();
                let mode = if *run { 0o755 } else { 0o644 };
                fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
                vec![path.clone()]
            }
            Self::Remove(path) => {
                remove(&root.join(path));
                vec![path.clone()]
            }
            Self::Folder(path) => {
                make_way(root, path);
                fs::create_dir(root.join(path)).unwrap();
                vec![path.clone()]
            }
            Self::Link(path) => {
                make_way(root, path);
                symlink("no/where", root.join(path)).unwrap();
                vec![path.clone()]
            }
            Self::Rename(from, to) => {
                let inside = format!("{to}/").starts_with(&format!("{from}/"))
                    || format!("{from}/").starts_with(&format!("{to}/"));
                if inside || fs::symlink_metadata(root.join(from)).is_err() {
                    return Vec::new();
                }
                make_way(root, to);
                // Making way may have removed what was to be moved.
                let _ = fs::rename(root.join(from), root.join(to));
                vec![from.clone(), to.clone()]
            }
        }
    }
}

/// Removes what lies at a path and makes the folders above it.
fn make_way(root: &Path, path: &str) {
    let mut at = root.to_owned();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        at.push(name);
        if names.peek().is_none() {
            remove(&at);
        } else if !fs::symlink_metadata(&at).is_ok_and(|found| found.is_dir()) {
            remove(&at);
            fs::create_dir(&at).unwrap();
        }
    }
}

pub fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

pub fn run_all(acts: &[Act], root: &Path) -> Vec<String> {
    acts.iter().flat_map(|act| act.run(root)).collect()
}
