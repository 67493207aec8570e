//! What goes into a conductor and what comes out of it.

use std::collections::BTreeSet;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::ap::{WorkforceEscalationDecision, WorkforceFailurePolicy};
use serde::{Deserialize, Serialize};

/// How a conductor is set up. Part of nothing that is recorded: no field but `policy` can change a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConductorConfig {
    /// Attempts running at once, 1 to 64.
    pub slots: u32,
    /// Unsettled tasks that may be under way at once.
    pub window: u32,
    pub policy: WorkforceFailurePolicy,
}

impl Default for ConductorConfig {
    fn default() -> Self {
        use openwrap_contracts::limits;
        Self {
            slots: 4,
            window: u32::try_from(limits::WINDOW_TASKS).unwrap_or(64),
            policy: WorkforceFailurePolicy {
                retry_count: u32::try_from(limits::TASK_RETRIES).unwrap_or(1),
                backoff_ms: 0,
                escalate_after: 0,
            },
        }
    }
}

/// A task as the conductor needs to know it. Two equal values are one form of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConductorTask {
    pub task_id: String,
    pub role: String,
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Smaller goes first.
    #[serde(default)]
    pub priority: i32,
    /// Starts only when every earlier task has settled.
    #[serde(default)]
    pub irreversible: bool,
    /// Canonical hash of the whole plan task: another text is another form, so a replan does not keep its work.
    #[serde(default)]
    pub form: String,
}

/// The state a view starts from, before the closure's change sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Base {
    /// The project as it was when this plan version was accepted.
    Plan { version: u32 },
    /// The project after the tasks with ordinals below `count` had settled.
    Retired { count: u32 },
}

/// Something that happened. Every input but `Tick` is to be recorded, in the order applied, with its time:
/// applying the recorded inputs again rebuilds the conductor.
///
/// Inputs about an attempt name it by `start` (see [`Effect::Start`]); one that is no longer under way is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Input {
    /// Version 1 to begin with; version + 1 to answer a `NeedReplan`. Tasks in the order of the plan. Retired tasks may be
    /// listed again unchanged, and may be depended on, listed or not.
    PlanAccepted {
        version: u32,
        tasks: Vec<ConductorTask>,
    },
    /// Answers a `NeedReplan` that messages caused: the plan stays.
    PlanKept,
    /// The attempt waits for a person and gives its slot back.
    AttemptWaiting {
        task_id: String,
        start: u32,
    },
    /// The attempt could go on and wants a slot again.
    AttemptReady {
        task_id: String,
        start: u32,
    },
    /// The attempt's last step has ended, its paths and checks are in order.
    AttemptCompleted {
        task_id: String,
        start: u32,
        changed_paths: BTreeSet<String>,
    },
    /// The attempt failed (`CHECK_FAILED` for an acceptance check).
    AttemptFailed {
        task_id: String,
        start: u32,
        code: ErrorCode,
        message: String,
    },
    /// The attempt met an act that cannot be undone and may only be done as head.
    AttemptNeedsHead {
        task_id: String,
        start: u32,
    },
    /// The change set of the task that was to be retired is committed.
    Retired {
        task_id: String,
    },
    /// A person's edit meets the change set, and the task is to be done again on it.
    RetireRefused {
        task_id: String,
        paths: BTreeSet<String>,
    },
    /// A person lets a task with an act that cannot be undone run before the tasks ahead of it have settled. It counts from the
    /// next attempt that would wait for the head.
    LetGoFirst {
        task_id: String,
    },
    /// A person does without a task and all that depends on it.
    CancelTask {
        task_id: String,
    },
    /// A person's decision about a task that is `escalated`.
    ResolveEscalation {
        task_id: String,
        decision: WorkforceEscalationDecision,
    },
    /// A person's message for the planner. Takes its place at once, or the given one (replay): the number of settled tasks after
    /// which the plan is thought over. The place comes back as [`Effect::MessagePlaced`] and belongs into the record.
    Message {
        message_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u32>,
    },
    /// Attempts running at once, 1 to 64. Running ones go on.
    SetSlots {
        slots: u32,
    },
    /// Nothing starts, goes on, retires or is replanned until `Resume`.
    Pause,
    Resume,
    /// Ends the run: everything under way is aborted.
    Stop {
        status: FinalStatus,
        reason: String,
    },
    /// Time has passed. Need not be recorded: every input first does what its time makes due.
    Tick,
}

