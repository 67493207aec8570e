//! The tools over their port, in a view on disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod beyond;
mod files;
mod needs;
mod shell;
mod tables;
mod view;
mod workbook;
