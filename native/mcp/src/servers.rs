//! All servers of the installation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openwrap_contracts::limits::{MCP_CALL_MS_MAX, MCP_PROCESSES_MAX, MCP_SERVERS_MAX, MCP_START_MS_MAX};
use openwrap_contracts::mcp::{McpServer, McpServerState};
use openwrap_contracts::ports::{Ids, Task, Tool, Vault};
use openwrap_contracts::spawn::Spawner;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::Semaphore;

use crate::builtin::{BuiltIn, Toolkit};
use crate::definition::Offered;
use crate::names::check_server;
use crate::process::Scope;
use crate::server::{Parts, Server};
use crate::tool::McpTool;

/// Where servers work.
#[derive(Debug, Clone)]
pub struct McpConfig {
    /// The tools' work folder; homes of servers and programs of our own lie below it.
    pub work: PathBuf,
    /// What `node` means as a server's command.
    pub node: PathBuf,
    /// Whose the homes are; none: the core's own.
    pub owner: Option<(u32, u32)>,
    pub waits: Waits,
}

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// From its start to the handshake, and again to its definitions.
    pub start: Duration,
    pub call: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            start: Duration::from_millis(MCP_START_MS_MAX),
            call: Duration::from_millis(MCP_CALL_MS_MAX),
        }
    }
}

/// Is told when a server offers something else than was approved.
pub trait Watcher: Send + Sync {
    /// The server's tools are refused already; answers when the fact and the definitions are on disk.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn changed(&self, server_id: &str, offered: Arc<Offered>) -> Task<'_, Outcome<()>>;
}

/// A server as the ledger knows it.
pub struct Known {
    pub server: McpServer,
    /// The definitions a person approved.
    pub approved: Option<Offered>,
    /// Others it was seen to offer since, which nobody approved yet.
    pub changed: Option<Offered>,
}

/// The servers, their processes, and the tools of those in force.
pub struct McpServers {
    parts: Arc<Parts>,
    servers: RwLock<BTreeMap<String, Arc<Server>>>,
    built_in: RwLock<Vec<BuiltIn>>,
}

impl McpServers {
    #[must_use]
    pub fn new(
        config: McpConfig,
        spawner: Arc<dyn Spawner>,
        vault: Arc<dyn Vault>,
        ids: Arc<dyn Ids>,
        watcher: Arc<dyn Watcher>,
    ) -> Arc<Self> {
        let parts = Arc::new(Parts {
            config,
            spawner,
            vault,
            ids,
            watcher,
            places: Arc::new(Semaphore::new(MCP_PROCESSES_MAX)),
        });
        Arc::new(Self {
            parts,
            servers: RwLock::default(),
            built_in: RwLock::default(),
        })
    }

    fn map(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Server>>> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self, server_id: &str) -> Outcome<Arc<Server>> {
        let found = self.map().get(server_id).map(Arc::clone);
        found.ok_or_else(|| Fault::not_found(format!("there is no MCP server `{}`", server_id.escape_debug())))
    }

    /// Takes the servers over as they are known; none is started.
    pub fn restore(&self, known: Vec<Known>) {
        let servers = known.into_iter().map(|known| {
            let approved = known.approved.map(Arc::new);
            let changed = known.changed.map(Arc::new);
            let server = Server::new(known.server, approved, changed, Arc::clone(&self.parts));
            (server.kept.server_id.clone(), Arc::new(server))
        });
        let servers = servers.collect();
        *self.servers.write().unwrap_or_else(PoisonError::into_inner) = servers;
    }

