//! Wire types of track AQ: the tool and MCP gateway. Times are milliseconds since the epoch (`…At`) or durations (`…Ms`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Audit events a gateway keeps; the oldest go first.
pub const AUDIT_EVENTS_MAX: usize = 100_000;
/// Grants a gateway holds at once.
pub const GRANTS_MAX: usize = 10_000;

/// What a server says it offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpManifest {
    /// Unique; `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    pub server_id: String,
    pub name: String,
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names are unique in the server.
    pub tools: Vec<McpTool>,
}

/// One tool of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpTool {
    pub name: String,
    pub description: String,
    /// JSON Schema (2020-12) of the arguments.
    pub input_schema: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<McpToolAnnotations>,
}

/// What a server says about a tool beside its schema. Only the named fields mean something here, and none of them grants anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpToolAnnotations {
    /// Scopes a call must hold, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_scopes: Vec<String>,
    /// One scope more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_action: Option<String>,
    /// A grant the call rests on must come from an approval.
    #[serde(default)]
    pub requires_confirmation: bool,
    /// The rest, as the server has it.
    #[serde(flatten)]
    pub other: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpTransport {
    Stdio,
    Http,
    Websocket,
}

/// How a server is reached: `stdio` needs `command`, the others `url`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpServerConfig {
    pub server_id: String,
    pub transport: McpTransport,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of the same server; registered with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<McpManifest>,
}

/// A tool that can be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolRegistryEntry {
    /// `serverId:toolName`.
    pub tool_id: String,
    pub server_id: String,
    pub tool: McpTool,
}

/// A permission. `capability` is a scope as tools require it: equal text, or, where both are of the grant language
/// (`net:HOST[:PORT]`, `mcp:SERVER/TOOL`, …), one that covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapabilityGrant {
    pub grant_id: String,
    pub capability: String,
    pub issued_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// A `serverId` or `toolId` it is good for; none: every tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolInvocation {
    pub tool_id: String,
    pub request_id: String,
    pub arguments: Value,
    /// Grants it rests on; no others count.
    #[serde(default)]
    pub grant_ids: Vec<String>,
    /// Fields left out of the hashes beside `apiKey token secret password`, at any depth, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact_keys: Option<Vec<String>>,
    /// At most, and when absent, `MCP_CALL_MS_MAX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
}

/// One call that ended, refused ones too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolAuditEvent {
    /// 1, 2, 3 …
    pub sequence: u64,
    pub tool_id: String,
    pub request_id: String,
    pub grant_ids: Vec<String>,
    /// SHA-256 of the canonical JSON of the redacted arguments.
    pub input_hash: String,
    /// SHA-256 of the canonical JSON of the redacted result, or of `{"error":CODE}`.
    pub output_hash: String,
    pub success: bool,
    pub duration_ms: u32,
    pub created_at: i64,
}

/// Everything there is to see: tools by server, then name; grants by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolGatewaySnapshot {
    pub tools: Vec<ToolRegistryEntry>,
    pub grants: Vec<CapabilityGrant>,
    /// Sequence of the newest audit event, 0 before the first.
    pub audit_cursor: u64,
}

/// Adds the AQ wire types to the generated document.
pub fn register(generator: &mut schemars::SchemaGenerator) {
    generator.subschema_for::<McpManifest>();
    generator.subschema_for::<McpServerConfig>();
    generator.subschema_for::<ToolRegistryEntry>();
    generator.subschema_for::<CapabilityGrant>();
    generator.subschema_for::<ToolInvocation>();
    generator.subschema_for::<ToolAuditEvent>();
    generator.subschema_for::<ToolGatewaySnapshot>();
}
