//! One-time launch codes: shown by the command line, traded once for a sign-in.

use std::collections::VecDeque;

use openwrap_contracts::limits::LAUNCH_LINK_MS;

use crate::secret_text;

/// Codes waiting at once; the oldest makes room.
pub const CODES_MAX: usize = 16;

#[derive(Debug)]
struct Waiting {
    hash: [u8; 32],
    expires_at: i64,
}

/// Codes that were issued and not used. Memory only: a restart ends them.
#[derive(Debug, Default)]
pub struct LaunchCodes {
    waiting: VecDeque<Waiting>,
}

impl LaunchCodes {
    /// Keeps a code and says when it ends.
    pub fn issue(&mut self, code: &str, now: i64) -> i64 {
        if self.waiting.len() >= CODES_MAX {
            self.waiting.pop_front();
        }
        let expires_at = now.saturating_add(i64::try_from(LAUNCH_LINK_MS).unwrap_or(i64::MAX));
        let hash = secret_text::hash(code);
        self.waiting.push_back(Waiting { hash, expires_at });
        expires_at
    }

    /// Takes the code out: true once, and never again.
    pub fn take(&mut self, code: &str, now: i64) -> bool {
        self.waiting.retain(|waiting| waiting.expires_at > now);
        let found = self.waiting.iter().enumerate().fold(None, |found, (place, waiting)| {
            // Every entry is compared, so the time says nothing about the place.
            if secret_text::fits(code, &waiting.hash) {
                Some(place)
            } else {
                found
            }
        });
        match found {
            Some(place) => self.waiting.remove(place).is_some(),
            None => false,
        }
    }
}
