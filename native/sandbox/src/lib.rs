//! Every child process: started, confined, watched and ended by one small spawner process (`openwrap-spawner`).
//!
//! [`SandboxSpawner`] is the core's side of it: the port [`openwrap_contracts::spawn::Spawner`].

mod answers;
mod caller;
mod child;
mod disk;
mod fence;
mod filter;
mod kernel;
mod landlock;
mod launch;
mod link;
mod metadata;
mod namespaces;
mod notify;
mod outbox;
mod output;
pub mod probe;
mod profile;
mod program;
mod report;
mod resolve;
mod rights;
mod running;
mod serve;
mod sockets;
mod spawner;
mod stand_ins;
mod supervise;
mod switchboard;
mod talk;
mod terminal;
mod traps;
mod tree;
mod wire;

pub use profile::{BASE, PROFILES, PathRow, ProfileRow, RowAccess};
pub use serve::serve;
pub use spawner::{SandboxConfig, SandboxSpawner, harden_core, tools_ids};
