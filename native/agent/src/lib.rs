//! Drives a run: planner, coordinator, workers. Plan → approve → dispatch → steps → complete → retire → answer.

pub mod attempt;
pub mod budget;
pub mod commit;
pub mod conversation;
pub mod desk;
pub mod engine;
pub mod finish;
pub mod follow;
pub mod journal;
pub mod message;
mod nested;
pub mod planner;
pub mod program;
pub mod prompt;
pub mod provenance;
pub mod replay;
pub mod run;
pub mod schedule;
pub mod spending;
pub mod state;
pub mod steering;
mod step;
