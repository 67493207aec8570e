//! Scripts: TypeScript of playbooks and agents, as the parts hand it to the engine.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::{Fault, Outcome};
use crate::identity::Label;
use crate::limits::{SCRIPT_CPU_MS_MAX, SCRIPT_HEAP_BYTES_MAX, SCRIPT_OUTPUT_BYTES_MAX, SCRIPT_STACK_BYTES_MAX};
use crate::ports::{CancellationToken, Task};

/// One file of TypeScript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// What faults and imports call it (`report.ts`).
    pub name: String,
    pub text: String,
}

/// What is run.
#[derive(Debug, Clone)]
pub struct Script {
    /// A function's body, or a module whose default export is a value or a function of the inputs.
    pub source: Source,
    /// The only files it may import, by name; each may import those before it.
    pub modules: Vec<Source>,
    /// JSON the script gets as `inputs`, at most `SCRIPT_VALUE_BYTES_MAX`.
    pub inputs: Value,
    pub world: World,
    pub bounds: Bounds,
}

/// What a script finds around it besides its inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// Global names of the tools it sees, in the order of the registry.
    pub tools: Vec<String>,
    /// Where its chance comes from; the step's place in the run is a good one.
    pub seed: String,
    /// The run's date: milliseconds since the epoch.
    pub date_ms: i64,
}

/// What one script may use. The defaults are the limits of the product, which nothing raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Processor time, waiting for tools not counted.
    pub cpu_ms: u64,
    pub heap_bytes: usize,
    pub stack_bytes: usize,
    pub output_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            cpu_ms: SCRIPT_CPU_MS_MAX,
            heap_bytes: SCRIPT_HEAP_BYTES_MAX,
            stack_bytes: SCRIPT_STACK_BYTES_MAX,
            output_bytes: SCRIPT_OUTPUT_BYTES_MAX,
        }
    }
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Counts from 1, in the order the script made them.
    pub number: usize,
    pub tool: String,
    /// A JSON object, at most `TOOL_ARGUMENTS_BYTES_MAX`.
    pub arguments: Value,
}

/// What the tool answered: JSON, or a fault that the script gets as an `Error` with `code` and `hint`.
pub type Answer = Result<Value, Fault>;

/// Where calls go.
pub trait Caller: Send + Sync {
    /// Does the call. It is polled on the script's thread, and dropped when the script is canceled.
    ///
    /// # Errors
    /// What ends the script at once, whatever it would catch: the run was stopped, the step must wait for the head.
    fn call(&self, call: Call) -> Task<'_, Outcome<Answer>>;
}

/// The way back into the gateway for a tool that runs a script: its calls are steps of the same attempt, after its own.
pub trait NestedCalls: Caller {
    /// What the script sees.
    fn world(&self) -> World;

    /// Steps it has made by now.
    fn made(&self) -> u32;

    /// What it has read by now, with what its caller had.
    fn labels(&self) -> Vec<Label>;
}

/// [`NestedCalls`] as a call carries them.
#[derive(Clone)]
pub struct Nested(pub Arc<dyn NestedCalls>);

impl std::fmt::Debug for Nested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nested(…)")
    }
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Its result as JSON (`null` for none). A fault names `FILE:LINE:COLUMN` of the TypeScript where that is known:
    /// `INVALID_ARGUMENTS` (cannot be read), `EXECUTION_FAILED` (threw), `TIMEOUT`, `LIMIT_EXCEEDED`, `CANCELED`, `INTERNAL`, or what
    /// the [`Caller`] ended it with.
    pub result: Outcome<Value>,
    /// What it printed, a line a call.
    pub output: String,
    /// It printed more than it may.
    pub output_cut: bool,
    /// Calls it made.
    pub calls: usize,
}

/// The engine.
pub trait Scripts: Send + Sync {
    /// Runs one script to its end, or until `cancel`. Calls start in the order the script made them, and their answers arrive in that
    /// order.
    fn run(&self, script: Script, caller: Arc<dyn Caller>, cancel: CancellationToken) -> Task<'_, Finished>;

    /// Names of the files a source imports values from, in order.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` with the place where it cannot be read.
    fn imports(&self, source: &Source) -> Outcome<Vec<String>>;
}
