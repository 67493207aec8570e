//! The ledger: one libsql database of events chained by hash, the blobs they name, the vault of secrets, snapshots of
//! the fold, and the audit that recomputes all of it.
//!
//! Data folder: `ledger.db` (events, blobs up to `BLOB_INLINE_BYTES_MAX`), `blobs/ab/cdef…` (larger ones), `head`
//! (newest sequence and hash), `vault.json` and `vault.key`, `snapshots/`, `ledger.lock` (held by the one writer).
// This crate owns the data folder: files, threads and durations are its trade.
#![allow(clippy::disallowed_methods)]

mod audit;
mod blob_files;
mod blobs;
mod chain;
mod db;
mod events;
mod head;
mod persistence;
mod private_files;
mod queue;
mod readers;
mod records;
mod schema;
mod seal;
mod snapshot;
mod store;
mod vault;
mod writer;

pub use audit::verify_file;
pub use persistence::PersistenceStore;
pub use records::{Records, export};
pub use store::Store;
pub use vault::VaultKeeper;
