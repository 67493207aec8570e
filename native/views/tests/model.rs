//! Random trees and random work in them, against trees read by the standard library alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod parts;

use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::change::{ChangeSet, Manifest, ManifestEntry, Node};
use openwrap_contracts::ports::{CommitOutcome, ViewSpec, Views};
use parts::{Act, Kit, Tree, acts, plain_difference, read_tree, run_all, write};
use proptest::prelude::*;

fn hash_of(tree: &Tree) -> String {
    let entry = |(path, node): (&String, &Node)| ManifestEntry {
        path: path.clone(),
        node: node.clone(),
    };
    canonical_hash(&Manifest {
        entries: tree.iter().map(entry).collect(),
    })
    .unwrap()
}

/// One task on what the earlier ones left: its change set and that set's blob.
fn task(kit: &Kit, name: &str, base: &str, layers: &[String], work: &[Act]) -> (ChangeSet, String) {
    let view = kit.open(name, base, layers);
    run_all(work, &view.root);
    let changes = kit.finish(&view).unwrap();
    let hash = kit.keep(&changes);
    (changes, hash)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn views_report_what_happened_in_them(start in acts(0..10), steps in prop::collection::vec((acts(0..5), any::<bool>()), 1..4)) {
        let kit = Kit::new();
        run_all(&start, &kit.project);
        let base_tree = read_tree(&kit.project);
        let base = kit.accept().unwrap();
        prop_assert_eq!(&base, &hash_of(&base_tree));
        let view = kit.open("t", &base, &[]);
        prop_assert_eq!(read_tree(&view.root), base_tree.clone());
        let (mut layers, mut before) = (Vec::new(), base_tree.clone());
        for (work, by_name) in &steps {
            let named = run_all(work, &view.root);
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            let changes = kit.changed(&view, by_name.then_some(named.as_slice())).unwrap();
            let after = read_tree(&view.root);
            prop_assert_eq!(&changes, &plain_difference(&before, &after), "by name: {}", by_name);
            layers.push(kit.keep(&changes));
            before = after;
        }
        prop_assert_eq!(kit.finish(&view).unwrap(), plain_difference(&base_tree, &before));
        prop_assert!(kit.changed(&view, None).unwrap().is_empty());

        // A later attempt starts from what the steps recorded, and counts it as its own.
        let spec = ViewSpec { attempt: 2, own_layers: layers.len(), ..kit.spec("t", &base, &layers) };
        let again = kit.wait(kit.store.open(spec)).unwrap();
        prop_assert_eq!(read_tree(&again.root), before.clone());
        prop_assert!(kit.changed(&again, None).unwrap().is_empty());
        prop_assert_eq!(kit.finish(&again).unwrap(), plain_difference(&base_tree, &before));

        // A replay puts the same steps into a fresh view.
        let replay = kit.open("r", &base, &[]);
        for layer in &layers {
            kit.wait(kit.store.apply(replay.view_id.clone(), layer.clone())).unwrap();
        }
        prop_assert_eq!(read_tree(&replay.root), before.clone());
        prop_assert!(kit.changed(&replay, None).unwrap().is_empty());
        prop_assert_eq!(kit.finish(&replay).unwrap(), plain_difference(&base_tree, &before));
    }

    #[test]
    fn undo_from_last_to_first_gives_each_tree_again(start in acts(0..10), tasks in prop::collection::vec(acts(0..6), 1..5)) {
        let kit = Kit::new();
        run_all(&start, &kit.project);
        let base = kit.accept().unwrap();
        let (mut layers, mut done, mut trees) = (Vec::new(), Vec::new(), vec![read_tree(&kit.project)]);
        for (place, work) in tasks.iter().enumerate() {
            let (changes, hash) = task(&kit, &format!("t{place}"), &base, &layers, work);
            let tree_hash = kit.committed(&changes);
            let tree = read_tree(&kit.project);
            prop_assert_eq!(&tree_hash, &hash_of(&tree));
            prop_assert_eq!(kit.committed(&changes), tree_hash, "a repeated commit changes nothing");
            prop_assert_eq!(plain_difference(trees.last().unwrap(), &tree), changes.clone());
            trees.push(tree);
            layers.push(hash);
            done.push(changes);
        }
        prop_assert!(kit.left_behind().is_empty());
        for changes in done.iter().rev() {
            trees.pop();
            let reverted = kit.revert(changes);
            prop_assert_eq!(reverted.conflicts, Vec::<String>::new());
            prop_assert_eq!(reverted.tree_hash, hash_of(trees.last().unwrap()));
            prop_assert_eq!(reverted.reverted, changes.paths());
            prop_assert_eq!(&read_tree(&kit.project), trees.last().unwrap());
        }
        prop_assert!(kit.left_behind().is_empty());
    }

    #[test]
    fn a_task_in_the_middle_reverts_alone(work in prop::collection::vec(acts(1..6), 3), edits in acts(0..3)) {
        let kit = Kit::new();
        for folder in ["0", "1", "2"] {
            write(&kit.project, &format!("{folder}/kept"), "kept");
        }
        let base = kit.accept().unwrap();
        let (mut layers, mut done) = (Vec::new(), Vec::new());
        for (place, work) in work.iter().enumerate() {
            let view = kit.open(&format!("t{place}"), &base, &layers);
            run_all(work, &view.root.join(place.to_string()));
            let changes = kit.finish(&view).unwrap();
            kit.committed(&changes);
            layers.push(kit.keep(&changes));
            done.push(changes);
        }
        // A person works in the last task's folder meanwhile.
        run_all(&edits, &kit.project.join("2"));
        let before = read_tree(&kit.project);
        let reverted = kit.revert(&done[1]);
        prop_assert_eq!(reverted.conflicts, Vec::<String>::new());
        let mut expected = before;
        expected.retain(|path, _| !path.starts_with("1/"));
        let after = read_tree(&kit.project);
        let in_middle: Vec<&String> = after.keys().filter(|path| path.starts_with("1/")).collect();
        prop_assert_eq!(in_middle, ["1/kept"]);
        expected.insert("1/kept".to_owned(), after["1/kept"].clone());
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn what_a_person_changed_is_never_overwritten(start in acts(2..10), work in acts(1..6), edits in acts(1..4)) {
        let kit = Kit::new();
        run_all(&start, &kit.project);
        let base = kit.accept().unwrap();
        let base_tree = read_tree(&kit.project);
        let (changes, _) = task(&kit, "t", &base, &[], &work);
        run_all(&edits, &kit.project);
        let edited = read_tree(&kit.project);
        let edits = plain_difference(&base_tree, &edited);
        match kit.commit(&changes) {
            Ok(CommitOutcome::Committed { .. }) => {
                let after = read_tree(&kit.project);
                for edit in &edits.changes {
                    let asked = changes.changes.iter().find(|change| change.path == edit.path);
                    // A folder stops being empty by what others put into it, and goes with its last content.
                    let is_folder = [&edit.before, &edit.after].contains(&&Some(Node::Directory));
                    if !is_folder {
                        let same = asked.is_none_or(|asked| asked.after == edit.after || asked.after == Some(Node::Directory));
                        prop_assert!(same, "{} was edited and asked about: {:?} {:?}", edit.path, asked, edit);
                        prop_assert_eq!(after.get(&edit.path), edit.after.as_ref(), "{}", edit.path);
                    }
                }
            }
            Ok(CommitOutcome::PersonEdited { paths }) => {
                prop_assert!(!paths.is_empty());
                prop_assert_eq!(read_tree(&kit.project), edited);
            }
            Err(fault) => {
                prop_assert_eq!(fault.code, openwrap_contracts::ErrorCode::Conflict);
                prop_assert_eq!(read_tree(&kit.project), edited);
            }
        }
        prop_assert!(kit.left_behind().is_empty());
    }
}
