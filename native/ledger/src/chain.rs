//! The chain check that opening and audit share.

use openwrap_contracts::canonical::event_hash;

use crate::head::Head;

/// Where a chain breaks first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Break {
    /// The first sequence that is missing or does not fit.
    pub(crate) sequence: u64,
    pub(crate) problem: String,
}

/// The chain up to a row that was checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) newest: Head,
}

impl Chain {
    /// Goes on after a row taken as sound; `Head::default()` for the beginning.
    pub(crate) fn after(newest: Head) -> Self {
        Self { newest }
    }

    /// Takes the next row in ascending order of sequence.
    ///
    /// # Errors
    /// The first bad sequence: a missing one before this row, or this one when its hash does not fit.
    pub(crate) fn take(&mut self, sequence: u64, hash: &[u8], bytes: &[u8]) -> Result<(), Break> {
        let expected = self.newest.sequence + 1;
        if sequence != expected {
            return Err(Break {
                sequence: expected,
                problem: format!("event {expected} is missing; the next one found is {sequence}"),
            });
        }
        let computed = event_hash(sequence, &self.newest.hash, bytes);
        if hash != computed {
            return Err(Break {
                sequence,
                problem: format!(
                    "the hash of event {sequence} does not fit its sequence, its bytes and the event before"
                ),
            });
        }
        self.newest = Head {
            sequence,
            hash: computed,
        };
        Ok(())
    }
}
