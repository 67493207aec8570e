//! Clock, randomness and identifiers of the real system: the ports whose real side this is.
#![allow(clippy::disallowed_methods)]

use std::time::{SystemTime, UNIX_EPOCH};

use openwrap_contracts::ports::{Clock, Ids, Random};
use openwrap_contracts::{Fault, Outcome};

/// The system's wall clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The system's secure randomness.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Outcome<()> {
        getrandom::fill(bytes).map_err(|error| Fault::internal(format!("the system gives no randomness: {error}")))
    }
}

/// Identifiers from secure randomness.
pub struct SystemIds;

impl Ids for SystemIds {
    fn fresh(&self, prefix: &str) -> String {
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut bytes = [0u8; 16];
        // Without randomness two identifiers could meet; the ledger would refuse the second run, nothing is overwritten.
        let _ = getrandom::fill(&mut bytes);
        let tail: String = bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect();
        format!("{prefix}_{tail}")
    }
}

/// UTC date `YYYY-MM-DD` of a time (civil from days, H. Hinnant's algorithm).
#[must_use]
pub fn utc_date(at_ms: i64) -> String {
    let days = at_ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc() {
        assert_eq!(utc_date(0), "1970-01-01");
        assert_eq!(utc_date(951_782_400_000), "2000-02-29");
        assert_eq!(utc_date(1_795_521_600_000), "2026-11-24");
        assert_eq!(utc_date(-1), "1969-12-31");
    }
}
