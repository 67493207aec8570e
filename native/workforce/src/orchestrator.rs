//! Track AP: plans, workers and results, by the AP rules.

mod journal;
mod lists;
mod results;

use std::collections::BTreeSet;
use std::sync::Arc;

use openwrap_contracts::ap::{
    TASKS_MAX, WorkforceAssignment, WorkforceBlockReason, WorkforceConfig, WorkforceEscalationDecision,
    WorkforceEventType, WorkforceFailurePolicy, WorkforcePlanInput, WorkforceResultEnvelope, WorkforceTaskInput,
    WorkforceTaskStatus, WorkforceWorkerRegistration, WorkforceWorkerState,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::graph::Graph;
use crate::scheduler::{Scheduler, normal};
pub use journal::ENTRIES_MAX;
use journal::{Detail, Entry, Message, Tape};

/// Workers of one orchestrator.
pub const WORKERS_MAX: usize = 10_000;

#[derive(Debug, Clone)]
struct Task {
    input: WorkforceTaskInput,
    status: WorkforceTaskStatus,
    blocked: Option<WorkforceBlockReason>,
    until: Option<i64>,
    worker: Option<u32>,
    attempt: u32,
    failures: u32,
    /// Newest result that counted.
    result: Option<Arc<WorkforceResultEnvelope>>,
    /// Why a person or caller canceled it.
    reason: Option<Arc<str>>,
}

/// The AP orchestrator: holds a plan and workers, hands out tasks, takes results. Pure: the same calls give the same answers.
///
/// A refused call changes nothing.
#[derive(Debug, Clone)]
pub struct WorkforceOrchestrator {
    run_id: String,
    event_version: u32,
    policy: WorkforceFailurePolicy,
    plan: Option<(String, Option<String>)>,
    tasks: Vec<Task>,
    scheduler: Scheduler,
    /// Ends of backoffs.
    backoffs: BTreeSet<(i64, u32)>,
    time: i64,
    events: Tape<Entry>,
    channel: Tape<Message>,
}

fn state_fault(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::InvalidState, message)
}

impl WorkforceOrchestrator {
    /// An orchestrator without plan and workers, at logical time 0.
    #[must_use]
    pub fn new(config: WorkforceConfig) -> Self {
        Self {
            run_id: config.run_id.unwrap_or_else(|| "run".to_owned()),
            event_version: config.event_version.unwrap_or(1),
            policy: config.failure_policy.unwrap_or_default(),
            plan: None,
            tasks: Vec::new(),
            scheduler: Scheduler::default(),
            backoffs: BTreeSet::new(),
            time: 0,
            events: Tape::default(),
            channel: Tape::default(),
        }
    }

    /// Forgets plan, workers, log, channel and time; the configuration stays.
    pub fn reset(&mut self) {
        *self = Self::new(WorkforceConfig {
            run_id: Some(std::mem::take(&mut self.run_id)),
            event_version: Some(self.event_version),
            failure_policy: Some(self.policy),
        });
    }

