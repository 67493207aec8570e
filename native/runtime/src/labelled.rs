//! Text from outside that lies in projects: which contents and names of files labelled work left or people brought, and which files of a
//! base are that. Content is known by its hash, so that a file keeps its labels when it is renamed or copied, and loses them when a
//! person edits it or an undo puts back what was there before.

use std::collections::BTreeMap;
use std::sync::Arc;

use openwrap_agent::provenance::EVERY_FILE;
use openwrap_contracts::Outcome;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::change::{Manifest, Node};
use openwrap_contracts::event::{Event, Fact, LabelledContents, LabelledFiles};
use openwrap_contracts::identity::{Label, join_labels};
use openwrap_contracts::limits::{LABELLED_PATHS_BYTES_MAX, LABELLED_PATHS_MAX, LABELLED_PROJECT_FILES_MAX};
use openwrap_contracts::ports::{FileOrigins, Task, Views};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::following::Following;

/// What is known of one project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProjectLabels {
    contents: BTreeMap<String, Vec<Label>>,
    names: BTreeMap<String, Vec<Label>>,
    /// Of every file, once there were too many to remember.
    every: Vec<Label>,
}

/// Projects by id. Shared: the fold is copied often, and this seldom changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelFold(Arc<BTreeMap<String, ProjectLabels>>);

impl Serialize for LabelFold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LabelFold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|projects| Self(Arc::new(projects)))
    }
}

impl LabelFold {
    /// Folds one event: both facts are on disk before the files are in the project.
    pub fn apply(&mut self, event: &Event) {
        let Some(project_id) = &event.project_id else { return };
        match &event.fact {
            Fact::CommitRequested { labelled, .. } if !labelled.is_empty() => {
                let known = self.project(project_id);
                labelled.iter().for_each(|left| known.add(left));
            }
            Fact::FileUploadRequested { checksum, size, .. } if *size > 0 => {
                self.project(project_id).add(&LabelledContents {
                    labels: vec![Label::UntrustedFile],
                    hashes: vec![checksum.clone()],
                    names: Vec::new(),
                    every: false,
                });
            }
            Fact::PlaybookDraftRequested { checksum, labels, .. } if !labels.is_empty() => {
                self.project(project_id).add(&LabelledContents {
                    labels: labels.clone(),
                    hashes: vec![checksum.clone()],
                    names: Vec::new(),
                    every: false,
                });
            }
            _ => {}
        }
    }

    /// Of a content, wherever it came into a project.
    pub fn of_content(&self, hash: &str) -> Vec<Label> {
        let known = self.0.values().filter_map(|project| project.contents.get(hash));
        known.fold(Vec::new(), |all, labels| join_labels(&all, labels))
    }

    fn project(&mut self, project_id: &str) -> &mut ProjectLabels {
        Arc::make_mut(&mut self.0).entry(project_id.to_owned()).or_default()
    }

    /// Labelled files of a base. Content is known from every project: one may lie in another, or a person copied a file over.
    fn of_base(&self, project_id: &str, base: &Manifest) -> Vec<LabelledFiles> {
        let own = self.0.get(project_id);
        own.unwrap_or(&ProjectLabels::default())
            .of_base(base, |hash| self.of_content(hash))
    }
}

impl ProjectLabels {
    fn add(&mut self, left: &LabelledContents) {
        if left.every {
            self.every = join_labels(&self.every, &left.labels);
        }
        let contents = left.hashes.iter().map(|hash| (true, hash));
        for (content, key) in contents.chain(left.names.iter().map(|name| (false, name))) {
            let full = self.contents.len() + self.names.len() >= LABELLED_PROJECT_FILES_MAX;
            let known = if content { &mut self.contents } else { &mut self.names };
            if let Some(labels) = known.get_mut(key) {
                *labels = join_labels(labels, &left.labels);
            } else if full {
                self.every = join_labels(&self.every, &left.labels);
            } else {
                known.insert(key.clone(), left.labels.clone());
            }
        }
    }

    fn of_base(&self, base: &Manifest, content: impl Fn(&str) -> Vec<Label>) -> Vec<LabelledFiles> {
        let mut found: BTreeMap<Vec<Label>, LabelledFiles> = BTreeMap::new();
        let mut note = |labels: &[Label], path: &str, name: bool| {
            let files = found.entry(labels.to_vec()).or_insert_with(|| LabelledFiles {
                labels: labels.to_vec(),
                paths: Vec::new(),
                names: Vec::new(),
            });
            if name { &mut files.names } else { &mut files.paths }.push(path.to_owned());
        };
        if !self.every.is_empty() && !base.entries.is_empty() {
            note(&self.every, EVERY_FILE, false);
            note(&self.every, EVERY_FILE, true);
        }
        for entry in &base.entries {
            let name = self.names.get(&entry.path);
            // What is empty has a name alone.
            let labels = match &entry.node {
                Node::File { size: 0, .. } | Node::Directory => name.cloned().unwrap_or_default(),
                Node::File { hash, .. } => content(hash),
                Node::Symlink { target } => content(&sha256_hex(target.as_bytes())),
            };
            if labels.is_empty() {
                continue;
            }
            note(&labels, &entry.path, false);
            // Who edits a file takes its name over as well.
            if let Some(labels) = name {
                note(labels, &entry.path, true);
            }
        }
        found.into_values().map(within_limits).collect()
    }
}