/// What the host has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Effect {
    /// Run an attempt in a fresh view: `base`, then the change sets of `closure` in this order.
    Start {
        task_id: String,
        /// Number of the attempt in the record (1, 2, …): for prompts, call ids and records. A squashed attempt's number is
        /// given again, so it does not name one start.
        attempt: u32,
        /// Counts every start of this task in this run (1, 2, …), squashed ones too: names the attempt in inputs.
        start: u32,
        worker_id: String,
        base: Base,
        closure: Vec<String>,
        /// Acts that cannot be undone are allowed: every earlier task has settled.
        head: bool,
        /// Acts that cannot be undone are allowed because a person let the task go first.
        let_go: bool,
    },
    /// A slot is granted again to an attempt that was ready.
    Continue {
        task_id: String,
        attempt: u32,
        start: u32,
        worker_id: String,
    },
    /// Stop the attempt and drop its view.
    Abort {
        task_id: String,
        attempt: u32,
        start: u32,
        cause: AbortCause,
    },
    /// Commit the task's change set to the project, then say `Retired` (or `RetireRefused`). At most one at a time.
    Retire { task_id: String, ordinal: u32 },
    /// The task's completed attempt counts no more. Its base from now on is in `base`: when that is `Retired { count }` the host
    /// keeps a copy of the project as it is now.
    Reopened {
        task_id: String,
        /// The earlier task that changed the same paths, the reopened dependency, or none for a person's edit.
        because_of: Option<String>,
        /// Empty for dependents of the task that met a conflict.
        paths: BTreeSet<String>,
        base: Base,
    },
    /// The failed attempt is followed by another one not before this time: send `Tick` then.
    Backoff { task_id: String, until_ms: i64 },
    /// Every earlier task has settled and the plan cannot go on as it is: ask the planner, then `PlanAccepted`, `PlanKept` (after
    /// messages only), `CancelTask` (after a failure) or `Stop`.
    NeedReplan { cause: ReplanCause },
    /// The message takes effect after this many settled tasks.
    MessagePlaced { message_id: String, at: u32 },
    /// The accepted plan has no such task any more.
    Squashed { task_id: String },
    /// The task is out, by a person's decision.
    Canceled { task_id: String },
    /// The task failed for good at its ordinal; nothing of it was committed.
    SettledFailed { task_id: String, ordinal: u32 },
    /// A person has to decide: `ResolveEscalation`.
    Escalated { task_id: String },
    /// Nothing follows.
    Finished { status: FinalStatus },
}

/// Why the plan has to be thought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ReplanCause {
    TaskFailed {
        task_id: String,
        code: ErrorCode,
        message: String,
    },
    /// In the order they were sent.
    Messages { message_ids: Vec<String> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortCause {
    /// The plan has the task no more, or in another form.
    Squashed,
    /// A dependency is done again.
    Reopened,
    /// The run was stopped.
    Stopped,
    /// A person does without the task.
    Canceled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalStatus {
    Completed,
    Failed,
    Canceled,
}

/// The conductor's part of the run record. Equal for equal inputs whatever slots, timing, order of completion or crashes: every
/// field of it is guaranteed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConductorRecord {
    pub plan_versions: Vec<PlanVersionPlace>,
    /// Settled tasks by ordinal.
    pub tasks: Vec<TaskRecord>,
    /// Ids that an accepted plan dropped, sorted.
    pub squashed: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanVersionPlace {
    pub version: u32,
    /// Tasks settled when it was accepted.
    pub accepted_after: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    pub task_id: String,
    pub ordinal: u32,
    /// The version that introduced the task in its present form.
    pub plan_version: u32,
    pub outcome: TaskOutcome,
    pub attempts: Vec<AttemptRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskOutcome {
    Retired,
    Failed,
    /// Its attempts are left out: how many there were is a matter of timing.
    Canceled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// As in [`Effect::Start`].
    pub attempt: u32,
    /// The start that this attempt was: where the host finds its steps. Not part of what is guaranteed, so not serialised.
    #[serde(skip)]
    pub start: StartNumber,
    pub base: Base,
    pub closure: Vec<String>,
    /// Ran with acts that cannot be undone allowed.
    pub head: bool,
    pub ended_by: EndedBy,
}

/// A start number inside a record: equal to every other, since records are compared without it.
#[derive(Debug, Clone, Copy, Default)]
pub struct StartNumber(pub u32);

impl PartialEq for StartNumber {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for StartNumber {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    Completed,
    /// Changed a path that an earlier task or a person had changed since its base.
    Conflict,
    NeedsHead,
    #[serde(untagged)]
    Failed(ErrorCode),
}

impl EndedBy {
    /// The word in the run record: `completed`, `conflict`, `needs_head` or the error code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Conflict => "conflict",
            Self::NeedsHead => "needs_head",
            Self::Failed(code) => code.as_str(),
        }
    }
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskPhase {
    /// Waits for dependencies, a slot, the window or the head.
    Pending,
    Running,
    /// Waits for a person, without a slot.
    Waiting,
    /// Wants a slot again.
    Ready,
    Backoff,
    Escalated,
    /// Done, not yet retired.
    Completed,
    /// Being committed.
    Retiring,
    /// Failed for good; the plan is thought over when every earlier task has settled.
    Failed,
}

/// One unsettled task, for the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    pub task_id: String,
    pub ordinal: u32,
    pub plan_version: u32,
    pub phase: TaskPhase,
    /// Out by a person's decision, settles when the line reaches it.
    pub canceled: bool,
    /// Number of the running attempt, or of the newest one.
    pub attempt: u32,
    /// Starts so far.
    pub start: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    pub base: Base,
    /// Waits, or will wait, for every earlier task to settle.
    pub head_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_until_ms: Option<i64>,
    pub attempts: Vec<AttemptRecord>,
}

/// Everything there is to see, by ordinal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConductorSnapshot {
    pub plan_version: u32,
    pub settled: u32,
    pub retired: u32,
    pub slots: u32,
    pub running: u32,
    pub paused: bool,
    /// The task that holds the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replan: Option<ReplanCause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<FinalStatus>,
    pub tasks: Vec<TaskView>,
    pub record: ConductorRecord,
}
