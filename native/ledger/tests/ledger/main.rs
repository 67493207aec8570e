//! The ledger against real files: chain, group commit, crashes, audit, blobs, vault, snapshots.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod audit;
mod blobs;
mod chain;
mod crash;
mod folder;
mod sample;
mod vault;
