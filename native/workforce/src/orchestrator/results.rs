//! What a worker's result does.

use std::sync::Arc;

use openwrap_contracts::Outcome;
use openwrap_contracts::ap::{
    WorkforceBlockReason, WorkforceEventType, WorkforceResultEnvelope, WorkforceResultStatus, WorkforceTaskStatus,
};

use super::journal::{Detail, Message};
use super::{WorkforceOrchestrator, state_fault};
use crate::failure::{Verdict, verdict};

impl WorkforceOrchestrator {
    /// Takes the assigned worker's result in. `now_ms` absent: logical time + 1.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_STATE` when the task is not running with this worker, `INVALID_ARGUMENTS` for a time that goes back.
    pub fn submit_result(&mut self, result: WorkforceResultEnvelope, now_ms: Option<i64>) -> Outcome<()> {
        let time = self.later(now_ms)?;
        let index = self.place(&result.task_id)?;
        let worker = self.tasks.get(index as usize).and_then(|task| task.worker);
        let assigned = worker
            .and_then(|worker| self.scheduler.worker(worker))
            .map(|worker| &*worker.id);
        if assigned != Some(result.worker_id.as_str()) {
            let who = assigned.map_or("not running".to_owned(), |id| format!("assigned to {id}"));
            let message = format!(
                "a result of {} for task {}, which is {who}",
                result.worker_id, result.task_id
            );
            return Err(state_fault(message));
        }
        self.time = time;
        let result = Arc::new(result);
        if let Some(task) = self.tasks.get_mut(index as usize) {
            task.result = Some(Arc::clone(&result));
        }
        let freed = match result.status {
            WorkforceResultStatus::Completed => self.complete(index, worker),
            WorkforceResultStatus::Failed => {
                self.fail(index, worker);
                Vec::new()
            }
            WorkforceResultStatus::Canceled => {
                self.cancel(index, result.error.as_deref().map(Into::into));
                Vec::new()
            }
        };
        let detail = Detail::Result {
            result: Arc::clone(&result),
        };
        self.log(WorkforceEventType::ResultPublished, Some(index), worker, detail);
        self.channel.push(Message::Result { task: index, result });
        for dependent in freed {
            let waits = self.tasks.get(dependent as usize).and_then(|task| task.blocked);
            if waits == Some(WorkforceBlockReason::Dependencies) {
                self.open(dependent, "dependencies_resolved");
            }
        }
        Ok(())
    }

    fn complete(&mut self, index: u32, worker: Option<u32>) -> Vec<u32> {
        if let Some(task) = self.tasks.get_mut(index as usize) {
            (task.status, task.worker) = (WorkforceTaskStatus::Completed, None);
            let detail = Detail::Attempt { attempt: task.attempt };
            self.log(WorkforceEventType::TaskCompleted, Some(index), worker, detail);
        }
        self.scheduler.complete(index)
    }

    fn fail(&mut self, index: u32, worker: Option<u32>) {
        let Some(task) = self.tasks.get_mut(index as usize) else {
            return;
        };
        task.failures += 1;
        let (attempt, failures, result) = (task.attempt, task.failures, task.result.clone());
        match verdict(self.policy, attempt, failures) {
            Verdict::Retry { delay_ms } => {
                let until = self.time.saturating_add(delay_ms);
                let detail = Detail::Retry { attempt, until };
                self.log(WorkforceEventType::TaskRetryScheduled, Some(index), worker, detail);
                self.block(index, WorkforceBlockReason::Backoff, Some(until));
                self.backoffs.insert((until, index));
            }
            Verdict::Escalate => {
                let detail = Detail::Failure {
                    attempt,
                    failures,
                    result,
                };
                self.log(WorkforceEventType::TaskEscalated, Some(index), worker, detail);
                self.block(index, WorkforceBlockReason::Escalated, None);
            }
            Verdict::Dead => self.bury(index),
        }
    }

    /// Ends a task as failed, for good.
    pub(super) fn bury(&mut self, index: u32) {
        let Some(task) = self.tasks.get_mut(index as usize) else {
            return;
        };
        (task.status, task.blocked) = (WorkforceTaskStatus::Failed, None);
        let worker = task.worker.take();
        let (attempt, failures, result) = (task.attempt, task.failures, task.result.clone());
        self.scheduler.park(index);
        let detail = Detail::Failure {
            attempt,
            failures,
            result,
        };
        self.log(WorkforceEventType::TaskFailed, Some(index), worker, detail.clone());
        self.log(WorkforceEventType::TaskDeadLettered, Some(index), worker, detail);
    }
}
