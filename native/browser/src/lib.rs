//! The workers' live browser: a headless Chromium found on this machine, started confined and owned here, driven over its DevTools pipe.
//!
//! One process an attempt at a task, with a profile of its own; pages reach only what the task's grants name, through the broker. Workers
//! act by the tools ([`tools`]) on refs of an accessibility snapshot; people watch and drive the same page as a session's surface. What
//! pages say is untrusted: every answer is labelled, and scripts of ours run in a world of their own.

mod acts;
mod address;
mod browser;
mod browsers;
mod cast;
mod devtools;
mod events;
mod file;
mod find;
mod keys;
mod offer;
mod outline;
mod page;
mod process;
mod reach;
mod refs;
mod roles;
mod snapshot;
mod surface;
mod text;
mod tools;

pub use browsers::{BrowserConfig, BrowserPorts, Browsers};
pub use find::{Found, find_browser};
pub use tools::tools;
