//! Types, ports and tables every other part shares. Depends on nothing of ours.

pub mod ap;
pub mod aq;
pub mod ar;
pub mod at;
pub mod au;
pub mod canonical;
pub mod change;
pub mod event;
pub mod fabric;
pub mod fault;
pub mod grant;
pub mod identity;
pub mod limits;
pub mod mcp;
pub mod media;
pub mod method;
pub mod model;
pub mod network;
pub mod plan;
pub mod playbook;
pub mod ports;
pub mod protected;
pub mod record;
pub mod run;
pub mod schema;
pub mod script;
pub mod session;
pub mod spawn;
pub mod spend;
pub mod tool;
pub mod tools_user;
pub mod workflow;

pub use fault::{ErrorCode, Fault, Outcome};
