//! Tools that come and go while the core runs: those of other servers, named `SERVER:TOOL`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openwrap_contracts::model::{ToolOffer, wire_name};
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::registry::{Registered, Registry};

/// In a role's list of tools: every tool of every server.
const ANY_SERVER: &str = "mcp:*";

/// Guests by server, then by name.
#[derive(Default)]
pub struct Guests {
    tools: BTreeMap<(String, String), Arc<Registered>>,
}

impl Guests {
    /// Takes what can be taken; says why of the rest.
    pub fn new(tools: Vec<Arc<dyn Tool>>, residents: &Registry) -> (Self, Vec<Fault>) {
        let mut guests = Self::default();
        let mut wires: BTreeSet<String> = BTreeSet::new();
        let mut refused = Vec::new();
        for tool in tools {
            let name = tool.definition().name.clone();
            let taken = guests.take(tool, &name, &mut wires, residents);
            refused.extend(taken.err());
        }
        (guests, refused)
    }

    fn take(
        &mut self,
        tool: Arc<dyn Tool>,
        name: &str,
        wires: &mut BTreeSet<String>,
        residents: &Registry,
    ) -> Outcome<()> {
        let (server, own) = parts(name)
            .ok_or_else(|| Fault::invalid(format!("`{}` is no name of a server's tool", name.escape_debug())))?;
        let wire = wire_name(name);
        if residents.has_wire(&wire) || !wires.insert(wire.clone()) {
            return Err(Fault::new(
                ErrorCode::AlreadyExists,
                format!("another tool is `{wire}` on a model's wire as well as `{name}`"),
            ));
        }
        let registered = Arc::new(Registered::new(tool)?);
        self.tools.insert((server.to_owned(), own.to_owned()), registered);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<Arc<Registered>> {
        let (server, own) = parts(name)?;
        self.tools.get(&(server.to_owned(), own.to_owned())).map(Arc::clone)
    }

    /// Offers of what a role's list names, in registry order.
    pub fn offers(&self, names: &[String]) -> Vec<ToolOffer> {
        if !names.iter().any(|name| name.contains(':')) {
            return Vec::new();
        }
        let tools = self.tools.values();
        let named = tools.filter(|known| allows(names, &known.tool.definition().name));
        named.map(|known| known.offer.clone()).collect()
    }
}

fn parts(name: &str) -> Option<(&str, &str)> {
    name.split_once(':')
        .filter(|(server, own)| !server.is_empty() && !own.is_empty())
}

/// Whether a role's list of tools names this one: by its global name, `SERVER:*`, or `mcp:*`.
pub fn allows(names: &[String], tool: &str) -> bool {
    let server = parts(tool).map(|(server, _)| server);
    names.iter().any(|name| match server {
        _ if name == tool => true,
        Some(server) => name == ANY_SERVER || name.strip_suffix(":*") == Some(server),
        None => false,
    })
}

/// The tools of other servers among what was offered to a model, as tools that never run.
pub fn recorded(offered: Vec<ToolOffer>) -> Vec<Arc<dyn Tool>> {
    let guests = offered.into_iter().filter(|offer| parts(&offer.name).is_some());
    guests
        .map(|offer| Arc::new(Recorded::of(offer)) as Arc<dyn Tool>)
        .collect()
}

/// A server's tool in a replay: its result comes from the record.
struct Recorded(ToolDefinition);

impl Recorded {
    fn of(offer: ToolOffer) -> Self {
        Self(ToolDefinition {
            name: offer.name,
            description: offer.description,
            input_schema: offer.input_schema,
            repeat: Repeatability::Observed,
            reach: Reach::Outside,
        })
    }
}

impl Tool for Recorded {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn needs(&self, _arguments: &Value) -> Outcome<Vec<String>> {
        Ok(vec![format!("mcp:{}", self.0.name.replacen(':', "/", 1))])
    }

    fn summary(&self, arguments: &Value) -> String {
        format!("{} {arguments}", self.0.name)
    }

    fn run(&self, _input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        let fault = Fault::new(
            ErrorCode::ReplayDiverged,
            format!("the record has no result of `{}` at this step", self.0.name),
        );
        Box::pin(async move { Err(fault) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_tools_servers_or_all_servers() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(allows(&list(&["file.read"]), "file.read"));
        assert!(allows(&list(&["mcp:*"]), "files:read"));
        assert!(allows(&list(&["files:*"]), "files:read"));
        assert!(allows(&list(&["files:read"]), "files:read"));
        for (names, tool) in [
            (&["mcp:*"][..], "file.read"),
            (&["*"], "files:read"),
            (&["file:*"], "files:read"),
            (&["files:write"], "files:read"),
            (&[], "files:read"),
        ] {
            assert!(!allows(&list(names), tool), "{names:?} {tool}");
        }
    }
}
