//! `workforce-simulator [FILE]`: runs a scenario of the orchestrator, read from a file or from standard input, and prints each batch
//! of assignments as a JSON line, then `{"snapshot","events","channel"}`.
//! `workforce-simulator --seeds A..B`: runs the conductor's simulation for the seeds from A up to B and prints a summary line.
//!
//! Exit codes: 0 done; 1 the scenario or a seed failed; 2 the call or the input could not be read.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::ops::Range;
use std::process::ExitCode;

use openwrap_contracts::ap::{WorkforceScenario, WorkforceScenarioAction};
use openwrap_contracts::{Fault, Outcome};
use openwrap_workforce::WorkforceOrchestrator;
use openwrap_workforce::simulation;
use serde::Serialize;
use serde_json::json;

/// Bytes of a scenario.
const SCENARIO_BYTES_MAX: u64 = 256 * 1024 * 1024;
const USAGE: &str = "usage: workforce-simulator [FILE] | workforce-simulator --seeds A..B";

enum Failure {
    /// Call or input.
    Input(String),
    Run(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["--seeds", range] => seeds(range),
        [] | ["-"] => read_all(std::io::stdin(), "standard input").and_then(|text| scenario(&text)),
        [file] if !file.starts_with("--") => std::fs::File::open(file)
            .map_err(|error| Failure::Input(format!("{file}: {error}")))
            .and_then(|open| read_all(open, file))
            .and_then(|text| scenario(&text)),
        _ => Err(Failure::Input(USAGE.to_owned())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Run(message)) => {
            eprintln!("workforce-simulator: {message}");
            ExitCode::from(1)
        }
        Err(Failure::Input(message)) => {
            eprintln!("workforce-simulator: {message}");
            ExitCode::from(2)
        }
    }
}

fn read_all(source: impl Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = source.take(SCENARIO_BYTES_MAX + 1).read_to_string(&mut text);
    let read = read.map_err(|error| Failure::Input(format!("{name}: {error}")))?;
    if read as u64 > SCENARIO_BYTES_MAX {
        return Err(Failure::Input(format!(
            "{name}: larger than {SCENARIO_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

fn scenario(text: &str) -> Result<(), Failure> {
    let scenario: WorkforceScenario = serde_json::from_str(text)
        .map_err(|error| Failure::Input(format!("the scenario could not be read: {error}")))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut orchestrator = WorkforceOrchestrator::new(scenario.config);
    let told = |fault: Fault| Failure::Run(fault.to_string());
    orchestrator.load_plan(scenario.plan).map_err(told)?;
    orchestrator.register_workers(scenario.workers).map_err(told)?;
    for (number, action) in scenario.actions.into_iter().enumerate() {
        let told = |fault: Fault| Failure::Run(format!("action {number}: {fault}"));
        let batch = act(&mut orchestrator, action).map_err(told);
        match batch {
            Ok(Some(batch)) => line(&mut out, &batch)?,
            Ok(None) => {}
            Err(failure) => {
                // What was handed out before is shown in any case.
                let _ = out.flush();
                return Err(failure);
            }
        }
    }
    let events = orchestrator.drain_events(None, None).map_err(told)?;
    let channel = orchestrator.list_channel_messages(None, None).map_err(told)?;
    line(
        &mut out,
        &json!({ "snapshot": orchestrator.get_snapshot(), "events": events, "channel": channel }),
    )?;
    out.flush().map_err(|error| Failure::Run(error.to_string()))
}

fn act(orchestrator: &mut WorkforceOrchestrator, action: WorkforceScenarioAction) -> Outcome<Option<impl Serialize>> {
    Ok(match action {
        WorkforceScenarioAction::Schedule { now_ms } => Some(orchestrator.schedule(now_ms)?),
        WorkforceScenarioAction::Result { result, now_ms } => {
            orchestrator.submit_result(result, now_ms)?;
            None
        }
        WorkforceScenarioAction::Cancel { task_id, reason } => {
            orchestrator.cancel_task(&task_id, reason)?;
            None
        }
    })
}

fn line(out: &mut impl Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Run(error.to_string()))?;
    writeln!(out, "{text}").map_err(|error| Failure::Run(error.to_string()))
}

fn range(text: &str) -> Option<Range<u64>> {
    let (first, end) = text.split_once("..")?;
    let (first, end) = (first.parse().ok()?, end.parse().ok()?);
    (first < end).then_some(first..end)
}

fn seeds(text: &str) -> Result<(), Failure> {
    let seeds = range(text).ok_or_else(|| Failure::Input(format!("--seeds takes A..B with A < B, not {text}")))?;
    let summary = simulation::simulate(seeds).map_err(|violation| Failure::Run(violation.to_string()))?;
    println!("{}", json!(summary));
    Ok(())
}