fn fits(paths: &[String]) -> bool {
    paths.len() <= LABELLED_PATHS_MAX && paths.iter().map(String::len).sum::<usize>() <= LABELLED_PATHS_BYTES_MAX
}

/// Too many paths become the folders they lie in, or every file: more is labelled then, never less.
fn within_limits(files: LabelledFiles) -> LabelledFiles {
    let mut paths = files.paths;
    if !fits(&paths) {
        for path in &mut paths {
            let end = path.find('/').unwrap_or(path.len());
            path.truncate(end);
        }
        paths.dedup();
    }
    if !fits(&paths) {
        paths = vec![EVERY_FILE.to_owned()];
    }
    let names = if fits(&files.names) {
        files.names
    } else {
        vec![EVERY_FILE.to_owned()]
    };
    LabelledFiles { paths, names, ..files }
}

/// Answers from the fold of everything that is on disk.
pub struct KnownOrigins {
    following: Arc<Following>,
    views: Arc<dyn Views>,
}

impl KnownOrigins {
    #[must_use]
    pub fn new(following: Arc<Following>, views: Arc<dyn Views>) -> Arc<Self> {
        Arc::new(Self { following, views })
    }
}

impl FileOrigins for KnownOrigins {
    fn labelled(&self, project_id: String, base_hash: String, _version: u32) -> Task<'_, Outcome<Vec<LabelledFiles>>> {
        Box::pin(async move {
            let labels = self.following.look(|fold| fold.labelled.clone()).await?;
            if labels.0.is_empty() {
                return Ok(Vec::new());
            }
            let base = self.views.base_manifest(base_hash).await?;
            Ok(labels.of_base(&project_id, &base))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use openwrap_contracts::change::ManifestEntry;

    use super::*;

    fn of_base(known: &ProjectLabels, base: &Manifest) -> Vec<LabelledFiles> {
        known.of_base(base, |hash| known.contents.get(hash).cloned().unwrap_or_default())
    }

    fn file(path: &str, hash: &str) -> ManifestEntry {
        ManifestEntry {
            path: path.to_owned(),
            node: Node::File {
                hash: hash.to_owned(),
                size: 1,
                executable: false,
            },
        }
    }

    fn left(hashes: &[&str], names: &[&str]) -> LabelledContents {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        LabelledContents {
            labels: vec![Label::Web],
            hashes: owned(hashes),
            names: owned(names),
            every: false,
        }
    }

    #[test]
    fn content_is_known_wherever_it_lies_and_a_name_where_it_stands() {
        let mut known = ProjectLabels::default();
        known.add(&left(&["aa"], &["a"]));
        let base = |entries| Manifest { entries };
        let found = of_base(
            &known,
            &base(vec![file("a", "aa"), file("copy", "aa"), file("other", "bb")]),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&*found[0].paths, &*found[0].names),
            (&["a".to_owned(), "copy".to_owned()][..], &["a".to_owned()][..])
        );
        for edited in ["a", "b"] {
            assert_eq!(
                of_base(&known, &base(vec![file(edited, "bb")])),
                [],
                "a person's own words"
            );
        }
        known.add(&left(&[], &["say this"]));
        let node = Node::Directory;
        let path = "say this".to_owned();
        let found = of_base(&known, &base(vec![ManifestEntry { path, node }]));
        assert_eq!(
            (&*found[0].paths, &*found[0].names),
            (&["say this".to_owned()][..], &["say this".to_owned()][..])
        );
    }

    #[test]
    fn too_many_label_more_and_never_less() {
        let mut known = ProjectLabels::default();
        for at in 0..=LABELLED_PROJECT_FILES_MAX {
            known.add(&left(&[&format!("{at:08}")], &[]));
        }
        assert_eq!(known.contents.len(), LABELLED_PROJECT_FILES_MAX);
        let strange = Manifest {
            entries: vec![file("x", "never seen")],
        };
        let found = of_base(&known, &strange);
        assert_eq!(
            (&*found[0].paths, &*found[0].names),
            (&[".".to_owned()][..], &[".".to_owned()][..])
        );
        assert_eq!(of_base(&known, &Manifest { entries: Vec::new() }), []);
        let entries =
            (0..LABELLED_PATHS_MAX + 5).map(|at| file(&format!("folder{}/{at}", at % 2), &format!("{at:08}")));
        let mut entries: Vec<ManifestEntry> = entries.collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut fewer = known.clone();
        fewer.every.clear();
        let found = of_base(&fewer, &Manifest { entries });
        assert_eq!(found[0].paths, ["folder0", "folder1"]);
    }
}
