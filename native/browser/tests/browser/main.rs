//! The live browser: a real headless shell under the real sandbox, pages from a server of the test, connections by the real broker.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr
)]

mod acting;
mod driving;
mod reaching;
mod reading;
mod world;
