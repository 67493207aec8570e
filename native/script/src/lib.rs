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

mod code_run;
mod declare;
mod drive;
mod host;
mod meter;
mod strip;

use std::sync::Arc;
use std::time::Duration;

pub use code_run::CodeRun;
pub use declare::declarations;
use openwrap_contracts::fault::{ErrorCode, Fault, Outcome};
use openwrap_contracts::limits::{SCRIPT_SOURCE_BYTES_MAX, SCRIPT_STOP_MS_MAX, SCRIPT_VALUE_BYTES_MAX, SCRIPTS_MAX};
use openwrap_contracts::ports::{CancellationToken, Task};
pub use openwrap_contracts::script::{Answer, Bounds, Call, Caller, Finished, Script, Scripts, Source, World};
use tokio::sync::{Semaphore, oneshot};

/// Never more than the product's limits.
fn within_limits(bounds: Bounds) -> Bounds {
    let most = Bounds::default();
    Bounds {
        cpu_ms: bounds.cpu_ms.min(most.cpu_ms),
        heap_bytes: bounds.heap_bytes.min(most.heap_bytes),
        stack_bytes: bounds.stack_bytes.min(most.stack_bytes),
        output_bytes: bounds.output_bytes.min(most.output_bytes),
    }
}

/// Ended before it began.
fn not_run(fault: Fault) -> Finished {
    Finished {
        result: Err(fault),
        output: String::new(),
        output_cut: false,
        calls: 0,
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
            () = cancel.cancelled() => return not_run(Fault::canceled()),
            slot = Arc::clone(&self.slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else {
            return not_run(Fault::internal("the script engine is closed"));
        };
        if let Err(fault) = check_sizes(&script) {
            return not_run(fault);
        }
        let bounds = within_limits(script.bounds);
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
            return not_run(Fault::internal(format!("no thread for a script: {error}")));
        }
        wait(answered, &meter, &cancel).await
    }
}

impl Scripts for Engine {
    fn run(&self, script: Script, caller: Arc<dyn Caller>, cancel: CancellationToken) -> Task<'_, Finished> {
        Box::pin(Self::run(self, script, caller, cancel))
    }

    fn imports(&self, source: &Source) -> Outcome<Vec<String>> {
        if source.text.len() > SCRIPT_SOURCE_BYTES_MAX {
            let message = format!(
                "{} has {} bytes; {SCRIPT_SOURCE_BYTES_MAX} are allowed",
                source.name,
                source.text.len()
            );
            return Err(Fault::new(ErrorCode::LimitExceeded, message));
        }
        // The parser follows the source's nesting.
        let reader = std::thread::Builder::new().stack_size(parser_stack_bytes(source.text.len()));
        std::thread::scope(|scope| {
            let read = reader.spawn_scoped(scope, || strip::imports(&source.name, &source.text));
            let read = read.map_err(|error| Fault::internal(format!("no thread for a script: {error}")))?;
            read.join()
                .unwrap_or_else(|_| Err(Fault::internal("the script's source could not be read")))
        })
    }
}

/// Waits for the script's thread; leaves it behind when it does not stop in time (it still holds its slot).
async fn wait(mut answered: oneshot::Receiver<Finished>, meter: &meter::Meter, cancel: &CancellationToken) -> Finished {
    let fault = tokio::select! {
        biased;
        done = &mut answered => return done.unwrap_or_else(|_| not_run(Fault::internal("the script engine failed"))),
        () = cancel.cancelled() => Fault::canceled(),
        () = meter.overdue() => meter.fault(),
    };
    meter.stop();
    match tokio::time::timeout(Duration::from_millis(SCRIPT_STOP_MS_MAX), answered).await {
        Ok(Ok(done)) => Finished {
            result: Err(fault),
            ..done
        },
        _ => not_run(fault),
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
    script.bounds.stack_bytes + parser_stack_bytes(longest)
}

fn parser_stack_bytes(source_bytes: usize) -> usize {
    2 * 1024 * 1024 + source_bytes * strip::STACK_BYTES_PER_BYTE
}
