//! The live browser: a real headless shell under the real sandbox, pages from a server of the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
mod first;
