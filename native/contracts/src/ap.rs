//! Track AP wire types: plans, workers, results, events and channel messages of the workforce orchestrator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A graph of tasks to load. At most [`TASKS_MAX`] tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforcePlanInput {
    pub plan_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Place in this list breaks ties of priority.
    pub tasks: Vec<WorkforceTaskInput>,
}

/// Tasks of one plan.
pub const TASKS_MAX: usize = 200_000;

/// One task of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceTaskInput {
    /// Unique in the plan, not empty.
    pub task_id: String,
    pub title: String,
    /// A worker must have all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_capabilities: Vec<String>,
    /// Tasks that must be completed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Smaller goes first.
    #[serde(default)]
    pub priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// A worker as it announces itself. Registering an id again replaces what it announced; its running tasks stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceWorkerRegistration {
    pub worker_id: String,
    /// Kept sorted, without repeats.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Tasks at once; less than 1 counts as 1.
    #[serde(default = "one")]
    pub capacity: u32,
    /// `idle` when absent; `draining` gets no new task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WorkforceWorkerState>,
}

const fn one() -> u32 {
    1
}

/// What a worker says about a task it was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceResultEnvelope {
    pub task_id: String,
    /// Counts only when the task is assigned to this worker.
    pub worker_id: String,
    pub status: WorkforceResultStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed or was canceled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// A task handed to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceAssignment {
    pub task_id: String,
    pub worker_id: String,
}

/// One entry of the orchestrator's event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceEvent {
    /// 1, 2, 3 …
    pub sequence: u64,
    pub event_version: u32,
    pub run_id: String,
    #[serde(rename = "type")]
    pub kind: WorkforceEventType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// Milliseconds; never smaller than in the event before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// A message on the channel workers listen to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceChannelMessage {
    /// 1, 2, 3 …
    pub sequence: u64,
    #[serde(rename = "type")]
    pub kind: WorkforceChannelType,
    pub task_id: String,
    /// `task`: the task as planned; `result`: the envelope.
    pub payload: Value,
}

/// Everything there is to see, in a stable order: tasks by place, workers by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceSnapshot {
    pub run_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    pub tasks: Vec<WorkforceTask>,
    pub workers: Vec<WorkforceWorker>,
    /// Sequence of the newest event, 0 before the first.
    pub event_cursor: u64,
    /// Sequence of the newest channel message, 0 before the first.
    pub channel_cursor: u64,
}

/// A task of the plan and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceTask {
    #[serde(flatten)]
    pub task: WorkforceTaskInput,
    pub status: WorkforceTaskStatus,
    /// Times it was assigned since it was loaded or reopened.
    pub attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_worker_id: Option<String>,
    /// Logical time at which a backoff ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_reason: Option<WorkforceBlockReason>,
    /// Output of the completed task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Newest failure, or why it was canceled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A registered worker and how busy it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceWorker {
    pub worker_id: String,
    pub capabilities: Vec<String>,
    pub capacity: u32,
    pub state: WorkforceWorkerState,
    /// Running tasks.
    pub active_count: u32,
}

/// How the orchestrator is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceConfig {
    /// `run` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_version: Option<u32>,
    /// No retry, no escalation when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<WorkforceFailurePolicy>,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceFailurePolicy {
    /// Attempts 1 … `retryCount` are tried again.
    #[serde(default)]
    pub retry_count: u32,
    /// Wait after attempt n: n times this many milliseconds.
    #[serde(default)]
    pub backoff_ms: u32,
    /// A task that may not be retried any more waits for a person after this many failures; 0: never.
    #[serde(default)]
    pub escalate_after: u32,
}

macro_rules! words {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident ),* $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $( $(#[$variant_doc])* $variant, )* }
    )* };
}

words! {
    /// How far a task is.
    WorkforceTaskStatus { Queued, Running, Blocked, Completed, Failed, Canceled }
    /// Why a blocked task waits.
    WorkforceBlockReason { Dependencies, Backoff, Escalated }
    /// `busy`: at least one running task; `draining`: gets no new one.
    WorkforceWorkerState { Idle, Busy, Draining }
    WorkforceResultStatus { Completed, Failed, Canceled }
    WorkforceChannelType { Task, Result }
    WorkforceEventType {
        PlanCreated, TaskQueued, TaskAssigned, TaskStarted, TaskBlocked, TaskCompleted, TaskFailed, TaskCanceled,
        TaskRetryScheduled, TaskEscalated, TaskDeadLettered, WorkerRegistered, ResultPublished, SchedulerTick,
    }
    /// What a person decides about an escalated task.
    WorkforceEscalationDecision { Retry, Fail, Cancel }
}

/// What `workforce-simulator` reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkforceScenario {
    #[serde(default)]
    pub config: WorkforceConfig,
    pub plan: WorkforcePlanInput,
    #[serde(default)]
    pub workers: Vec<WorkforceWorkerRegistration>,
    #[serde(default)]
    pub actions: Vec<WorkforceScenarioAction>,
}

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum WorkforceScenarioAction {
    Schedule {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        now_ms: Option<i64>,
    },
    Result {
        result: WorkforceResultEnvelope,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        now_ms: Option<i64>,
    },
    Cancel {
        task_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// Adds the AP wire types to the generated document.
pub fn register(generator: &mut schemars::SchemaGenerator) {
    generator.subschema_for::<WorkforceConfig>();
    generator.subschema_for::<WorkforcePlanInput>();
    generator.subschema_for::<WorkforceWorkerRegistration>();
    generator.subschema_for::<WorkforceResultEnvelope>();
    generator.subschema_for::<WorkforceAssignment>();
    generator.subschema_for::<WorkforceEvent>();
    generator.subschema_for::<WorkforceChannelMessage>();
    generator.subschema_for::<WorkforceSnapshot>();
    generator.subschema_for::<WorkforceEscalationDecision>();
    generator.subschema_for::<WorkforceScenario>();
}
