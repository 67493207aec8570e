//! What the supervisor says to the core and the spawner, and they to it: the frames of [`crate::wire`].

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which network a child has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    #[default]
    None,
    Named,
    Proxied,
}

/// A child as far as its calls need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownChild {
    pub id: u64,
    pub network: NetworkKind,
    /// Real paths below which it may change mode, times and attributes.
    pub writable: Vec<PathBuf>,
}

/// Spawner to supervisor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum SpawnerSays {
    /// The first. With it travels the descriptor that held calls are read from.
    Begin {
        /// Uid and gid of the children, when they have their own.
        tools: Option<(u32, u32)>,
        /// Whether children can be told apart by their tags.
        tags: bool,
    },
    /// Held calls cannot be served here: there is nothing to do but to outlive the spawner.
    Alone {
        /// As in [`SpawnerSays::Begin`].
        tools: Option<(u32, u32)>,
    },
    /// Answer to [`AsksSpawner::Who`].
    Known { key: u64, child: Option<KnownChild> },
    /// A child that was asked about has ended.
    Gone { id: u64 },
}

/// Supervisor to spawner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum AsksSpawner {
    /// Answer to [`SpawnerSays::Begin`].
    Ready,
    /// Whose process is this thread of? `key` is its tag, or where tags do not work the thread's number.
    Who { key: u64, thread: i32 },
}

/// What a child wants that only the core can give. With each travels one end of a connected pair, the other is the child's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Wanted {
    /// A connection to this address. `waits`: the child stands still until it stands; else it is told at once whether it is tried.
    Connection { address: SocketAddr, waits: bool },
    /// Names looked up, in DNS over TCP.
    Names,
    /// HTTP proxying.
    Proxy,
}

/// Supervisor to core.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AsksCore {
    pub child: u64,
    /// Set where an answer is waited for.
    pub request: Option<u64>,
    pub wanted: Wanted,
}

/// Core to supervisor: 0, or the error a request failed with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoreAnswers {
    pub request: u64,
    pub errno: i32,
}
