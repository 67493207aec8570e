//! The types a person or a model sees: TypeScript declarations from the tools' JSON schemas.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use openwrap_contracts::tool::ToolDefinition;
use serde_json::{Map, Value};

/// Levels of a schema that are spelled out; what is deeper is `unknown`.
const DEPTH_MAX: usize = 12;

/// What every script has besides its tools.
const WORLD: &str = "\
/** A call that failed. `code` is stable (`NOT_FOUND`, `PERMISSION_DENIED`, …). */
interface ToolError extends Error { readonly code: string; readonly hint: string }
/** Prints a line; all lines together are limited. */
declare const console: { log(...values: unknown[]): void; warn(...values: unknown[]): void; error(...values: unknown[]): void };
/** Runs when nothing else is left to do; takes no real time. */
declare function setTimeout(action: (...given: unknown[]) => void, delayMs?: number, ...given: unknown[]): number;
declare function clearTimeout(timer: number): void;
/** What the script was started with. */
declare const inputs: Inputs;
";

/// Declarations (`.d.ts`) of `tools` for these definitions, of `inputs` by its JSON schema (anything when there is none), and of
/// what every script has. The same definitions give the same text.
#[must_use]
pub fn declarations(tools: &[ToolDefinition], inputs: Option<&Value>) -> String {
    let mut text = String::from(WORLD);
    let shape = inputs.map_or_else(|| "any".to_owned(), |schema| Types::new(schema).of(schema, 0, 0));
    let _ = writeln!(text, "type Inputs = {shape};");
    let mut root = Group::default();
    for tool in tools {
        root.insert(tool);
    }
    text.push_str(
        "/** The only way to act. Answers are JSON; a failed call throws a `ToolError`. */\ndeclare const tools: ",
    );
    root.write(&mut text, 0);
    text.push_str(";\n");
    text
}

/// Tools by the parts of their names.
#[derive(Default)]
struct Group<'a> {
    groups: BTreeMap<&'a str, Group<'a>>,
    tools: BTreeMap<&'a str, &'a ToolDefinition>,
}

impl<'a> Group<'a> {
    fn insert(&mut self, tool: &'a ToolDefinition) {
        let mut parts: Vec<&str> = tool.name.split(['.', ':', '/']).collect();
        let Some(last) = parts.pop() else { return };
        let mut group = self;
        for part in parts {
            group = group.groups.entry(part).or_default();
        }
        group.tools.entry(last).or_insert(tool);
    }

    fn write(&self, text: &mut String, indent: usize) {
        text.push_str("{\n");
        let inner = indent + 1;
        for (name, tool) in &self.tools {
            pad(text, inner);
            comment(text, &tool.description, inner);
            let types = Types::new(&tool.input_schema);
            let given = types.of(&tool.input_schema, 0, inner);
            let optional = if has_required(&tool.input_schema) { "" } else { "?" };
            let _ = writeln!(text, "{}(given{optional}: {given}): Promise<any>;", key(name));
        }
        for (name, group) in &self.groups {
            pad(text, inner);
            let _ = write!(text, "readonly {}: ", key(name));
            group.write(text, inner);
            text.push_str(";\n");
        }
        pad(text, indent);
        text.push('}');
    }
}

fn has_required(schema: &Value) -> bool {
    schema
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|names| !names.is_empty())
}

/// The types of one schema, with its own definitions.
struct Types<'a> {
    definitions: Option<&'a Map<String, Value>>,
}

impl<'a> Types<'a> {
    fn new(schema: &'a Value) -> Self {
        let definitions = schema
            .get("$defs")
            .or_else(|| schema.get("definitions"))
            .and_then(Value::as_object);
        Self { definitions }
    }

