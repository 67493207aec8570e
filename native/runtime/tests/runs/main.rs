//! Whole runs through the open core: real ledger, views, gateway and tools; a model played over HTTP. One binary, so that
//! the core is linked once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod budgets;
mod determinism;
mod devices;
mod files;
mod labels;
mod models;
mod person;
mod planted;
mod playbooks;
mod servers;
mod steering;
mod undo;
mod world;
