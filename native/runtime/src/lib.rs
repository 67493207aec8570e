//! Joins the parts, nothing else. The only crate that names concrete types of the others.

pub mod overview;
pub mod replaying;
pub mod runs;
pub mod stream;
pub mod system;
