//! Trees and change sets as values: differences, layers, turning round.

use std::collections::BTreeMap;

use openwrap_contracts::change::{Change, ChangeSet, Node};

use crate::name;
use crate::tree::Nodes;

/// What makes `after` out of `before`, sorted by path.
pub fn difference(before: &Nodes, after: &Nodes) -> ChangeSet {
    let mut changes: BTreeMap<&String, Change> = BTreeMap::new();
    for (path, node) in before {
        if after.get(path) != Some(node) {
            let change = Change {
                path: path.clone(),
                before: Some(node.clone()),
                after: after.get(path).cloned(),
            };
            changes.insert(path, change);
        }
    }
    for (path, node) in after {
        if !before.contains_key(path) {
            let change = Change {
                path: path.clone(),
                before: None,
                after: Some(node.clone()),
            };
            changes.insert(path, change);
        }
    }
    ChangeSet {
        changes: changes.into_values().collect(),
    }
}

/// Puts a change set on top of a tree. What is newer wins: a file takes the place of a folder's content and the other
/// way round, and a folder that got content is no longer listed as empty.
pub fn put_on(nodes: &mut Nodes, changes: &ChangeSet) {
    for change in changes.changes.iter().filter(|change| change.after.is_none()) {
        nodes.remove(&change.path);
    }
    for change in &changes.changes {
        let Some(after) = &change.after else { continue };
        if *after == Node::Directory && has_below(nodes, &change.path) {
            continue;
        }
        let below = below_of(nodes, &change.path);
        for path in below {
            nodes.remove(&path);
        }
        for folder in name::ancestors(&change.path) {
            nodes.remove(folder);
        }
        nodes.insert(change.path.clone(), after.clone());
    }
}

/// Paths below a folder.
pub fn below_of(nodes: &Nodes, folder: &str) -> Vec<String> {
    let prefix = format!("{folder}/");
    nodes
        .range(prefix.clone()..)
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(&prefix))
        .cloned()
        .collect()
}

fn has_below(nodes: &Nodes, folder: &str) -> bool {
    let prefix = format!("{folder}/");
    let mut next = nodes.range(prefix.clone()..);
    next.next().is_some_and(|(path, _)| path.starts_with(&prefix))
}

/// The same changes backwards.
pub fn inverse(changes: &ChangeSet) -> ChangeSet {
    let turned = changes.changes.iter().map(|change| Change {
        path: change.path.clone(),
        before: change.after.clone(),
        after: change.before.clone(),
    });
    ChangeSet {
        changes: turned.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node() -> impl Strategy<Value = Node> {
        prop_oneof![
            3 => (0_u32..5, any::<bool>()).prop_map(|(size, executable)| Node::File { hash: format!("{size:064}"), size, executable }),
            1 => Just(Node::Directory),
            1 => Just(Node::Symlink { target: "x".to_owned() }),
        ]
    }

    /// Trees as they can lie on a disk: no file above another entry, no listed folder with content.
    fn tree() -> impl Strategy<Value = Nodes> {
        let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "a.b"]), 1..4);
        prop::collection::vec((path, node()), 0..12).prop_map(|entries| {
            let mut nodes = Nodes::new();
            for (path, node) in entries {
                let changes = vec![Change {
                    path: path.join("/"),
                    before: None,
                    after: Some(node),
                }];
                put_on(&mut nodes, &ChangeSet { changes });
            }
            nodes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_difference_put_on_its_start_gives_its_end(before in tree(), after in tree()) {
            let changes = difference(&before, &after);
            let mut nodes = before.clone();
            put_on(&mut nodes, &changes);
            prop_assert_eq!(&nodes, &after);
            put_on(&mut nodes, &inverse(&changes));
            prop_assert_eq!(&nodes, &before);
            let sorted = changes.changes.windows(2).all(|pair| pair[0].path < pair[1].path);
            prop_assert!(sorted);
        }
    }
}
