//! MCP servers of the installation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tool::ToolDefinition;

/// A server as it is kept: installed once, pinned, run confined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpServer {
    /// `[a-z0-9][a-z0-9-]{0,31}`.
    pub server_id: String,
    /// The entry file it runs as, or a program; absolute, or a name on the `PATH`.
    pub command: String,
    pub args: Vec<String>,
    /// Names and values; secrets are named as `secret:NAME` and opened when it starts.
    #[serde(default)]
    pub env: Vec<McpVariable>,
    /// Where it came from: package, version and integrity; none for a program that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<McpPackage>,
    /// Capabilities its process gets beyond its own folder, home and temporary files.
    #[serde(default)]
    pub grants: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpVariable {
    pub name: String,
    pub value: String,
}

/// A package as it was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpPackage {
    /// `npm`.
    pub registry: String,
    pub name: String,
    pub version: String,
    /// Subresource integrity of the archive, as the registry gives it.
    pub integrity: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpStatus {
    /// Not started in this start of the core.
    Idle,
    Running,
    /// Its definitions are new or changed: a person looks at them first.
    WaitsForApproval,
    Failed,
}

/// A server and what it offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpServerState {
    pub server: McpServer,
    pub status: McpStatus,
    /// SHA-256 of the canonical definitions now; empty before the first start.
    pub definitions_hash: String,
    /// The hash a person approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_hash: Option<String>,
    /// Global names are `SERVER:TOOL`.
    pub tools: Vec<ToolDefinition>,
    /// Tools it offers that are not taken, whoever approves them.
    #[serde(default)]
    pub refused: Vec<McpRefusedTool>,
    /// The tools as approved, where they differ from `tools`.
    #[serde(default)]
    pub approved_tools: Vec<ToolDefinition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The last lines of its standard error.
    pub log: String,
}

/// A tool that cannot be offered to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpRefusedTool {
    /// As the server calls it, with hidden characters shown.
    pub name: String,
    pub reason: String,
}
