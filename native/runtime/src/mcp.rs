//! MCP servers of the installation: kept in the ledger, joined with the gateway, ended with the views and runs they work for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use openwrap_agent::engine::Ports;
use openwrap_agent::state::{RunState, StepState};
use openwrap_contracts::canonical::Hashed;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::method::{McpAddParams, McpApproveParams, McpList, McpParams};
use openwrap_contracts::model::{ModelRequest, ToolOffer};
use openwrap_contracts::ports::{Blobs, Clock, Gateway, Ids, Ledger, Named, Task, Vault};
use openwrap_contracts::spawn::Spawner;
use openwrap_contracts::{Fault, Outcome};
use openwrap_gateway::ToolGatewayCore;
use openwrap_mcp::builtin::Toolkit;
use openwrap_mcp::{Known, McpConfig, McpServers, Offered, Watcher};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::core::Core;
use crate::folders;
use crate::methods::{Call, caller, done, written};
use crate::overview::KeptMcp;

/// Where the CLI puts packages it installs, below the work folder: the only place there a server may be granted.
const PACKAGES: &str = "mcp/packages";
const HOMES: &str = "mcp/homes";

/// The servers and the gateway that offers their tools.
pub struct Mcp {
    pub servers: Arc<McpServers>,
    gateway: Arc<ToolGatewayCore>,
    /// One change of the list at a time.
    changing: Mutex<()>,
}

/// Everything the servers are made with.
pub struct McpParts {
    pub config: McpConfig,
    pub toolkits: Vec<Toolkit>,
    pub spawner: Arc<dyn Spawner>,
    pub vault: Arc<dyn Vault>,
    pub ids: Arc<dyn Ids>,
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn Blobs>,
    pub clock: Arc<dyn Clock>,
}

/// Writes changes of definitions down.
struct Notes {
    ledger: Arc<dyn Ledger>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
}

impl Notes {
    async fn keep(&self, actor: Actor, offered: &Offered, facts: Vec<Fact>) -> Outcome<()> {
        let at = self.clock.now_ms();
        let event = |fact| Event {
            at,
            actor: actor.clone(),
            project_id: None,
            run_id: None,
            task_id: None,
            attempt: None,
            step: None,
            fact,
        };
        let events = facts.into_iter().map(event).collect();
        let named = Named::new(&*self.blobs, vec![Hashed::new(offered.bytes.clone())]);
        self.ledger.append_with(named, events).await.map(|_| ())
    }
}

impl Watcher for Notes {
    fn changed(&self, server_id: &str, offered: Arc<Offered>) -> Task<'_, Outcome<()>> {
        let fact = Fact::McpServerChanged {
            server_id: server_id.to_owned(),
            definitions_hash: offered.hash.clone(),
        };
        Box::pin(async move { self.keep(Actor::core("mcp"), &offered, vec![fact]).await })
    }
}

/// The servers with our own toolkits, before there is a gateway.
///
/// # Errors
/// `STORAGE_FAILED`, `INTERNAL` for a toolkit the build did not finish.
pub async fn servers(parts: McpParts) -> Outcome<Arc<McpServers>> {
    // Left by processes of an earlier start, none of which lives.
    let _ = folders::remove(&parts.config.work.join(HOMES), parts.config.owner).await;
    let notes = Notes {
        ledger: parts.ledger,
        blobs: parts.blobs,
        clock: parts.clock,
    };
    let servers = McpServers::new(parts.config, parts.spawner, parts.vault, parts.ids, Arc::new(notes));
    for toolkit in parts.toolkits {
        servers.add_toolkit(toolkit).await?;
    }
    Ok(servers)
}

/// A toolkit by the path of its bundle: its definitions lie beside it.
pub fn toolkit(bundle: &Path) -> Option<Toolkit> {
    let name = bundle.file_stem()?.to_str()?.to_owned();
    Some(Toolkit {
        definitions: bundle.with_file_name(format!("{name}.tools.json")),
        bundle: bundle.to_path_buf(),
        name,
    })
}

impl Mcp {
    pub fn new(servers: Arc<McpServers>, gateway: Arc<ToolGatewayCore>) -> Self {
        Self {
            servers,
            gateway,
            changing: Mutex::new(()),
        }
    }

    /// Takes up the servers as the ledger has them; none is started.
    ///
    /// # Errors
    /// `NOT_FOUND`, `LEDGER_BROKEN`, `STORAGE_FAILED`: definitions that cannot be read.
    pub async fn restore(&self, kept: Vec<KeptMcp>, blobs: &dyn Blobs) -> Outcome<()> {
        let mut known = Vec::with_capacity(kept.len());
        for kept in kept {
            let id = kept.server.server_id.clone();
            known.push(Known {
                approved: definitions(&id, kept.approved, blobs).await?,
                changed: definitions(&id, kept.changed, blobs).await?,
                server: kept.server,
            });
        }
        self.servers.restore(known);
        self.offer();
        Ok(())
    }

    /// Tells the gateway which tools there are.
    fn offer(&self) {
        // What it does not take shares its wire name with another tool, and is not offered for that reason alone.
        let _ = self.gateway.set_guests(self.servers.tools());
    }
}

async fn definitions(server_id: &str, hash: Option<String>, blobs: &dyn Blobs) -> Outcome<Option<Offered>> {
    let Some(hash) = hash else { return Ok(None) };
    Offered::read(server_id, &blobs.get(&hash).await?).map(Some)
}

