//! The gateway's books: a pure value that changes by its methods alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jsonschema::Validator;
use openwrap_contracts::aq::{
    AUDIT_EVENTS_MAX, CapabilityGrant, GRANTS_MAX, McpManifest, McpServerConfig, McpTool, McpTransport, ToolAuditEvent,
    ToolGatewaySnapshot, ToolInvocation, ToolRegistryEntry,
};
use openwrap_contracts::limits::{MCP_SERVERS_MAX, MCP_TOOLS_MAX};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_grants::{Capability, visible};

use super::{CheckedCall, arguments_within, wall_ms};
use crate::registry::schema_violations;

/// Bytes of an id or a name.
const NAME_BYTES_MAX: usize = 64;

#[derive(Default)]
pub struct Book {
    manifests: BTreeSet<String>,
    servers: BTreeMap<String, McpServerConfig>,
    /// By server id, then tool name: the registry's order.
    tools: BTreeMap<(String, String), Known>,
    grants: BTreeMap<String, CapabilityGrant>,
    audit: VecDeque<ToolAuditEvent>,
    sequence: u64,
}

struct Known {
    entry: ToolRegistryEntry,
    validator: Validator,
}

impl Book {
    pub fn register_manifest(&mut self, manifest: McpManifest) -> Outcome<()> {
        self.room_for(&manifest.server_id)?;
        if self.manifests.contains(&manifest.server_id) {
            return Err(exists(&format!("the server `{}` has a manifest", manifest.server_id)));
        }
        let tools = known_tools(manifest.server_id.as_str(), manifest.tools)?;
        self.manifests.insert(manifest.server_id);
        self.tools.extend(tools);
        Ok(())
    }

    pub fn register_server(&mut self, mut config: McpServerConfig) -> Outcome<()> {
        self.room_for(&config.server_id)?;
        if self.servers.contains_key(&config.server_id) {
            return Err(exists(&format!("the server `{}` is registered", config.server_id)));
        }
        let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let reachable = match config.transport {
            McpTransport::Stdio => given(&config.command),
            McpTransport::Http | McpTransport::Websocket => given(&config.url),
        };
        if !reachable {
            let missing = match config.transport {
                McpTransport::Stdio => "command",
                McpTransport::Http | McpTransport::Websocket => "url",
            };
            return Err(Fault::invalid(format!(
                "server `{}`: its transport needs `{missing}`",
                config.server_id
            )));
        }
        if let Some(manifest) = config.manifest.take() {
            if manifest.server_id != config.server_id {
                return Err(Fault::invalid(format!(
                    "server `{}`: its manifest is of `{}`",
                    config.server_id,
                    visible::line(&manifest.server_id)
                )));
            }
            self.register_manifest(manifest.clone())?;
            config.manifest = Some(manifest);
        }
        self.servers.insert(config.server_id.clone(), config);
        Ok(())
    }

    fn room_for(&self, server_id: &str) -> Outcome<()> {
        if !is_server_id(server_id) {
            return Err(Fault::invalid(format!(
                "server id {} must match [A-Za-z0-9][A-Za-z0-9._-]{{0,63}}",
                visible::fact(server_id)
            )));
        }
        let known = self.manifests.iter().chain(self.servers.keys());
        let ids: BTreeSet<&String> = known.collect();
        if ids.len() >= MCP_SERVERS_MAX && !ids.contains(&server_id.to_owned()) {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{MCP_SERVERS_MAX} servers are registered already"),
            ));
        }
        Ok(())
    }

    pub fn list_tools(&self) -> Vec<ToolRegistryEntry> {
        self.tools.values().map(|known| known.entry.clone()).collect()
    }

    pub fn grant(&mut self, grant: CapabilityGrant) -> Outcome<()> {
        if grant.grant_id.is_empty() || grant.capability.is_empty() {
            return Err(Fault::invalid("a grant has a grantId and a capability"));
        }
        if grant.expires_at.is_some_and(|end| end <= grant.issued_at) {
            return Err(Fault::invalid(format!(
                "grant {}: expiresAt is not after issuedAt",
                visible::fact(&grant.grant_id)
            )));
        }
        if self.grants.contains_key(&grant.grant_id) {
            return Err(exists(&format!("the grant `{}` is there", grant.grant_id)));
        }
        if self.grants.len() >= GRANTS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{GRANTS_MAX} grants are held already"),
            ));
        }
        self.grants.insert(grant.grant_id.clone(), grant);
        Ok(())
    }

    pub fn revoke(&mut self, grant_id: &str) -> Outcome<()> {
        match self.grants.remove(grant_id) {
            Some(_) => Ok(()),
            None => Err(Fault::not_found(format!("no grant {}", visible::fact(grant_id)))),
        }
    }

    /// Known tool, arguments within size and schema, every scope held, confirmed where that is needed.
    pub fn checked(&self, invocation: ToolInvocation, now: i64) -> Outcome<CheckedCall> {
        let place = invocation.tool_id.split_once(':');
        let known = place.and_then(|(server, tool)| self.tools.get(&(server.to_owned(), tool.to_owned())));
        let known = known.ok_or_else(|| Fault::not_found(format!("no tool {}", visible::fact(&invocation.tool_id))))?;
        arguments_within(&invocation.arguments)?;
        schema_violations(&known.validator, &invocation.arguments)?;
        self.permitted(&known.entry, &invocation.grant_ids, now)?;
        Ok(CheckedCall {
            server: self.servers.get(&known.entry.server_id).cloned(),
            entry: known.entry.clone(),
            request_id: invocation.request_id,
            arguments: invocation.arguments,
            timeout_ms: wall_ms(invocation.timeout_ms),
        })
    }

    fn permitted(&self, entry: &ToolRegistryEntry, grant_ids: &[String], now: i64) -> Outcome<()> {
        let named = grant_ids.iter().filter_map(|id| self.grants.get(id));
        let live: Vec<&CapabilityGrant> = named.filter(|grant| is_live(grant, entry, now)).collect();
        let scopes = required_scopes(&entry.tool);
        let denied = |what: String| {
            Err(Fault::new(
                ErrorCode::PermissionDenied,
                format!("{}: {what}", entry.tool_id),
            ))
        };
        let missing: Vec<String> = scopes
            .iter()
            .filter(|scope| !live.iter().any(|grant| covers(&grant.capability, scope)))
            .map(|scope| visible::fact(scope))
            .collect();
        if !missing.is_empty() {
            return denied(format!("no grant of this call covers {}", missing.join(", ")));
        }
        let confirms = |grant: &&CapabilityGrant| {
            grant.approval_id.is_some()
                && (scopes.iter().any(|scope| covers(&grant.capability, scope)) || is_for(grant, entry))
        };
        let confirmation = entry.tool.annotations.as_ref();
        if confirmation.is_some_and(|annotations| annotations.requires_confirmation) && !live.iter().any(confirms) {
            return denied("it needs a grant that comes from an approval".to_owned());
        }
        Ok(())
    }

    pub fn note(&mut self, mut event: ToolAuditEvent) {
        self.sequence += 1;
        event.sequence = self.sequence;
        if self.audit.len() >= AUDIT_EVENTS_MAX {
            self.audit.pop_front();
        }
        self.audit.push_back(event);
    }

    pub fn audit_after(&self, after: Option<u64>, limit: Option<u32>) -> Vec<ToolAuditEvent> {
        let after = after.unwrap_or(0);
        let from = self.audit.partition_point(|event| event.sequence <= after);
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        self.audit.iter().skip(from).take(limit).cloned().collect()
    }

    pub fn snapshot(&self) -> ToolGatewaySnapshot {
        ToolGatewaySnapshot {
            tools: self.list_tools(),
            grants: self.grants.values().cloned().collect(),
            audit_cursor: self.sequence,
        }
    }
}

