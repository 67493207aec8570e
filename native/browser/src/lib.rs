//! The workers' live browser: found, started and owned here, driven over the DevTools pipe.
#![allow(dead_code)]

mod address;
mod devtools;
mod find;
mod text;

pub use find::{Found, find_browser};