impl Core {
    /// Servers as the ledger has them.
    pub(crate) async fn load_mcp(&self) -> Outcome<()> {
        let kept = self.following.look(|fold| fold.mcp.values().cloned().collect()).await?;
        self.mcp.restore(kept, self.ports.blobs.as_ref()).await
    }

    /// The ports of a replay: tools of MCP servers as the record offered them, none of which runs.
    pub(crate) async fn replay_ports(&self, state: &RunState) -> Outcome<Ports> {
        let mut offers: BTreeMap<String, ToolOffer> = BTreeMap::new();
        for attempt in state.attempts.values() {
            let model = attempt.steps.values().find_map(|step| match step {
                StepState::Model { request_hash, .. } => Some(request_hash),
                StepState::Tool(_) => None,
            });
            let Some(hash) = model else { continue };
            let request: ModelRequest = serde_json::from_slice(&self.ports.blobs.get(hash).await?)?;
            for offer in request.tools {
                offers.entry(offer.name.clone()).or_insert(offer);
            }
        }
        let mut ports = self.ports.clone();
        ports.gateway = Arc::new(self.mcp.gateway.for_replay(offers.into_values().collect())) as Arc<dyn Gateway>;
        Ok(ports)
    }

    /// A granted path is never Open Wrap's own, nor holds it.
    async fn check_grants(&self, server: &McpServer) -> Outcome<()> {
        let packages = self.config.work.join(PACKAGES);
        for grant in &server.grants {
            let Some((kind, path)) = grant.split_once(':') else {
                continue;
            };
            let path = folders::real(Path::new(path)).await?;
            let package = path.starts_with(&packages) && path != packages && kind == "read";
            if !package {
                self.refuse_own_folders(&path).await?;
            }
        }
        Ok(())
    }
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome<Value> {
    written(&McpList {
        servers: call.core.mcp.servers.list(),
    })
}

pub(crate) async fn add(call: &Call<'_>) -> Outcome<Value> {
    let params: McpAddParams = call.read()?;
    let request_id = params.request_id.clone();
    let work = add_once(call, params);
    call.core
        .requests
        .once(caller(&call.actor), "mcp.add", &request_id, work)
        .await
}

async fn add_once(call: &Call<'_>, params: McpAddParams) -> Outcome<Value> {
    let core = call.core;
    let mut command = params.command.into_iter();
    let server = McpServer {
        server_id: params.server_id,
        command: command.next().unwrap_or_default(),
        args: command.collect(),
        env: params.env,
        package: params.package,
        grants: params.grants,
    };
    let _changing = core.mcp.changing.lock().await;
    core.mcp.servers.check_new(&server)?;
    core.check_grants(&server).await?;
    let new = core.mcp.servers.look_at(server).await?;
    let offered = new.offered();
    let facts = vec![
        Fact::McpServerAdded {
            server: new.server().clone(),
        },
        Fact::McpServerChanged {
            server_id: new.server().server_id.clone(),
            definitions_hash: offered.hash.clone(),
        },
    ];
    core.mcp_notes().keep(call.actor.clone(), &offered, facts).await?;
    written(&core.mcp.servers.keep(new)?)
}

pub(crate) async fn approve(call: &Call<'_>) -> Outcome<Value> {
    let params: McpApproveParams = call.read()?;
    let work = async {
        let core = call.core;
        let _changing = core.mcp.changing.lock().await;
        let offered = core
            .mcp
            .servers
            .approving(&params.server_id, &params.definitions_hash)?;
        let fact = Fact::McpServerApproved {
            server_id: params.server_id.clone(),
            definitions_hash: offered.hash.clone(),
        };
        core.mcp_notes().keep(call.actor.clone(), &offered, vec![fact]).await?;
        core.mcp.servers.approved(&params.server_id, offered)?;
        core.mcp.offer();
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "mcp.approve", &params.request_id, work)
        .await
}

pub(crate) async fn remove(call: &Call<'_>) -> Outcome<Value> {
    let params: McpParams = call.read()?;
    let work = async {
        let core = call.core;
        let _changing = core.mcp.changing.lock().await;
        let list = core.mcp.servers.list();
        let known = list.iter().find(|state| state.server.server_id == params.server_id);
        let known = known
            .ok_or_else(|| Fault::not_found(format!("there is no MCP server `{}`", params.server_id.escape_debug())))?;
        let fact = Fact::McpServerRemoved {
            server_id: params.server_id.clone(),
        };
        core.note_as(call.actor.clone(), None, fact).await?;
        core.forget_secrets(call, &known.server).await?;
        core.mcp.servers.remove(&params.server_id).await?;
        core.mcp.offer();
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "mcp.remove", &params.request_id, work)
        .await
}

impl Core {
    /// Secrets that were stored for this server alone go with it.
    async fn forget_secrets(&self, call: &Call<'_>, server: &McpServer) -> Outcome<()> {
        let own = format!("mcp:{}:", server.server_id);
        let named = server
            .env
            .iter()
            .filter_map(|variable| variable.value.strip_prefix("secret:"));
        for name in named.filter(|name| name.starts_with(&own)) {
            if self.store.vault().remove(name).await? {
                let fact = Fact::SecretRemoved { name: name.to_owned() };
                self.note_as(call.actor.clone(), None, fact).await?;
            }
        }
        Ok(())
    }

    fn mcp_notes(&self) -> Notes {
        Notes {
            ledger: Arc::clone(&self.ports.ledger),
            blobs: Arc::clone(&self.ports.blobs),
            clock: Arc::clone(&self.ports.clock),
        }
    }
}
