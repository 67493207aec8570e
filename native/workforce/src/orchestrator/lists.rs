//! Reading an orchestrator.

use openwrap_contracts::Outcome;
use openwrap_contracts::ap::{
    WorkforceChannelMessage, WorkforceChannelType, WorkforceEvent, WorkforceSnapshot, WorkforceTask,
    WorkforceTaskStatus, WorkforceWorker, WorkforceWorkerState,
};
use serde_json::{Value, json};

use super::journal::{Entry, Message};
use super::{Task, WorkforceOrchestrator};

impl WorkforceOrchestrator {
    /// Tasks in the order of the plan.
    #[must_use]
    pub fn list_tasks(&self) -> Vec<WorkforceTask> {
        self.tasks.iter().map(|task| self.listed(task)).collect()
    }

    /// Workers by id.
    #[must_use]
    pub fn list_workers(&self) -> Vec<WorkforceWorker> {
        self.scheduler
            .workers()
            .map(|(worker, capabilities)| WorkforceWorker {
                worker_id: worker.id.to_string(),
                capabilities: capabilities.to_vec(),
                capacity: worker.capacity,
                state: match (worker.draining, worker.active) {
                    (true, _) => WorkforceWorkerState::Draining,
                    (false, 0) => WorkforceWorkerState::Idle,
                    (false, _) => WorkforceWorkerState::Busy,
                },
                active_count: worker.active,
            })
            .collect()
    }

    /// Events after a sequence, oldest first; at most [`super::ENTRIES_MAX`]. Reading takes nothing away: the reader keeps the cursor.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when events after that sequence are no longer kept.
    pub fn drain_events(&self, after: Option<u64>, limit: Option<u32>) -> Outcome<Vec<WorkforceEvent>> {
        Ok(self
            .events
            .after(after, limit)?
            .map(|(sequence, entry)| self.event(sequence, entry))
            .collect())
    }

    /// Channel messages after a sequence, oldest first; at most [`super::ENTRIES_MAX`].
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when messages after that sequence are no longer kept.
    pub fn list_channel_messages(
        &self,
        after: Option<u64>,
        limit: Option<u32>,
    ) -> Outcome<Vec<WorkforceChannelMessage>> {
        Ok(self
            .channel
            .after(after, limit)?
            .map(|(sequence, message)| self.message(sequence, message))
            .collect())
    }

    /// Everything there is to see.
    #[must_use]
    pub fn get_snapshot(&self) -> WorkforceSnapshot {
        WorkforceSnapshot {
            run_id: self.run_id.clone(),
            plan_id: self.plan.as_ref().map(|(plan_id, _)| plan_id.clone()),
            goal: self.plan.as_ref().and_then(|(_, goal)| goal.clone()),
            tasks: self.list_tasks(),
            workers: self.list_workers(),
            event_cursor: self.events.cursor(),
            channel_cursor: self.channel.cursor(),
        }
    }

    fn listed(&self, task: &Task) -> WorkforceTask {
        let completed = task.status == WorkforceTaskStatus::Completed;
        let error = task
            .result
            .as_ref()
            .filter(|_| !completed)
            .and_then(|result| result.error.clone());
        WorkforceTask {
            task: task.input.clone(),
            status: task.status,
            attempt: task.attempt,
            assigned_worker_id: self.worker_id(task.worker),
            blocked_until: task.until,
            blocked_reason: task.blocked,
            result: task
                .result
                .as_ref()
                .filter(|_| completed)
                .and_then(|result| result.output.clone()),
            error: task.reason.as_deref().map(str::to_owned).or(error),
        }
    }

    fn event(&self, sequence: u64, entry: &Entry) -> WorkforceEvent {
        WorkforceEvent {
            sequence,
            event_version: self.event_version,
            run_id: self.run_id.clone(),
            kind: entry.kind,
            task_id: self.task_id(entry.task),
            worker_id: self.worker_id(entry.worker),
            logical_time: Some(entry.time),
            payload: entry.detail.payload(),
        }
    }

    fn message(&self, sequence: u64, message: &Message) -> WorkforceChannelMessage {
        let (kind, task, payload) = match message {
            Message::Task { task } => {
                let input = self.tasks.get(*task as usize).map(|task| &task.input);
                (
                    WorkforceChannelType::Task,
                    *task,
                    input.map_or(Value::Null, |input| json!(input)),
                )
            }
            Message::Result { task, result } => (WorkforceChannelType::Result, *task, json!(**result)),
        };
        WorkforceChannelMessage {
            sequence,
            kind,
            task_id: self.task_id(Some(task)).unwrap_or_default(),
            payload,
        }
    }

    fn task_id(&self, task: Option<u32>) -> Option<String> {
        self.tasks.get(task? as usize).map(|task| task.input.task_id.clone())
    }

    fn worker_id(&self, worker: Option<u32>) -> Option<String> {
        self.scheduler.worker(worker?).map(|worker| worker.id.to_string())
    }
}
