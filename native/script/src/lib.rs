//! The embedded script engine: TypeScript of agents and playbooks, run in a realm of its own that holds nothing but the
//! language and the tools it is given.
//!
//! A script is a function's body, or a module whose default export is a value or a function of the inputs. Its types are blanked
//! ([`strip`]); it runs on QuickJS on a thread of its own, under limits of processor time, heap, stack, output and calls. There
//! are no files, no network, no processes, no code from text. Time starts at the given date and is moved by timers only; chance
//! comes from the seed. Calls of tools start in the order they were made, up to `SCRIPT_CALLS_RUNNING_MAX` at once, and their
//! answers arrive in that same order, so that the same source, inputs and answers give the same calls, whatever took how long.
//!
//! It must not know which tools there are, how they are granted, or what a run is: calls go to the [`Caller`] it is given.

mod declare;
mod drive;
mod host;
mod meter;
mod strip;

use std::sync::Arc;
use std::time::Duration;

pub use declare::declarations;
use openwrap_contracts::fault::{ErrorCode, Fault, Outcome};
use openwrap_contracts::limits::{
    SCRIPT_CPU_MS_MAX, SCRIPT_HEAP_BYTES_MAX, SCRIPT_OUTPUT_BYTES_MAX, SCRIPT_SOURCE_BYTES_MAX, SCRIPT_STACK_BYTES_MAX,
    SCRIPT_STOP_MS_MAX, SCRIPT_VALUE_BYTES_MAX, SCRIPTS_MAX,
};
use openwrap_contracts::ports::{CancellationToken, Task};
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

/// One file of TypeScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What faults and imports call it (`report.ts`).
    pub name: String,
    pub text: String,
}

/// What is run.
#[derive(Debug, Clone)]
pub struct Script {
    pub source: Source,
    /// The only files it may import, by name; each may import those before it.
    pub modules: Vec<Source>,
    /// JSON the script gets as `inputs`.
    pub inputs: Value,
    /// Global names of the tools it sees, in the order of the registry.
    pub tools: Vec<String>,
    /// Where its chance comes from; the step's place in the run is a good one.
    pub seed: String,
    /// The run's date: milliseconds since the epoch.
    pub date_ms: i64,
    pub bounds: Bounds,
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

impl Bounds {
    fn within_limits(self) -> Self {
        let most = Self::default();
        Self {
            cpu_ms: self.cpu_ms.min(most.cpu_ms),
            heap_bytes: self.heap_bytes.min(most.heap_bytes),
            stack_bytes: self.stack_bytes.min(most.stack_bytes),
            output_bytes: self.output_bytes.min(most.output_bytes),
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

impl Finished {
    fn fault(fault: Fault) -> Self {
        Self {
            result: Err(fault),
            output: String::new(),
            output_cut: false,
            calls: 0,
        }
    }
}

/// Runs scripts, `SCRIPTS_MAX` at once.
#[derive(Debug, Clone)]
pub struct Engine {
    slots: Arc<Semaphore>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(SCRIPTS_MAX)),
        }
    }
}

impl Engine {
    /// Runs one script to its end, or until `cancel`, then answers within `SCRIPT_STOP_MS_MAX`. Calls start when the script has nothing
    /// else to do; those it did not wait for are waited for, and those under way when it fails finish. Must be called inside a Tokio
    /// runtime.
    pub async fn run(&self, script: Script, caller: Arc<dyn Caller>, cancel: CancellationToken) -> Finished {
        let slot = tokio::select! {
            biased;
            () = cancel.cancelled() => return Finished::fault(Fault::canceled()),
            slot = Arc::clone(&self.slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else {
            return Finished::fault(Fault::internal("the script engine is closed"));
        };
        if let Err(fault) = check_sizes(&script) {
            return Finished::fault(fault);
        }
        let bounds = script.bounds.within_limits();
        let meter = meter::Meter::new(Duration::from_millis(bounds.cpu_ms));
        let (answer, answered) = oneshot::channel();
        let job = drive::Job {
            script: Script { bounds, ..script },
            caller,
            cancel: cancel.clone(),
            meter: Arc::clone(&meter),
            runtime: tokio::runtime::Handle::current(),
        };
        let started = std::thread::Builder::new()
            .name("openwrap-script".to_owned())
            .stack_size(stack_bytes(&job.script))
            .spawn(move || {
                // Whoever waited may be gone; the slot is free only now.
                let _ = answer.send(drive::work(job));
                drop(slot);
            });
        if let Err(error) = started {
            return Finished::fault(Fault::internal(format!("no thread for a script: {error}")));
        }
        wait(answered, &meter, &cancel).await
    }
}

/// Waits for the script's thread; leaves it behind when it does not stop in time (it still holds its slot).
async fn wait(mut answered: oneshot::Receiver<Finished>, meter: &meter::Meter, cancel: &CancellationToken) -> Finished {
    let fault = tokio::select! {
        biased;
        done = &mut answered => return done.unwrap_or_else(|_| Finished::fault(Fault::internal("the script engine failed"))),
        () = cancel.cancelled() => Fault::canceled(),
        () = meter.overdue() => meter.fault(),
    };
    meter.stop();
    match tokio::time::timeout(Duration::from_millis(SCRIPT_STOP_MS_MAX), answered).await {
        Ok(Ok(done)) => Finished {
            result: Err(fault),
            ..done
        },
        _ => Finished::fault(fault),
    }
}

fn check_sizes(script: &Script) -> Outcome<()> {
    let source = script.source.text.len() + script.modules.iter().map(|module| module.text.len()).sum::<usize>();
    if source > SCRIPT_SOURCE_BYTES_MAX {
        let message = format!("the script has {source} bytes; {SCRIPT_SOURCE_BYTES_MAX} are allowed");
        return Err(Fault::new(ErrorCode::LimitExceeded, message));
    }
    let inputs = script.inputs.to_string().len();
    if inputs > SCRIPT_VALUE_BYTES_MAX {
        let message = format!("the inputs have {inputs} bytes; {SCRIPT_VALUE_BYTES_MAX} are allowed");
        return Err(Fault::new(ErrorCode::LimitExceeded, message));
    }
    Ok(())
}

/// Stack of a script's thread: the engine's own, and what the parser may need for the deepest nesting a source of this size can
/// have. Only what is touched is ever real memory.
fn stack_bytes(script: &Script) -> usize {
    let longest = script
        .modules
        .iter()
        .chain([&script.source])
        .map(|one| one.text.len())
        .max()
        .unwrap_or(0);
    2 * 1024 * 1024 + script.bounds.stack_bytes + longest * strip::STACK_BYTES_PER_BYTE
}
