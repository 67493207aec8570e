//! A limit on failed tries. Secrets are too long to be guessed; this keeps who tries in a loop from being told more, and never keeps out
//! who has the right one.

use std::collections::VecDeque;

use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// Failures within the window after which further ones are told to wait.
pub const FAILURES_MAX: usize = 20;
/// Milliseconds.
pub const WINDOW_MS: i64 = 60_000;

/// Failures of the last minute.
#[derive(Debug, Default)]
pub struct RateLimit {
    failed_at: VecDeque<i64>,
}

impl RateLimit {
    /// Counts a failed try.
    ///
    /// # Errors
    /// `TOO_MANY_REQUESTS` when there were too many within the window.
    pub fn failed(&mut self, now: i64) -> Outcome<()> {
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
        self.failed_at.push_back(now);
        Ok(())
    }
}
