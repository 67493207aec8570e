//! Drives a run: planner, coordinator, workers. Plan → approve → dispatch → steps → complete → retire → answer.

pub mod attempt;
pub mod commit;
pub mod conversation;
pub mod desk;
pub mod engine;
pub mod finish;
pub mod follow;
pub mod journal;
pub mod message;
pub mod planner;
pub mod prompt;
pub mod provenance;
pub mod replay;
pub mod run;
pub mod schedule;
pub mod state;
pub mod steering;
