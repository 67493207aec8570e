//! Wire types of track AT: the agent toolkits. Tools work in one workspace folder; every path is written from it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tool::Artifact;

/// How a registry of toolkits is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentToolkitConfig {
    /// Absolute path of the folder the tools work in.
    pub workspace_root: PathBuf,
}

/// A tool as it is offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentToolkitTool {
    /// `noun.verb`, unique.
    pub name: String,
    pub description: String,
    /// JSON Schema (2020-12) of the payload.
    pub input_schema: Value,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentToolkitResult {
    pub tool_name: String,
    /// False: the tool ran and reports a failure of what it did, as a program's exit code. A call that cannot run is a fault.
    pub success: bool,
    pub output: Value,
    /// Files the call wrote, by path.
    pub artifacts: Vec<Artifact>,
}

/// Adds the AT wire types to the generated document.
pub fn register(generator: &mut schemars::SchemaGenerator) {
    generator.subschema_for::<AgentToolkitConfig>();
    generator.subschema_for::<AgentToolkitTool>();
    generator.subschema_for::<AgentToolkitResult>();
}
