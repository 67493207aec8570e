//! The event log and the channel, kept small and written out when read.

use std::collections::VecDeque;
use std::sync::Arc;

use openwrap_contracts::ap::{WorkforceBlockReason, WorkforceEventType, WorkforceResultEnvelope};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

/// Entries kept, of events and of messages each; older ones are dropped and reading them is an error.
pub const ENTRIES_MAX: usize = 1 << 20;

/// What an event tells besides task and worker.
#[derive(Debug, Clone)]
pub(super) enum Detail {
    None,
    Plan {
        tasks: u32,
    },
    Queued {
        reason: &'static str,
    },
    Blocked {
        reason: WorkforceBlockReason,
        until: Option<i64>,
    },
    Attempt {
        attempt: u32,
    },
    Retry {
        attempt: u32,
        until: i64,
    },
    Failure {
        attempt: u32,
        failures: u32,
        result: Option<Arc<WorkforceResultEnvelope>>,
    },
    Reason {
        reason: Option<Arc<str>>,
    },
    Worker {
        capacity: u32,
    },
    Result {
        result: Arc<WorkforceResultEnvelope>,
    },
}

impl Detail {
    pub fn payload(&self) -> Option<Value> {
        Some(match self {
            Self::None | Self::Reason { reason: None } => return None,
            Self::Plan { tasks } => json!({ "tasks": tasks }),
            Self::Queued { reason } => json!({ "reason": reason }),
            Self::Blocked { reason, until: None } => json!({ "reason": reason }),
            Self::Blocked {
                reason,
                until: Some(until),
            } => json!({ "reason": reason, "blockedUntil": until }),
            Self::Attempt { attempt } => json!({ "attempt": attempt }),
            Self::Retry { attempt, until } => json!({ "attempt": attempt, "blockedUntil": until }),
            Self::Failure {
                attempt,
                failures,
                result,
            } => {
                let error = result.as_ref().and_then(|result| result.error.as_deref());
                json!({ "attempt": attempt, "failures": failures, "error": error })
            }
            Self::Reason { reason: Some(reason) } => json!({ "reason": &**reason }),
            Self::Worker { capacity } => json!({ "capacity": capacity }),
            Self::Result { result } => json!({ "status": result.status }),
        })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub kind: WorkforceEventType,
    pub task: Option<u32>,
    pub worker: Option<u32>,
    pub time: i64,
    pub detail: Detail,
}

#[derive(Debug, Clone)]
pub(super) enum Message {
    Task {
        task: u32,
    },
    Result {
        task: u32,
        result: Arc<WorkforceResultEnvelope>,
    },
}

/// A bounded list whose entries have sequences 1, 2, 3 …
#[derive(Debug, Clone)]
pub(super) struct Tape<T> {
    entries: VecDeque<T>,
    dropped: u64,
    capacity: usize,
}

impl<T> Default for Tape<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            dropped: 0,
            capacity: ENTRIES_MAX,
        }
    }
}

impl<T> Tape<T> {
    pub fn push(&mut self, entry: T) {
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(entry);
    }

    /// Sequence of the newest entry, 0 before the first.
    pub fn cursor(&self) -> u64 {
        self.dropped + self.entries.len() as u64
    }

    /// Entries after a sequence with their own, oldest first; without one, from the oldest kept.
    pub fn after(&self, after: Option<u64>, limit: Option<u32>) -> Outcome<impl Iterator<Item = (u64, &T)>> {
        let after = after.unwrap_or(self.dropped);
        if after < self.dropped {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!(
                    "entries up to {} are no longer kept; asked for those after {after}",
                    self.dropped
                ),
            )
            .with_hint("Read from the oldest kept entry, and oftener."));
        }
        let skip = usize::try_from(after - self.dropped).unwrap_or(usize::MAX);
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        Ok((after + 1..).zip(self.entries.iter().skip(skip)).take(limit))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Tape;

    // AP-053
    #[test]
    fn a_full_tape_drops_the_oldest_and_says_so() {
        let mut tape = Tape {
            capacity: 3,
            ..Tape::default()
        };
        (1..=5).for_each(|entry| tape.push(entry));
        assert_eq!(tape.cursor(), 5);
        assert_eq!(
            tape.after(None, None).unwrap().collect::<Vec<_>>(),
            [(3, &3), (4, &4), (5, &5)]
        );
        assert_eq!(tape.after(Some(4), None).unwrap().collect::<Vec<_>>(), [(5, &5)]);
        assert_eq!(tape.after(Some(2), Some(1)).unwrap().collect::<Vec<_>>(), [(3, &3)]);
        assert!(tape.after(Some(1), None).is_err());
        assert_eq!(tape.after(Some(9), None).unwrap().count(), 0);
    }
}
