//! Tests of the workforce by requirement of `tests/tracks/track-ap-workforce-orchestrator.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod conductor;
mod model;
mod program;
mod rules;
mod seeds;
