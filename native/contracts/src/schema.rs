//! The one document all TypeScript is generated from.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::canonical::canonical_hash;
use crate::fault::ErrorCode;
use crate::method::METHODS;
use crate::{Outcome, ap, aq, ar, at, au, event, fabric, limits};

/// Methods, errors, limits and the JSON Schema (2020-12) of every wire type, by name.
///
/// # Errors
/// `INTERNAL` when a schema has no JSON form.
pub fn document() -> Outcome<Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let methods: Vec<Value> = METHODS
        .iter()
        .map(|method| {
            json!({
                "name": method.name, "verb": method.verb, "path": method.path, "access": method.access, "about": method.about,
                "params": (method.params)(&mut generator), "result": (method.result)(&mut generator),
            })
        })
        .collect();
    generator.subschema_for::<event::Event>();
    generator.subschema_for::<crate::fault::Fault>();
    generator.subschema_for::<crate::plan::Plan>();
    generator.subschema_for::<crate::tool::ToolDefinition>();
    generator.subschema_for::<crate::workflow::Workflow>();
    ap::register(&mut generator);
    aq::register(&mut generator);
    ar::register(&mut generator);
    at::register(&mut generator);
    au::register(&mut generator);
    fabric::register(&mut generator);
    let errors: Vec<Value> = ErrorCode::ALL
        .iter()
        .map(|code| json!({ "code": code.as_str(), "status": code.http_status(), "hint": code.hint() }))
        .collect();
    let limits: serde_json::Map<String, Value> = limits::ALL
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    Ok(json!({
        "methods": methods, "errors": errors, "limits": limits,
        "definitions": generator.take_definitions(true),
    }))
}

/// SHA-256 of the canonical document: two builds with equal hashes speak the same contracts.
///
/// # Errors
/// As [`document`].
pub fn contracts_hash() -> Outcome<String> {
    canonical_hash(&document()?)
}