    /// Loads the plan.
    ///
    /// # Errors
    /// `INVALID_PLAN` (repeated or empty id, unknown dependency, cycle, with the ids), `LIMIT_EXCEEDED`, `INVALID_STATE` when one is
    /// loaded already.
    pub fn load_plan(&mut self, plan: WorkforcePlanInput) -> Outcome<()> {
        if let Some((loaded, _)) = &self.plan {
            return Err(state_fault(format!("plan {loaded} is loaded")).with_hint("Call reset first."));
        }
        if plan.tasks.len() > TASKS_MAX {
            let message = format!("the plan has {} tasks, the limit is {TASKS_MAX}", plan.tasks.len());
            return Err(Fault::new(ErrorCode::LimitExceeded, message));
        }
        let graph = Graph::build(
            plan.tasks
                .iter()
                .map(|task| (task.task_id.as_str(), task.depends_on.as_slice())),
        )?;
        let needs = plan
            .tasks
            .iter()
            .map(|task| (task.priority, task.required_capabilities.as_slice()));
        self.scheduler.load(graph, needs);
        self.plan = Some((plan.plan_id, plan.goal));
        let count = u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX);
        self.log(
            WorkforceEventType::PlanCreated,
            None,
            None,
            Detail::Plan { tasks: count },
        );
        self.tasks = plan.tasks.into_iter().map(Task::new).collect();
        for task in 0..count {
            self.open(task, "ready");
        }
        Ok(())
    }

    /// Registers a worker, or replaces what a known one announced.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for an empty id, `LIMIT_EXCEEDED` beyond [`WORKERS_MAX`].
    pub fn register_worker(&mut self, worker: WorkforceWorkerRegistration) -> Outcome<()> {
        self.register_workers(vec![worker])
    }

    /// Registers workers: all of them, or on an error none.
    ///
    /// # Errors
    /// As [`Self::register_worker`].
    pub fn register_workers(&mut self, workers: Vec<WorkforceWorkerRegistration>) -> Outcome<()> {
        if workers.iter().any(|worker| worker.worker_id.is_empty()) {
            return Err(Fault::invalid("workerId is empty"));
        }
        let new: BTreeSet<&str> = workers
            .iter()
            .map(|worker| worker.worker_id.as_str())
            .filter(|id| self.scheduler.worker_named(id).is_none())
            .collect();
        if self.scheduler.workers().count() + new.len() > WORKERS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("more than {WORKERS_MAX} workers"),
            ));
        }
        for worker in workers {
            let draining = worker.state == Some(WorkforceWorkerState::Draining);
            let capabilities = normal(worker.capabilities);
            let index = self
                .scheduler
                .put_worker(&worker.worker_id, capabilities, worker.capacity, draining);
            let detail = Detail::Worker {
                capacity: worker.capacity.max(1),
            };
            self.log(WorkforceEventType::WorkerRegistered, None, Some(index), detail);
        }
        Ok(())
    }

    /// Hands out every ready task that a worker is free for. `now_ms` absent: logical time + 1.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` when `now_ms` is before the logical time.
    pub fn schedule(&mut self, now_ms: Option<i64>) -> Outcome<Vec<WorkforceAssignment>> {
        self.time = self.later(now_ms)?;
        self.log(WorkforceEventType::SchedulerTick, None, None, Detail::None);
        while let Some((until, task)) = self.backoffs.first().copied().filter(|(until, _)| *until <= self.time) {
            self.backoffs.remove(&(until, task));
            self.open(task, "backoff_elapsed");
        }
        let mut batch = Vec::new();
        while let Some((index, worker)) = self.scheduler.next() {
            let Some(task) = self.tasks.get_mut(index as usize) else {
                break;
            };
            task.status = WorkforceTaskStatus::Running;
            task.worker = Some(worker);
            task.attempt += 1;
            let detail = Detail::Attempt { attempt: task.attempt };
            batch.push(WorkforceAssignment {
                task_id: task.input.task_id.clone(),
                worker_id: self
                    .scheduler
                    .worker(worker)
                    .map(|worker| worker.id.to_string())
                    .unwrap_or_default(),
            });
            self.log(
                WorkforceEventType::TaskAssigned,
                Some(index),
                Some(worker),
                detail.clone(),
            );
            self.log(WorkforceEventType::TaskStarted, Some(index), Some(worker), detail);
        }
        Ok(batch)
    }

    /// Takes a queued, blocked or running task out. What depends on it stays blocked.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_STATE` when it has ended already.
    pub fn cancel_task(&mut self, task_id: &str, reason: Option<String>) -> Outcome<()> {
        let task = self.place(task_id)?;
        let status = self.tasks.get(task as usize).map(|task| task.status);
        if !matches!(
            status,
            Some(WorkforceTaskStatus::Queued | WorkforceTaskStatus::Blocked | WorkforceTaskStatus::Running)
        ) {
            return Err(state_fault(format!("task {task_id} has ended")));
        }
        self.cancel(task, reason.map(Into::into));
        Ok(())
    }

    /// Carries out a person's decision about an escalated task.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_STATE` when it is not escalated, `INVALID_ARGUMENTS` for a time that goes back.
    pub fn resolve_escalation(
        &mut self,
        task_id: &str,
        decision: WorkforceEscalationDecision,
        now_ms: Option<i64>,
    ) -> Outcome<()> {
        let time = self.later(now_ms)?;
        let task = self.place(task_id)?;
        let blocked = self.tasks.get(task as usize).and_then(|task| task.blocked);
        if blocked != Some(WorkforceBlockReason::Escalated) {
            return Err(state_fault(format!("task {task_id} is not escalated")));
        }
        self.time = time;
        match decision {
            WorkforceEscalationDecision::Retry => self.open(task, "escalation_resolved"),
            WorkforceEscalationDecision::Fail => self.bury(task),
            WorkforceEscalationDecision::Cancel => self.cancel(task, Some("escalation".into())),
        }
        Ok(())
    }

    /// Does tasks again, as if they had just been loaded, together with everything that depends on them. Running ones lose their
    /// worker, whose result will not count.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENTS` for a time that goes back.
    pub fn reopen_tasks(&mut self, task_ids: &[String], now_ms: Option<i64>) -> Outcome<()> {
        let time = self.later(now_ms)?;
        let places = task_ids
            .iter()
            .map(|id| self.place(id))
            .collect::<Outcome<Vec<u32>>>()?;
        let all = self.scheduler.graph().with_dependents(places);
        self.time = time;
        for task in &all {
            self.scheduler.reopen(*task);
        }
        for index in all {
            if let Some(task) = self.tasks.get_mut(index as usize) {
                if let Some(until) = task.until.take() {
                    self.backoffs.remove(&(until, index));
                }
                let input = std::mem::take(&mut task.input);
                *task = Task::new(input);
            }
            self.open(index, "reopened");
        }
        Ok(())
    }

    /// Queues a task whose dependencies are completed, blocks another one.
    fn open(&mut self, index: u32, reason: &'static str) {
        let free = self.scheduler.is_free(index);
        let Some(task) = self.tasks.get_mut(index as usize) else {
            return;
        };
        (task.worker, task.until) = (None, None);
        if free {
            (task.status, task.blocked) = (WorkforceTaskStatus::Queued, None);
            self.scheduler.queue(index);
            self.log(
                WorkforceEventType::TaskQueued,
                Some(index),
                None,
                Detail::Queued { reason },
            );
            self.channel.push(Message::Task { task: index });
        } else {
            self.block(index, WorkforceBlockReason::Dependencies, None);
        }
    }

    fn block(&mut self, index: u32, reason: WorkforceBlockReason, until: Option<i64>) {
        let Some(task) = self.tasks.get_mut(index as usize) else {
            return;
        };
        (task.status, task.blocked) = (WorkforceTaskStatus::Blocked, Some(reason));
        (task.worker, task.until) = (None, until);
        self.scheduler.park(index);
        self.log(
            WorkforceEventType::TaskBlocked,
            Some(index),
            None,
            Detail::Blocked { reason, until },
        );
    }

    fn cancel(&mut self, index: u32, reason: Option<Arc<str>>) {
        let Some(task) = self.tasks.get_mut(index as usize) else {
            return;
        };
        (task.status, task.blocked) = (WorkforceTaskStatus::Canceled, None);
        let worker = task.worker.take();
        if let Some(until) = task.until.take() {
            self.backoffs.remove(&(until, index));
        }
        task.reason.clone_from(&reason);
        self.scheduler.park(index);
        self.log(
            WorkforceEventType::TaskCanceled,
            Some(index),
            worker,
            Detail::Reason { reason },
        );
    }

    /// The logical time a call happens at.
    fn later(&self, now_ms: Option<i64>) -> Outcome<i64> {
        match now_ms {
            None => Ok(self.time.saturating_add(1)),
            Some(now) if now < self.time => Err(Fault::invalid(format!(
                "nowMs is {now}, but logical time is already {}",
                self.time
            ))),
            Some(now) => Ok(now),
        }
    }

    fn place(&self, task_id: &str) -> Outcome<u32> {
        let found = self.scheduler.graph().places.get(task_id).copied();
        found.ok_or_else(|| Fault::not_found(format!("no task {task_id} in the plan")))
    }

    fn log(&mut self, kind: WorkforceEventType, task: Option<u32>, worker: Option<u32>, detail: Detail) {
        self.events.push(Entry {
            kind,
            task,
            worker,
            time: self.time,
            detail,
        });
    }
}

impl Task {
    fn new(input: WorkforceTaskInput) -> Self {
        Self {
            input,
            status: WorkforceTaskStatus::Blocked,
            blocked: Some(WorkforceBlockReason::Dependencies),
            until: None,
            worker: None,
            attempt: 0,
            failures: 0,
            result: None,
            reason: None,
        }
    }
}
