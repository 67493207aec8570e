//! A limit on failed tries. Secrets are too long to be guessed; this keeps guessing from being worth the noise.

use std::collections::VecDeque;

use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// Failures within the window after which further tries are refused unseen.
pub const FAILURES_MAX: usize = 20;
/// Milliseconds.
pub const WINDOW_MS: i64 = 60_000;

/// Failures of the last minute.
#[derive(Debug, Default)]
pub struct RateLimit {
    failed_at: VecDeque<i64>,
}

impl RateLimit {
    /// Whether another try may be looked at.
    pub fn check(&mut self, now: i64) -> Outcome<()> {
        while self
            .failed_at
            .front()
            .is_some_and(|at| now.saturating_sub(*at) >= WINDOW_MS)
        {
            self.failed_at.pop_front();
        }
        if self.failed_at.len() >= FAILURES_MAX {
            return Err(Fault::new(
                ErrorCode::TooManyRequests,
                "too many failed sign-ins within a minute",
            ));
        }
        Ok(())
    }

    /// Counts a failed try.
    pub fn failed(&mut self, now: i64) {
        if self.failed_at.len() < FAILURES_MAX {
            self.failed_at.push_back(now);
        }
    }
}
