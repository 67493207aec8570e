//! The grant language and its decisions: allowed, asked, refused. Pure: no file, no clock, no network.

pub mod bundle;
pub mod capability;
pub mod decide;
pub mod host;
pub mod path;
pub mod visible;

pub use bundle::{bundle_of, grants_of_decision, narrowed, task_bundle};
pub use capability::Capability;
pub use decide::{
    DecideInput, Verdict, capabilities_held, capabilities_of, decide, denied_writes, refused_writes, seen_reach,
};
