//! Live sessions as their users see them: screens for late joiners, leases, the worker's gate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod leases;
mod screens;
