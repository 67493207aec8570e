//! The order of work: the AP orchestrator and the conductor of a run, on one scheduler. No I/O, no clock, no randomness.

pub mod conductor;
mod failure;
mod graph;
pub mod orchestrator;
mod scheduler;
pub mod simulation;

pub use orchestrator::WorkforceOrchestrator;
