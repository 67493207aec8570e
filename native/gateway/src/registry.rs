//! The tools there are, in registry order, each with its compiled schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::Validator;
use openwrap_contracts::model::{ToolOffer, wire_name};
use openwrap_contracts::ports::Tool;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

/// Violations named in one refusal.
const VIOLATIONS_SHOWN_MAX: usize = 5;
/// Characters of one violation.
const VIOLATION_CHARS_MAX: usize = 300;

pub struct Registered {
    pub tool: Arc<dyn Tool>,
    validator: Validator,
    pub offer: ToolOffer,
}

pub struct Registry {
    tools: BTreeMap<String, Arc<Registered>>,
    wires: BTreeMap<String, String>,
}

impl Registry {
    /// # Errors
    /// `ALREADY_EXISTS` for two tools of one name or one wire name; `INVALID_ARGUMENTS` for a schema that is none.
    pub fn new(tools: Vec<Arc<dyn Tool>>) -> Outcome<Self> {
        let mut registered = BTreeMap::new();
        let mut wires = BTreeMap::new();
        for tool in tools {
            let definition = tool.definition();
            let name = definition.name.clone();
            let wire = wire_name(&name);
            if let Some(other) = wires.insert(wire.clone(), name.clone()) {
                return Err(Fault::new(
                    ErrorCode::AlreadyExists,
                    format!("tools `{other}` and `{name}` are both `{wire}` on a model's wire"),
                ));
            }
            registered.insert(name, Arc::new(Registered::new(tool)?));
        }
        Ok(Self {
            tools: registered,
            wires,
        })
    }

    pub fn get(&self, name: &str) -> Option<Arc<Registered>> {
        self.tools.get(name).map(Arc::clone)
    }

    pub fn has_wire(&self, wire: &str) -> bool {
        self.wires.contains_key(wire)
    }

    /// Offers of the named tools that exist, by name.
    pub fn offers(&self, names: &[String]) -> Vec<ToolOffer> {
        let wanted = |(name, _): &(&String, &Arc<Registered>)| names.contains(name);
        self.tools
            .iter()
            .filter(wanted)
            .map(|(_, known)| known.offer.clone())
            .collect()
    }
}

impl Registered {
    /// Compiles the schema.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for a schema that is none.
    pub fn new(tool: Arc<dyn Tool>) -> Outcome<Self> {
        let definition = tool.definition();
        let name = definition.name.clone();
        let validator = jsonschema::draft202012::new(&definition.input_schema)
            .map_err(|error| Fault::invalid(format!("schema of tool `{name}`: {error}")))?;
        let offer = ToolOffer {
            wire_name: wire_name(&name),
            name,
            description: definition.description.clone(),
            input_schema: definition.input_schema.clone(),
        };
        Ok(Self { tool, validator, offer })
    }

    /// Holds the arguments against the schema.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` with the paths of what does not fit; values are left out, they can be long.
    pub fn check(&self, arguments: &Value) -> Outcome<()> {
        schema_violations(&self.validator, arguments)
    }
}

/// Holds arguments against a schema.
///
/// # Errors
/// As [`Registered::check`].
pub fn schema_violations(validator: &Validator, arguments: &Value) -> Outcome<()> {
    if validator.is_valid(arguments) {
        return Ok(());
    }
    if let Value::String(text) = arguments {
        let reason = serde_json::from_str::<Value>(text).err().map(|error| error.to_string());
        return Err(Fault::invalid(format!(
            "the arguments are not a JSON object: {}",
            reason.unwrap_or_else(|| "they are a JSON text inside a string".to_owned())
        )));
    }
    let violations: Vec<String> = validator
        .iter_errors(arguments)
        .take(VIOLATIONS_SHOWN_MAX)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "/".to_owned() } else { place };
            let text: String = error
                .masked_with("the value")
                .to_string()
                .chars()
                .take(VIOLATION_CHARS_MAX)
                .collect();
            format!("{place}: {text}")
        })
        .collect();
    Err(Fault::invalid(violations.join("; ")))
}
