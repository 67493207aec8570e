//! Entry `agent-workforce`: the orchestrator of track AP over the core the runtime uses. Values cross as JSON text.

use napi_derive::napi;
use openwrap_contracts::{Fault, Outcome};
use openwrap_workforce::WorkforceOrchestrator as Orchestrator;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Thin face over the Rust orchestrator: same rules, no second implementation.
#[napi]
pub struct WorkforceOrchestrator {
    inner: Orchestrator,
}

fn read<T: DeserializeOwned>(json: &str) -> napi::Result<T> {
    serde_json::from_str(json).map_err(|error| thrown(&Fault::from(error)))
}

fn write<T: Serialize>(outcome: Outcome<T>) -> napi::Result<String> {
    let value = outcome.map_err(|fault| thrown(&fault))?;
    serde_json::to_string(&value).map_err(|error| thrown(&Fault::from(error)))
}

fn thrown(fault: &Fault) -> napi::Error {
    napi::Error::from_reason(serde_json::to_string(fault).unwrap_or_else(|_| fault.to_string()))
}
