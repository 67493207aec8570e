//! Reading a conductor.

use super::{
    Base, Conductor, ConductorRecord, ConductorSnapshot, Effect, PlanVersionPlace, Task, TaskPhase, TaskView, count,
};

impl Conductor {
    /// The effects that have no answer yet, as they were: the start of every attempt under way (those `waiting` or `ready` among them
    /// hold no slot), ends of backoffs, escalations, the commit, the replan, the end. What a host does first after it rebuilt the
    /// conductor.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for task in self.unsettled_tasks() {
            let task_id = task.spec.task_id.clone();
            if let Some(current) = &task.current {
                effects.push(self.start_effect(task_id, current));
                continue;
            }
            match (task.phase, task.until) {
                (TaskPhase::Backoff, Some(until_ms)) => effects.push(Effect::Backoff { task_id, until_ms }),
                (TaskPhase::Escalated, _) => effects.push(Effect::Escalated { task_id }),
                (TaskPhase::Retiring, _) => effects.push(Effect::Retire {
                    task_id,
                    ordinal: task.ordinal,
                }),
                _ => {}
            }
        }
        if let Some(replan) = &self.replan {
            effects.push(Effect::NeedReplan {
                cause: replan.cause.clone(),
            });
        }
        if let Some(status) = self.finished {
            effects.push(Effect::Finished { status });
        }
        effects
    }

    /// Nothing follows: every task has settled, or the run was stopped.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished.is_some()
    }

    /// What is settled so far, in its normal form.
    #[must_use]
    pub fn record(&self) -> ConductorRecord {
        ConductorRecord {
            plan_versions: self.versions.clone(),
            tasks: self.settled.iter().map(|settled| settled.record.clone()).collect(),
            squashed: self.squashed.iter().cloned().collect(),
        }
    }

    /// One unsettled task.
    #[must_use]
    pub fn task(&self, task_id: &str) -> Option<TaskView> {
        self.unsettled(task_id).ok().map(|task| self.view(task))
    }

    /// Tasks whose ordinals are settled: retired, failed or canceled.
    #[must_use]
    pub fn settled(&self) -> u32 {
        count(self.settled.len())
    }

    /// Tasks whose change sets are in the project.
    #[must_use]
    pub fn retired(&self) -> u32 {
        count(self.retired.len())
    }

    /// Attempts that hold a slot.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.running
    }

    /// The task that holds the line.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        self.unsettled_tasks().next().map(|task| task.spec.task_id.as_str())
    }

    /// The accepted plan versions and their places.
    #[must_use]
    pub fn plan_versions(&self) -> &[PlanVersionPlace] {
        &self.versions
    }

    /// Bases that a start to come may still name: copies of others can go. The current state of the project is not listed.
    #[must_use]
    pub fn bases_in_use(&self) -> std::collections::BTreeSet<Base> {
        let open = self.unsettled_tasks();
        open.flat_map(|task| task.current.iter().map(|current| current.base).chain([task.base]))
            .collect()
    }

    /// How the run ended.
    #[must_use]
    pub fn finished(&self) -> Option<super::FinalStatus> {
        self.finished
    }

    /// Everything there is to see.
    #[must_use]
    pub fn snapshot(&self) -> ConductorSnapshot {
        ConductorSnapshot {
            plan_version: count(self.versions.len()),
            settled: self.settled(),
            retired: self.retired(),
            slots: self.config.slots,
            running: self.running,
            paused: self.paused,
            head: self.head().map(str::to_owned),
            replan: self.replan.as_ref().map(|replan| replan.cause.clone()),
            finished: self.finished,
            tasks: self.unsettled_tasks().map(|task| self.view(task)).collect(),
            record: self.record(),
        }
    }

    fn unsettled_tasks(&self) -> impl Iterator<Item = &Task> {
        let line = (self.settled() - self.first_ordinal) as usize;
        let rest = self.order.get(line..).unwrap_or_default();
        rest.iter().filter_map(|place| self.tasks.get(*place as usize))
    }

    fn view(&self, task: &Task) -> TaskView {
        let attempt = task.current.as_ref().map(|current| current.attempt);
        TaskView {
            task_id: task.spec.task_id.clone(),
            ordinal: task.ordinal,
            plan_version: task.version,
            phase: task.phase,
            canceled: task.canceled,
            attempt: attempt
                .or_else(|| task.attempts.last().map(|attempt| attempt.attempt))
                .unwrap_or(0),
            start: self.starts.get(&task.spec.task_id).copied().unwrap_or(0),
            worker_id: task
                .current
                .as_ref()
                .filter(|_| task.phase == TaskPhase::Running)
                .map(|current| self.worker_id(current.worker)),
            base: task.base,
            head_only: self.head_only(task),
            backoff_until_ms: task.until,
            attempts: task.attempts.clone(),
        }
    }
}
