//! `code.run`: a worker's own TypeScript, with the worker's tools under the worker's grants.

use std::sync::Arc;

use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::script::{Bounds, Caller, Finished, Nested, Script, Source};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput, Writes, preview};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Map, Value, json};

use crate::Engine;

const NAME: &str = "code.run";
const DESCRIPTION: &str = "Runs TypeScript in a small engine of its own and answers with what it returns. Use it for many tool calls \
with a rule between them, and to compute. `code` is the body of an async function, or a module with a default export. `tools` holds \
your other tools as async functions (`await tools.file.read({ path: \"a.csv\" })`): each call is a step of yours under the same \
permissions, gives the whole result as JSON, and throws an error with `code` and `hint` when it is refused or fails. `inputs` is \
what you pass as `inputs`. `console.log` prints into the result. There are no files, no network, no imports, no other globals; time \
is the run's date and `Math.random` is the same each time. Limits: 64 KB of code, 10 s of processor, 64 MB.";

/// The tool.
pub struct CodeRun {
    engine: Engine,
    definition: ToolDefinition,
}

impl CodeRun {
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let input_schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["code"],
            "properties": {
                "code": { "type": "string", "minLength": 1, "description": "TypeScript." },
                "inputs": { "description": "JSON the code gets as `inputs`." },
            },
        });
        Self {
            engine,
            definition: ToolDefinition {
                name: NAME.to_owned(),
                description: DESCRIPTION.to_owned(),
                input_schema,
                // Its calls are steps of their own: what they observed is recorded there.
                repeat: Repeatability::Deterministic,
                reach: Reach::Confined,
            },
        }
    }
}

impl Tool for CodeRun {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, _arguments: &Value) -> Outcome<Vec<String>> {
        // A script by itself reaches nothing; each of its calls has its own needs.
        Ok(Vec::new())
    }

    fn summary(&self, arguments: &Value) -> String {
        let code = arguments["code"].as_str().unwrap_or_default().trim();
        format!("run {} lines of TypeScript: {}", code.lines().count(), preview(code))
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(async move {
            let Some(Nested(nested)) = input.nested else {
                return Err(Fault::new(
                    ErrorCode::InvalidState,
                    "a script can only be run by a worker of a run",
                ));
            };
            let script = Script {
                source: Source {
                    name: "code.ts".to_owned(),
                    text: input.arguments["code"].as_str().unwrap_or_default().to_owned(),
                },
                modules: Vec::new(),
                inputs: input.arguments.get("inputs").cloned().unwrap_or_else(|| json!({})),
                world: nested.world(),
                bounds: Bounds::default(),
            };
            let caller: Arc<dyn Caller> = Arc::<dyn openwrap_contracts::script::NestedCalls>::clone(&nested);
            let done = self.engine.run(script, caller, input.cancel).await;
            let mut output = output(done)?;
            output.labels = nested.labels();
            Ok(output)
        })
    }
}

/// What a fault ends is no result of the script; every other end is one, with what was printed until then.
fn output(done: Finished) -> Outcome<ToolOutput> {
    let mut content = Map::new();
    let is_error = done.result.is_err();
    match done.result {
        Ok(result) => {
            content.insert("result".to_owned(), result);
        }
        Err(fault) => match fault.code {
            ErrorCode::Canceled | ErrorCode::NeedsHead | ErrorCode::StorageFailed => return Err(fault),
            code => {
                let error = json!({ "code": code, "message": fault.message, "hint": fault.hint });
                content.insert("error".to_owned(), error);
            }
        },
    }
    if !done.output.is_empty() {
        content.insert("printed".to_owned(), Value::String(done.output));
    }
    if done.output_cut {
        content.insert("printedCut".to_owned(), Value::Bool(true));
    }
    Ok(ToolOutput {
        content: Value::Object(content),
        is_error,
        artifacts: Vec::new(),
        labels: Vec::new(),
        writes: Writes::Paths(Vec::new()),
    })
}