    fn of(&self, schema: &Value, depth: usize, indent: usize) -> String {
        if depth > DEPTH_MAX {
            return "unknown".to_owned();
        }
        let Some(schema) = schema.as_object() else {
            return if schema == &Value::Bool(false) {
                "never"
            } else {
                "unknown"
            }
            .to_owned();
        };
        let below = |one: &Value| self.of(one, depth + 1, indent);
        if let Some(name) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|path| path.rsplit('/').next())
        {
            return self
                .definitions
                .and_then(|all| all.get(name))
                .map_or_else(|| "unknown".to_owned(), below);
        }
        if let Some(one) = schema.get("const") {
            return literal(one);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return union(values.iter().map(literal));
        }
        for (word, joint) in [("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")] {
            if let Some(parts) = schema.get(word).and_then(Value::as_array) {
                let parts: Vec<String> = parts.iter().map(below).collect();
                return if joint == " | " {
                    union(parts.into_iter())
                } else {
                    parts.join(joint)
                };
            }
        }
        match schema.get("type") {
            Some(Value::Array(kinds)) => union(kinds.iter().map(|kind| self.kind(kind, schema, depth, indent))),
            Some(kind) => self.kind(kind, schema, depth, indent),
            None if schema.contains_key("properties") => self.object(schema, depth, indent),
            None => "unknown".to_owned(),
        }
    }

    fn kind(&self, kind: &Value, schema: &Map<String, Value>, depth: usize, indent: usize) -> String {
        match kind.as_str().unwrap_or("") {
            "string" => "string".to_owned(),
            "number" | "integer" => "number".to_owned(),
            "boolean" => "boolean".to_owned(),
            "null" => "null".to_owned(),
            "array" => {
                let item = schema
                    .get("items")
                    .map_or_else(|| "unknown".to_owned(), |item| self.of(item, depth + 1, indent));
                if item.contains([' ', '|', '&']) {
                    format!("Array<{item}>")
                } else {
                    format!("{item}[]")
                }
            }
            "object" => self.object(schema, depth, indent),
            _ => "unknown".to_owned(),
        }
    }

    fn object(&self, schema: &Map<String, Value>, depth: usize, indent: usize) -> String {
        let empty = Map::new();
        let fields = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let rest = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(one @ Value::Object(_)) => Some(self.of(one, depth + 1, indent + 1)),
            _ if fields.is_empty() => Some("unknown".to_owned()),
            _ => None,
        };
        if fields.is_empty() {
            return rest.map_or_else(|| "{}".to_owned(), |rest| format!("Record<string, {rest}>"));
        }
        let required = schema.get("required").and_then(Value::as_array);
        let mut text = String::from("{\n");
        for (name, field) in fields {
            pad(&mut text, indent + 1);
            if let Some(about) = field.get("description").and_then(Value::as_str) {
                comment(&mut text, about, indent + 1);
            }
            let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
            let mark = if is_required { "" } else { "?" };
            let _ = writeln!(text, "{}{mark}: {};", key(name), self.of(field, depth + 1, indent + 1));
        }
        if let Some(rest) = rest {
            pad(&mut text, indent + 1);
            let _ = writeln!(text, "[name: string]: {rest} | unknown;");
        }
        pad(&mut text, indent);
        text.push('}');
        text
    }
}

fn union(parts: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for part in parts {
        if !seen.contains(&part) {
            seen.push(part);
        }
    }
    if seen.is_empty() {
        "never".to_owned()
    } else {
        seen.join(" | ")
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => "unknown".to_owned(),
        plain => plain.to_string(),
    }
}

/// A property's name, quoted where it must be.
fn key(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '$')
        && !name.starts_with(|letter: char| letter.is_ascii_digit());
    if is_plain {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

fn pad(text: &mut String, indent: usize) {
    for _ in 0..indent {
        text.push_str("  ");
    }
}

/// A comment on a line of its own; descriptions come from strangers and may not end it.
fn comment(text: &mut String, about: &str, indent: usize) {
    let about = about
        .replace("*/", "* /")
        .replace(['\n', '\r', '\u{2028}', '\u{2029}'], " ");
    let _ = writeln!(text, "/** {} */", about.trim());
    pad(text, indent);
}
