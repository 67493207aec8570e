//! Which retired task changed which path.

use std::collections::{BTreeMap, BTreeSet};

/// Ordinals of the retired tasks that changed a path, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Writers {
    paths: BTreeMap<String, Vec<u32>>,
}

impl Writers {
    pub fn add(&mut self, ordinal: u32, paths: &BTreeSet<String>) {
        for path in paths {
            self.paths.entry(path.clone()).or_default().push(ordinal);
        }
    }

    /// Those of `paths` that a task with ordinal `since` or later outside `closure` changed, and the first such task. A path also
    /// meets the paths below it and the directories above it: one of the two would be a file where the other needs a directory.
    pub fn conflict(
        &self,
        paths: &BTreeSet<String>,
        since: u32,
        closure: &BTreeSet<u32>,
    ) -> Option<(u32, BTreeSet<String>)> {
        let mut first = None;
        let mut met = BTreeSet::new();
        for path in paths {
            let foreign = |ordinal: &&u32| **ordinal >= since && !closure.contains(ordinal);
            let Some(ordinal) = self.meeting(path).flatten().filter(foreign).min() else {
                continue;
            };
            met.insert(path.clone());
            first = Some(first.map_or(*ordinal, |first: u32| first.min(*ordinal)));
        }
        Some((first?, met))
    }

    fn meeting<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Vec<u32>> {
        let above = path
            .match_indices('/')
            .filter_map(|(end, _)| self.paths.get(path.get(..end)?));
        let below = format!("{path}/");
        let start = below.clone();
        let below = self
            .paths
            .range(start..)
            .take_while(move |(other, _)| other.starts_with(&below));
        self.paths
            .get(path)
            .into_iter()
            .chain(above)
            .chain(below.map(|(_, ordinals)| ordinals))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn set(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    // AP-111
    #[test]
    fn equal_paths_and_paths_that_contain_each_other_meet() {
        let mut writers = Writers::default();
        writers.add(0, &set(&["a", "b/c", "d/e/f", "g-h"]));
        let none = BTreeSet::new();
        for (path, meets) in [
            ("a", true),
            ("a/x", true),
            ("b", true),
            ("b/c", true),
            ("b/d", false),
            ("d/e/f/g/h", true),
            ("g", false),
        ] {
            assert_eq!(writers.conflict(&set(&[path]), 0, &none).is_some(), meets, "{path}");
        }
    }

    // AP-110
    #[test]
    fn what_the_base_or_the_closure_holds_is_no_conflict() {
        let mut writers = Writers::default();
        writers.add(0, &set(&["a", "b"]));
        writers.add(2, &set(&["a"]));
        let none = BTreeSet::new();
        assert_eq!(
            writers.conflict(&set(&["a", "b", "c"]), 0, &none),
            Some((0, set(&["a", "b"])))
        );
        assert_eq!(writers.conflict(&set(&["a", "b"]), 1, &none), Some((2, set(&["a"]))));
        assert_eq!(writers.conflict(&set(&["a", "b"]), 3, &none), None);
        assert_eq!(writers.conflict(&set(&["a", "b"]), 0, &BTreeSet::from([0, 2])), None);
    }
}
