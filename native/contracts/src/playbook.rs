//! Playbooks: programs in TypeScript that plan and carry out a run without a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::Label;

/// A playbook as its program declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Playbook {
    /// `[a-z0-9][a-z0-9-]{0,63}`: its folder, or its file without the ending.
    pub name: String,
    pub title: String,
    /// What it does, in a sentence or two.
    #[serde(default)]
    pub about: String,
    /// In the order of its form, by name unique.
    pub inputs: Vec<PlaybookInput>,
    pub origin: PlaybookOrigin,
    /// SHA-256 of the canonical JSON of its files; empty when they could not be read.
    pub source_hash: String,
    /// Why it cannot be run, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaybookOrigin {
    /// Comes with Open Wrap.
    Product,
    /// Lies in the data folder's `playbooks`.
    Person,
}

/// One thing a playbook asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaybookInput {
    /// `[A-Za-z][A-Za-z0-9_]{0,63}`: the field of the inputs.
    pub name: String,
    /// Its label.
    pub title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// May be left out; one with a default may be too.
    #[serde(default)]
    pub optional: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    #[serde(flatten)]
    pub shape: PlaybookShape,
}

/// What an input may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PlaybookShape {
    /// Path of a file in the project. `extensions`: without the dot, lower case; empty: any.
    File {
        #[serde(default)]
        extensions: Vec<String>,
    },
    /// `lines`: more than one line.
    Text {
        #[serde(default)]
        lines: bool,
    },
    Number {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
        #[serde(default)]
        integer: bool,
    },
    Choice {
        options: Vec<PlaybookOption>,
    },
    YesNo {},
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaybookOption {
    pub value: String,
    pub title: String,
}

/// The playbook of a run. Both hashes are inputs of the run digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaybookNote {
    pub name: String,
    pub title: String,
    /// Blob of its files, in the order they are loaded.
    pub source_hash: String,
    /// Blob of its inputs.
    pub inputs_hash: String,
    /// Of its files: one that was drafted holds what the run it was drafted of had read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}