fn known_tools(server_id: &str, tools: Vec<McpTool>) -> Outcome<BTreeMap<(String, String), Known>> {
    if tools.len() > MCP_TOOLS_MAX {
        return Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!(
                "server `{server_id}` has {} tools, {MCP_TOOLS_MAX} are the most",
                tools.len()
            ),
        ));
    }
    let mut known = BTreeMap::new();
    for tool in tools {
        let at = |what: &str| format!("server `{server_id}`, tool {}: {what}", visible::fact(&tool.name));
        if tool.name.is_empty() || tool.name.len() > NAME_BYTES_MAX * 2 || tool.name.chars().any(char::is_control) {
            return Err(Fault::invalid(at("its name has 1 to 128 bytes, none a control")));
        }
        if tool.description.trim().is_empty() {
            return Err(Fault::invalid(at("it has no description")));
        }
        if !tool.input_schema.is_object() {
            return Err(Fault::invalid(at("its inputSchema is no object")));
        }
        let validator = jsonschema::draft202012::new(&tool.input_schema)
            .map_err(|error| Fault::invalid(at(&format!("its inputSchema: {error}"))))?;
        let key = (server_id.to_owned(), tool.name.clone());
        if known.contains_key(&key) {
            return Err(exists(&at("it is there twice")));
        }
        let entry = ToolRegistryEntry {
            tool_id: format!("{server_id}:{}", tool.name),
            server_id: server_id.to_owned(),
            tool,
        };
        known.insert(key, Known { entry, validator });
    }
    Ok(known)
}

fn exists(what: &str) -> Fault {
    Fault::new(ErrorCode::AlreadyExists, format!("{what} already"))
}

fn is_server_id(id: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    id.len() <= NAME_BYTES_MAX && id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.bytes().all(inner)
}

/// What a call must hold, sorted, without repeats.
fn required_scopes(tool: &McpTool) -> BTreeSet<&str> {
    let Some(annotations) = &tool.annotations else {
        return BTreeSet::new();
    };
    let listed = annotations.required_scopes.iter().map(String::as_str);
    listed.chain(annotations.policy_action.as_deref()).collect()
}

fn is_live(grant: &CapabilityGrant, entry: &ToolRegistryEntry, now: i64) -> bool {
    let in_time = grant.issued_at <= now && grant.expires_at.is_none_or(|end| now < end);
    let scope = grant.scope.as_deref();
    in_time && scope.is_none_or(|scope| scope == entry.server_id || scope == entry.tool_id)
}

/// The grant is for this very tool.
fn is_for(grant: &CapabilityGrant, entry: &ToolRegistryEntry) -> bool {
    let own = format!("mcp:{}/{}", entry.server_id, entry.tool.name);
    grant.capability == entry.tool_id || covers(&grant.capability, &own)
}

/// Equal text, or covered in the grant language.
fn covers(capability: &str, scope: &str) -> bool {
    capability == scope
        || match (Capability::parse(capability), Capability::parse(scope)) {
            (Ok(grant), Ok(need)) => grant.covers(&need),
            _ => false,
        }
}
