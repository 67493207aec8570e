//! The N-API face: few functions, JSON text or ready-made frames. Knows nothing the runtime does not.
// Outside Node nothing is registered, so nothing is used.
#![cfg_attr(test, allow(dead_code))]

mod crossing;
mod fabric;
mod gateway;
mod persistence;
mod runtime;
mod session;
mod toolkit;
mod workforce;

/// A step of an agent makes and drops thousands of small values: a tenth of its processor time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// SHA-256 of the contracts this addon was built from.
#[napi_derive::napi]
#[must_use]
pub fn contracts_hash() -> String {
    openwrap_contracts::schema::contracts_hash().unwrap_or_default()
}
