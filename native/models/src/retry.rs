//! Which failures of a provider are worth another try, and when.

use openwrap_contracts::Fault;

use crate::refusal::passes;

/// A failed try.
#[derive(Debug)]
pub struct Failure {
    pub fault: Fault,
    /// Another try may help.
    pub again: bool,
    /// What the provider asked for.
    pub after_ms: Option<u64>,
}

/// Longest wait before another try.
const WAIT_MS_MAX: u64 = 30_000;
/// First wait unless set otherwise; doubles each try.
pub const WAIT_MS_MIN: u64 = 250;

impl Failure {
    /// Not worth another try.
    pub fn last(fault: Fault) -> Self {
        Self {
            fault,
            again: false,
            after_ms: None,
        }
    }

    /// Worth another try.
    pub fn passing(fault: Fault) -> Self {
        Self {
            fault,
            again: true,
            after_ms: None,
        }
    }

    /// An answer that could not be taken: another try may be whole, one over the limit will not be smaller.
    pub fn of_answer(fault: Fault) -> Self {
        Self {
            again: passes(fault.code),
            fault,
            after_ms: None,
        }
    }
}

/// Wait before try number `tries + 1`. `spread` is any number: it keeps many workers from trying in step.
pub fn wait_ms(first_ms: u64, tries: u32, asked_ms: Option<u64>, spread: u64) -> u64 {
    if let Some(asked) = asked_ms {
        return asked.min(WAIT_MS_MAX);
    }
    let doubled = first_ms.saturating_mul(1 << tries.saturating_sub(1).min(8));
    doubled.saturating_add(spread % (doubled / 2 + 1)).min(WAIT_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(wait_ms(WAIT_MS_MIN, 1, Some(7), 3), 7);
        assert_eq!(wait_ms(WAIT_MS_MIN, 1, Some(900_000), 3), WAIT_MS_MAX);
        for tries in 1..40 {
            let wait = wait_ms(WAIT_MS_MIN, tries, None, u64::from(tries) * 7919);
            assert!((WAIT_MS_MIN..=WAIT_MS_MAX).contains(&wait));
        }
    }
}
