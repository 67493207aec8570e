//! Joins the parts, nothing else. The only crate that names concrete types of the others.

mod audit;
mod admission;
mod browsing;
mod changes;
mod commands;
pub mod core;
mod devices;
mod files;
mod folders;
mod following;
mod ground;
mod inspect;
mod library;
mod mcp;
mod methods;
mod networks;
mod node_server;
mod open_streams;
pub mod overview;
mod preview;
mod previews;
mod projects;
mod providers;
mod rehearsal;
mod remote;
mod replaying;
mod requests;
mod runs;
mod server_views;
pub mod sessions;
mod steering;
pub mod stream;
mod system;
mod uploads;
mod vision;

pub use system::SystemClock;
