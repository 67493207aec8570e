//! What follows a failed attempt: one rule for the orchestrator and the conductor.

use openwrap_contracts::ap::WorkforceFailurePolicy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again after this many milliseconds.
    Retry {
        delay_ms: i64,
    },
    Escalate,
    Dead,
}

/// `attempt`: the one that failed (1, 2, …); `failures`: failed ones so far, this one included.
pub(crate) fn verdict(policy: WorkforceFailurePolicy, attempt: u32, failures: u32) -> Verdict {
    if attempt <= policy.retry_count {
        Verdict::Retry {
            delay_ms: i64::from(policy.backoff_ms).saturating_mul(i64::from(attempt)),
        }
    } else if policy.escalate_after > 0 && failures >= policy.escalate_after {
        Verdict::Escalate
    } else {
        Verdict::Dead
    }
}
