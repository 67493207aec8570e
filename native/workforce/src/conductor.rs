//! The order of one run: issue in order, run at once, retire in order. Pure: `(state, input, now) → (state, effects)`.

mod surface;

use openwrap_contracts::Outcome;
pub use surface::*;

/// The state machine of one run.
#[derive(Debug, Clone)]
pub struct Conductor {
    config: ConductorConfig,
}

impl Conductor {
    /// A conductor without a plan.
    #[must_use]
    pub fn new(config: ConductorConfig) -> Self {
        Self { config }
    }

    /// Takes one input in. A time before the one before counts as that one. A refused input changes nothing.
    ///
    /// # Errors
    /// `INVALID_PLAN`, `INVALID_STATE`, `NOT_FOUND`, `INVALID_ARGUMENTS`.
    pub fn apply(&mut self, _input: Input, _now_ms: i64) -> Outcome<Vec<Effect>> {
        Ok(Vec::new())
    }

    /// The effects that have no answer yet, as they were (a start that has its slot, the commit, the replan, …): what a host does
    /// first after it rebuilt the conductor.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// What is settled so far, in its normal form.
    #[must_use]
    pub fn record(&self) -> ConductorRecord {
        ConductorRecord::default()
    }

    /// One unsettled task.
    #[must_use]
    pub fn task(&self, _task_id: &str) -> Option<TaskView> {
        None
    }

    /// Tasks whose ordinals are settled: retired, failed or canceled.
    #[must_use]
    pub fn settled(&self) -> u32 {
        0
    }

    /// Tasks whose change sets are in the project.
    #[must_use]
    pub fn retired(&self) -> u32 {
        0
    }

    /// The task that holds the line.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        None
    }

    /// Everything there is to see.
    #[must_use]
    pub fn snapshot(&self) -> ConductorSnapshot {
        ConductorSnapshot {
            plan_version: 0,
            settled: 0,
            retired: 0,
            slots: self.config.slots,
            running: 0,
            paused: false,
            head: None,
            replan: None,
            finished: None,
            tasks: Vec::new(),
            record: self.record(),
        }
    }
}