    /// Takes a toolkit of our own; its tools are approved by construction.
    ///
    /// # Errors
    /// `STORAGE_FAILED` (bundle or definitions cannot be read), `INVALID_ARGUMENTS` (they do not fit the table of built-in tools).
    pub fn add_toolkit(&self, toolkit: Toolkit) -> Task<'_, Outcome<()>> {
        Box::pin(async move {
            let made = BuiltIn::open(toolkit, &self.parts).await?;
            self.built_in.write().unwrap_or_else(PoisonError::into_inner).push(made);
            Ok(())
        })
    }

    /// Tools of our own toolkits.
    #[must_use]
    pub fn built_in_tools(&self) -> Vec<Arc<dyn Tool>> {
        let built_in = self.built_in.read().unwrap_or_else(PoisonError::into_inner);
        built_in.iter().flat_map(BuiltIn::tools).collect()
    }

    /// Tools a person approved, by server and name. Those of a server that changed since stay, so that what is offered to a model does
    /// not depend on when that was found out; a call of them is refused.
    #[must_use]
    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
        for server in self.map().values() {
            if let Some(offered) = server.approved_tools() {
                let made = offered.tools.iter().map(|tool| McpTool::of_server(server, tool));
                tools.extend(made.map(|tool| Arc::new(tool) as Arc<dyn Tool>));
            }
        }
        tools
    }

    /// Every server and its state, by id.
    #[must_use]
    pub fn list(&self) -> Vec<McpServerState> {
        self.map().values().map(|server| server.shown()).collect()
    }

    /// Whether a server may be added.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `ALREADY_EXISTS`, `LIMIT_EXCEEDED`.
    pub fn check_new(&self, server: &McpServer) -> Outcome<()> {
        check_server(server)?;
        let servers = self.map();
        if servers.contains_key(&server.server_id) {
            return Err(Fault::new(
                ErrorCode::AlreadyExists,
                format!("there is an MCP server `{}` already", server.server_id),
            )
            .with_hint("Remove it first, or choose another name."));
        }
        if servers.len() >= MCP_SERVERS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("an installation has at most {MCP_SERVERS_MAX} MCP servers"),
            ));
        }
        Ok(())
    }

    /// Starts a new server once and reads what it offers. It is kept with [`McpServers::keep`] when the ledger has it.
    ///
    /// # Errors
    /// As [`McpServers::check_new`]; what a start can fail with.
    pub fn look_at(&self, server: McpServer) -> Task<'_, Outcome<NewServer>> {
        Box::pin(async move {
            self.check_new(&server)?;
            let server = Server::new(server, None, None, Arc::clone(&self.parts));
            let offered = server.look().await?;
            Ok(NewServer(Arc::new(server), offered))
        })
    }

    /// Keeps a server that was looked at.
    ///
    /// # Errors
    /// As [`McpServers::check_new`]: another may have come meanwhile.
    pub fn keep(&self, new: NewServer) -> Outcome<McpServerState> {
        self.check_new(&new.0.kept)?;
        let state = new.0.shown();
        self.servers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(new.0.kept.server_id.clone(), new.0);
        Ok(state)
    }

    /// What a person approves with this hash.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_STATE`, `DEFINITION_CHANGED` when the server offers something else now.
    pub fn approving(&self, server_id: &str, hash: &str) -> Outcome<Arc<Offered>> {
        self.server(server_id)?.approve(hash)
    }

    /// The approval is on disk: the tools are in force.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn approved(&self, server_id: &str, offered: Arc<Offered>) -> Outcome<()> {
        self.server(server_id)?.approved_now(offered);
        Ok(())
    }

    /// Forgets a server and ends its processes.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn remove(&self, server_id: &str) -> Task<'_, Outcome<()>> {
        let removed = self
            .servers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(server_id);
        let server_id = server_id.to_owned();
        Box::pin(async move {
            let removed = removed
                .ok_or_else(|| Fault::not_found(format!("there is no MCP server `{}`", server_id.escape_debug())))?;
            removed.end(&|_| true).await;
            Ok(())
        })
    }

    /// Ends the processes that work in a view: what is left of it is whole from here on.
    pub fn end_view(&self, view_id: &str) -> Task<'_, ()> {
        let view_id = view_id.to_owned();
        Box::pin(async move { self.end(&|scope| scope.view_id.as_deref() == Some(&view_id)).await })
    }

    /// Ends the processes of a run.
    pub fn end_run(&self, run_id: &str) -> Task<'_, ()> {
        let run_id = run_id.to_owned();
        Box::pin(async move { self.end(&|scope| scope.run_id == run_id).await })
    }

    async fn end(&self, meant: &(dyn Fn(&Scope) -> bool + Sync)) {
        let servers: Vec<Arc<Server>> = {
            let built_in = self.built_in.read().unwrap_or_else(PoisonError::into_inner);
            let ours = built_in.iter().map(|made| Arc::clone(&made.server));
            self.map().values().map(Arc::clone).chain(ours).collect()
        };
        for server in servers {
            server.end(meant).await;
        }
    }
}

/// A server that was looked at and is not kept yet.
pub struct NewServer(Arc<Server>, Arc<Offered>);

impl NewServer {
    #[must_use]
    pub fn server(&self) -> &McpServer {
        &self.0.kept
    }

    /// What it offers.
    #[must_use]
    pub fn offered(&self) -> Arc<Offered> {
        Arc::clone(&self.1)
    }
}
