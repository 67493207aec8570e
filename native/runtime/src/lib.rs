//! Joins the parts, nothing else. The only crate that names concrete types of the others.

mod commands;
pub mod core;
mod devices;
mod folders;
mod following;
mod inspect;
mod methods;
pub mod overview;
mod previews;
mod projects;
mod providers;
mod rehearsal;
mod replaying;
mod requests;
mod runs;
mod steering;
pub mod stream;
mod system;
mod vision;
