//! A commit or revert that ends after any of its acts is finished by doing it again.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::Cell;
use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::change::{Change, ChangeSet, Node};
use openwrap_contracts::ports::{Blobs, CommitOutcome, Task};
use openwrap_contracts::{Fault, Outcome};
use proptest::prelude::*;

use super::Applying;
use crate::content::BlobDesk;
use crate::layer::{difference, put_on};
use crate::project::{Hashes, Project};
use crate::tree::Nodes;

#[derive(Default)]
struct Memory(Mutex<HashMap<String, Bytes>>);

impl Blobs for Memory {
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

fn file(text: &str, blobs: &Memory) -> Node {
    let hash = sha256_hex(text.as_bytes());
    blobs
        .0
        .lock()
        .unwrap()
        .insert(hash.clone(), Bytes::copy_from_slice(text.as_bytes()));
    Node::File {
        hash,
        size: u32::try_from(text.len()).unwrap(),
        executable: text.len() % 2 == 1,
    }
}

/// What a tree of these tests is made of: path, and 0 = empty folder, 1 = link, else a file.
type Sketch = Vec<(Vec<&'static str>, u8)>;

fn sketch() -> impl Strategy<Value = Sketch> {
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4);
    prop::collection::vec((path, 0_u8..9), 0..10)
}

fn tree(sketch: &Sketch, blobs: &Memory) -> Nodes {
    let mut nodes = Nodes::new();
    for (path, kind) in sketch {
        let after = match kind {
            0 => Node::Directory,
            1 => Node::Symlink { target: "x".to_owned() },
            kind => file(&"y".repeat(usize::from(*kind)), blobs),
        };
        let mut one = Nodes::new();
        one.insert(path.join("/"), after);
        put_on(&mut nodes, &difference(&Nodes::new(), &one));
    }
    nodes
}

fn commit(path: &Path, changes: &ChangeSet, desk: &BlobDesk, acts: Option<usize>) -> Outcome<CommitOutcome> {
    let project = Project::open(path)?;
    let left = Cell::new(acts);
    let pace = move || match left.get() {
        None => Ok(()),
        Some(0) => Err(Fault::internal("cut off")),
        Some(acts) => {
            left.set(Some(acts - 1));
            Ok(())
        }
    };
    let mut known = Hashes::new();
    Applying::new(&project, &mut known, desk, &pace)?.commit(changes)
}

fn read(path: &Path) -> Nodes {
    let project = Project::open(path).unwrap();
    project.nodes(&mut Hashes::new(), &mut |_, _| Ok(())).unwrap()
}

/// Runs on a blocking thread, as the store does.
fn on_runtime(work: impl FnOnce(Arc<Memory>, BlobDesk) + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let blobs = Arc::new(Memory::default());
    let done = runtime.block_on(async {
        let desk = BlobDesk::new(blobs.clone());
        tokio::task::spawn_blocking(move || work(blobs, desk)).await
    });
    if let Err(error) = done {
        std::panic::resume_unwind(error.into_panic());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_off_commit_is_finished_by_the_next(from in sketch(), to in sketch()) {
        on_runtime(move |blobs, desk| {
            let (from, to) = (tree(&from, &blobs), tree(&to, &blobs));
            let there = difference(&from, &to);
            for acts in 0..=2 * there.changes.len() + 1 {
                let folder = tempfile::tempdir().unwrap();
                let start = difference(&Nodes::new(), &from);
                commit(folder.path(), &start, &desk, None).unwrap();
                assert_eq!(read(folder.path()), from);
                let cut = commit(folder.path(), &there, &desk, Some(acts));
                let expected = crate::tree::manifest_of(&to);
                let tree_hash = openwrap_contracts::canonical::canonical_hash(&expected).unwrap();
                if cut.is_ok() {
                    assert_eq!(cut, Ok(CommitOutcome::Committed { tree_hash: tree_hash.clone() }));
                }
                let again = commit(folder.path(), &there, &desk, None);
                assert_eq!(again, Ok(CommitOutcome::Committed { tree_hash }), "after {acts} acts: {there:?}");
                assert_eq!(read(folder.path()), to);
                let left = std::process::Command::new("find").arg(folder.path()).args(["-name", ".openwrap-tmp-*"]).output().unwrap();
                assert!(left.stdout.is_empty(), "temporary files stayed");
            }
        });
    }
}

/// A person saves at a moment of a commit: by writing into the file, or by renaming another one over it.
#[test]
fn a_save_in_the_middle_of_a_commit_stays() {
    on_runtime(|blobs, desk| {
        let wanted = [Some(file("task's", &blobs)), Some(Node::Directory), None];
        for (after, (moment, in_place)) in wanted
            .iter()
            .flat_map(|after| [(0, false), (0, true), (1, true)].map(|way| (after, way)))
        {
            let folder = tempfile::tempdir().unwrap();
            let (place, other) = (folder.path().join("f"), folder.path().join("other"));
            std::fs::write(&place, "before").unwrap();
            let open = std::fs::File::options().write(true).open(&place).unwrap();
            let changes = ChangeSet {
                changes: vec![Change {
                    path: "f".to_owned(),
                    before: Some(file("before", &blobs)),
                    after: after.clone(),
                }],
            };
            let calls = Cell::new(0);
            let pace = || {
                if calls.replace(calls.get() + 1) == moment && in_place {
                    open.write_all_at(b"person's", 0).unwrap();
                } else if calls.get() == moment + 1 {
                    std::fs::write(&other, "person's").unwrap();
                    std::fs::rename(&other, &place).unwrap();
                }
                Ok(())
            };
            let project = Project::open(folder.path()).unwrap();
            let mut known = Hashes::new();
            let outcome = Applying::new(&project, &mut known, &desk, &pace)
                .unwrap()
                .commit(&changes);
            assert_eq!(
                outcome,
                Ok(CommitOutcome::PersonEdited {
                    paths: vec!["f".to_owned()]
                }),
                "{after:?} {moment}"
            );
            assert_eq!(std::fs::read_to_string(&place).unwrap(), "person's");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    });
}
