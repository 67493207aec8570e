//! Between the journal's facts and the conductor's inputs.

use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::{Fault, Outcome};
use openwrap_workforce::conductor::{ConductorConfig, ConductorTask, Input};

use crate::engine::Engine;
use crate::state::Scheduling;

/// Set-up from the workflow and the run.
#[must_use]
pub fn config(engine: &Engine) -> ConductorConfig {
    let mut config = ConductorConfig {
        slots: engine.spec.slots.clamp(1, 64),
        ..ConductorConfig::default()
    };
    // A program does the same again.
    let retries = engine.journal.state().playbook.is_none();
    config.policy.retry_count = if retries { engine.workflow.acceptance.retries } else { 0 };
    config.policy.backoff_ms = engine.workflow.acceptance.backoff_ms;
    config
}

/// Tasks of an accepted plan version, as the conductor knows them.
///
/// # Errors
/// `INTERNAL` when the version is not known.
pub fn conductor_tasks(engine: &Engine, version: u32) -> Outcome<Vec<ConductorTask>> {
    let state = engine.journal.state();
    let plan = state.plans.iter().find(|plan| plan.version == version);
    let plan = plan.ok_or_else(|| Fault::internal(format!("plan version {version} is not known")))?;
    plan.plan
        .tasks
        .iter()
        .map(|task| {
            Ok(ConductorTask {
                task_id: task.task_id.clone(),
                role: task.role.clone(),
                depends_on: task.depends_on.clone(),
                priority: task.priority,
                irreversible: task.irreversible,
                form: canonical_hash(task)?,
            })
        })
        .collect()
}

/// The inputs the conductor had before, with their times.
///
/// # Errors
/// As [`conductor_tasks`].
pub fn recorded_inputs(engine: &Engine) -> Outcome<Vec<(i64, Input)>> {
    let noted = engine.journal.state().scheduling.clone();
    noted
        .into_iter()
        .map(|(at, fact)| Ok((at, input(engine, fact)?)))
        .collect()
}

fn input(engine: &Engine, fact: Scheduling) -> Outcome<Input> {
    Ok(match fact {
        Scheduling::PlanAccepted { version } => Input::PlanAccepted {
            version,
            tasks: conductor_tasks(engine, version)?,
        },
        Scheduling::Waiting { task_id, start } => Input::AttemptWaiting { task_id, start },
        Scheduling::Ready { task_id, start } => Input::AttemptReady { task_id, start },
        Scheduling::Completed { task_id, start, paths } => Input::AttemptCompleted {
            task_id,
            start,
            changed_paths: paths,
        },
        Scheduling::Failed {
            task_id,
            start,
            code,
            message,
        } => Input::AttemptFailed {
            task_id,
            start,
            code,
            message,
        },
        Scheduling::NeedsHead { task_id, start } => Input::AttemptNeedsHead { task_id, start },
        Scheduling::Retired { task_id } => Input::Retired { task_id },
        Scheduling::Canceled { task_id, .. } => Input::CancelTask { task_id },
        Scheduling::Slots { slots } => Input::SetSlots { slots },
        Scheduling::Paused => Input::Pause,
        Scheduling::Resumed => Input::Resume,
    })
}
