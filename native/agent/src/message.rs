//! What reaches a run's engine.

use openwrap_contracts::fault::Fault;
use openwrap_contracts::identity::{Actor, Label, StepRef};
use openwrap_contracts::ports::CommitOutcome;
use openwrap_contracts::{ErrorCode, Outcome};
use tokio::sync::oneshot;

use crate::steering::NewMessage;

/// One message to the engine.
pub enum Message {
    /// An attempt waits for a person and gives its slot back.
    Waiting { step: StepRef, approval_id: String },
    /// Its answer is there; `go` is sent when it has a slot again.
    Ready { step: StepRef, go: oneshot::Sender<()> },
    /// The planner has come to an end for this version.
    Planned { outcome: Outcome<Planned> },
    /// An attempt has come to its end.
    Ended {
        task_id: String,
        attempt: u32,
        start: u32,
        end: AttemptEnd,
    },
    /// A commit has come to its end.
    Committed {
        task_id: String,
        ordinal: u32,
        outcome: Outcome<CommitOutcome>,
    },
    /// The final answer is there.
    Answered { outcome: Outcome<String> },
    /// Backoff is over.
    Tick,
    Pause {
        actor: Actor,
        done: oneshot::Sender<Outcome<()>>,
    },
    Resume {
        actor: Actor,
        done: oneshot::Sender<Outcome<()>>,
    },
    /// A person says something; answered when it is noted and its interruptions are under way.
    Steer {
        actor: Actor,
        message: NewMessage,
        done: oneshot::Sender<Outcome<()>>,
    },
    Stop {
        actor: Actor,
        reason: String,
        done: oneshot::Sender<Outcome<()>>,
    },
}

/// How planning ended.
pub enum Planned {
    /// A person (or the policy) accepted this version.
    Accepted { version: u32 },
    /// The planner answered in words.
    Refused { message: String },
}

/// How an attempt ended.
pub enum AttemptEnd {
    Completed {
        result_hash: String,
        change_set_hash: String,
        paths: Vec<String>,
        preview: String,
        labels: Vec<Label>,
    },
    Failed {
        code: ErrorCode,
        message: String,
    },
    NeedsHead,
    /// Stopped from outside; nothing is recorded.
    Aborted,
    /// The core itself failed (disk full, ledger broken): the run cannot go on.
    Broken {
        fault: Fault,
    },
}
