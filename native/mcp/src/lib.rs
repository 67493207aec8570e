//! MCP servers: confined children that offer tools. It starts them through the spawner port, holds what they offer against what a person
//! approved, and makes gateway tools of it. It must not know the ledger, the grants or who asks: the gateway decides about calls.

pub mod builtin;
mod connection;
mod definition;
mod folders;
mod inert;
mod names;
mod process;
mod result;
mod server;
mod servers;
mod tool;
mod transport;

pub use definition::{Offered, OfferedTool};
pub use names::{check_server, check_server_id};
pub use servers::{Known, McpConfig, McpServers, NewServer, Waits, Watcher};
