//! How values cross to JavaScript: JSON text, whole numbers, faults as the JSON text of an error's message.

use openwrap_contracts::{Fault, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest integer that a JavaScript number holds exactly.
const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// A JavaScript number as an integer; fractions, not-a-number and what it cannot hold exactly are refused.
#[allow(clippy::cast_possible_truncation)]
pub fn whole(number: Option<f64>, name: &str) -> napi::Result<Option<i64>> {
    match number {
        None => Ok(None),
        Some(number) if number.fract() == 0.0 && number.abs() <= SAFE_INTEGER_MAX => Ok(Some(number as i64)),
        Some(number) => Err(thrown(&Fault::invalid(format!(
            "{name} is {number}, not a whole number"
        )))),
    }
}

pub fn sequence(after: Option<f64>) -> napi::Result<Option<u64>> {
    let below = |after: i64| thrown(&Fault::invalid(format!("after is {after}, less than 0")));
    whole(after, "after")?
        .map(|after| u64::try_from(after).map_err(|_| below(after)))
        .transpose()
}

/// A limit beyond 32 bits is none that matters.
pub fn limited(limit: Option<f64>) -> napi::Result<Option<u32>> {
    match whole(limit, "limit")? {
        Some(limit) if limit < 0 => Err(thrown(&Fault::invalid(format!("limit is {limit}, less than 0")))),
        limit => Ok(limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX))),
    }
}

pub fn read<T: DeserializeOwned>(json: &str) -> napi::Result<T> {
    serde_json::from_str(json).map_err(|error| thrown(&Fault::from(error)))
}

pub fn told(outcome: Outcome<()>) -> napi::Result<()> {
    outcome.map_err(|fault| thrown(&fault))
}

pub fn write<T: Serialize>(outcome: Outcome<T>) -> napi::Result<String> {
    let value = outcome.map_err(|fault| thrown(&fault))?;
    serde_json::to_string(&value).map_err(|error| thrown(&Fault::from(error)))
}

pub fn thrown(fault: &Fault) -> napi::Error {
    napi::Error::from_reason(serde_json::to_string(fault).unwrap_or_else(|_| fault.to_string()))
}
