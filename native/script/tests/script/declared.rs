//! The types a model sees.

use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition};
use openwrap_script::declarations;
use serde_json::{Value, json};

use crate::kit::value;

fn tool(name: &str, schema: Value) -> ToolDefinition {
    ToolDefinition {
        name: name.to_owned(),
        description: "Reads. */ evil(); /*\nTwice".to_owned(),
        input_schema: schema,
        repeat: Repeatability::Deterministic,
        reach: Reach::Confined,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_declared_from_their_schemas() {
    let tools = [
        tool(
            "file.read",
            json!({"type": "object", "required": ["path"], "additionalProperties": false, "properties": {
            "path": {"type": "string", "description": "Where."}, "from": {"type": ["integer", "null"]}, "mode": {"enum": ["text", "bytes"]}, "a-b": {"const": 1}}}),
        ),
        tool(
            "notes:page.add",
            json!({"type": "object", "properties": {"rows": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Row"}]}}},
            "$defs": {"Row": {"type": "object", "additionalProperties": {"type": "number"}}}}),
        ),
        tool(
            "odd",
            json!({"$ref": "#/$defs/Self", "$defs": {"Self": {"type": "object", "properties": {"again": {"$ref": "#/$defs/Self"}}}}}),
        ),
    ];
    let inputs = json!({"type": "object", "required": ["file"], "properties": {"file": {"type": "string"}}});
    let text = declarations(&tools, Some(&inputs));
    assert_eq!(text, declarations(&tools, Some(&inputs)));
    for part in [
        "type Inputs = {\n  file: string;\n};",
        "/** Reads. * / evil(); /* Twice */",
        "read(given: {",
        "path: string;",
        "from?: number | null;",
        "mode?: \"text\" | \"bytes\";",
        "\"a-b\"?: 1;",
        "readonly notes: {",
        "rows?: Array<string | Record<string, number>>;",
        "add(given?: {",
        "again?: unknown;",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // The declarations are TypeScript themselves.
    assert_eq!(value(&format!("{text}\nreturn 1")).await, json!(1));
    assert_eq!(value(&format!("{}\nreturn 1", declarations(&[], None))).await, json!(1));
}
