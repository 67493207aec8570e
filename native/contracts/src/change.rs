//! Change sets: what a step, task or person changed in a tree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes sorted by path (bytewise), one a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSet {
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Path inside the project, `/` between names, never `..`.
    pub path: String,
    /// None: was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Node>,
    /// None: is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Node>,
}

/// State of one path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Node {
    /// `hash` is SHA-256 of the bytes and names the blob that holds them; `executable` is the owner's x bit.
    File { hash: String, size: u32, executable: bool },
    /// A directory that holds nothing (others follow from their files).
    Directory,
    /// A symbolic link and its target as written.
    Symlink { target: String },
}

impl ChangeSet {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changed paths, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.changes.iter().map(|change| change.path.clone()).collect()
    }
}

/// A whole tree: path and node of every file, link and empty directory, sorted by path. Its canonical hash is the tree hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub entries: Vec<ManifestEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestEntry {
    pub path: String,
    pub node: Node,
}
