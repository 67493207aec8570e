//! What every part of a core stands on, and the parts made from it.

use std::sync::Arc;

use openwrap_contracts::Outcome;
use openwrap_contracts::ports::{Blobs, Clock, Ids, Ledger, Models, Vault, Views};
use openwrap_contracts::session::Sessions;
use openwrap_contracts::spawn::Spawner;
use openwrap_egress::Egress;
use openwrap_gateway::ToolGatewayCore;
use openwrap_ledger::Store;
use openwrap_mcp::{McpConfig, McpServers, Waits};
use openwrap_models::ModelFabric;
use openwrap_sandbox::{SandboxConfig, SandboxSpawner};
use openwrap_sessions::{ScreenTerminals, SessionRegistry};
use openwrap_toolbox::{ShellPorts, ToolboxConfig};
use openwrap_views::{ViewConfig, ViewStore};

use crate::core::{CoreConfig, Tools};
use crate::folders;
use crate::hearing::ModelHearing;
use crate::live::LiveEngines;
use crate::mcp::McpParts;
use crate::networks::GrantedNetworks;
use crate::previews::{PreviewConfig, PreviewServers};
use crate::rehearsal::{ModelsWithRehearsal, Rehearsal, RehearsalConfig};
use crate::server_views::ServerViews;
use crate::system::{SystemClock, SystemIds};
use crate::vision::ModelVision;

/// Ledger, sandbox, egress and sessions: needed by all the others.
pub(crate) struct Ground {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub store: Arc<Store>,
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn Blobs>,
    /// Uid and gid of the tools' processes, when they have their own.
    owner: Option<(u32, u32)>,
    pub spawner: Arc<dyn Spawner>,
    pub egress: Arc<Egress>,
    pub sessions: Arc<SessionRegistry>,
    pub engines: Arc<LiveEngines>,
    pub scripts: openwrap_script::Engine,
}

/// Every way to a model.
pub(crate) struct ModelParts {
    pub fabric: Arc<ModelFabric>,
    pub rehearsal: Arc<Rehearsal>,
    pub all: Arc<dyn Models>,
}

impl Ground {
    pub async fn lay(config: &CoreConfig, store: &Arc<Store>) -> Outcome<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn Ids> = Arc::new(SystemIds);
        let ledger = store.ledger();
        let owner = openwrap_sandbox::tools_ids();
        folders::make_passable(&config.work).await?;
        let spawner = SandboxSpawner::start(SandboxConfig {
            spawner_program: config.spawner_path.clone(),
            work: config.work.clone(),
            tools_ids: owner,
            accept_weak: false,
        })?;
        let egress = Egress::new(Arc::clone(&ledger), Arc::clone(&clock))?;
        egress.forbid_own(config.port);
        Ok(Self {
            sessions: SessionRegistry::new(Arc::clone(&ledger), Arc::clone(&clock), Arc::clone(&ids)),
            blobs: store.blobs(),
            store: Arc::clone(store),
            clock,
            ids,
            ledger,
            owner,
            spawner,
            egress,
            engines: Arc::default(),
            scripts: openwrap_script::Engine::default(),
        })
    }

    pub async fn servers(&self, config: &CoreConfig) -> Outcome<Arc<McpServers>> {
        crate::mcp::servers(McpParts {
            config: McpConfig {
                work: config.work.clone(),
                node: config.node_path.clone(),
                owner: self.owner,
                waits: Waits::default(),
            },
            toolkits: config
                .toolkit_paths
                .iter()
                .filter_map(|path| crate::mcp::toolkit(path))
                .collect(),
            spawner: Arc::clone(&self.spawner),
            vault: self.store.vault() as Arc<dyn Vault>,
            ids: Arc::clone(&self.ids),
            ledger: Arc::clone(&self.ledger),
            blobs: Arc::clone(&self.blobs),
            clock: Arc::clone(&self.clock),
        })
        .await
    }

    /// Views whose servers end with them.
    pub fn views(&self, config: &CoreConfig, servers: &Arc<McpServers>) -> Outcome<Arc<dyn Views>> {
        let views = ViewStore::new(ViewConfig {
            work: config.work.join("views"),
            bases: config.work.join("bases"),
            blobs: Arc::clone(&self.blobs),
            tools_owner: self.owner,
        })?;
        Ok(Arc::new(ServerViews {
            views: Arc::new(views),
            servers: Arc::clone(servers),
        }))
    }

    pub fn models(&self, config: &CoreConfig) -> ModelParts {
        let fabric = ModelFabric::new(Arc::clone(&self.egress) as _, self.store.vault() as Arc<dyn Vault>);
        let rehearsal = Rehearsal::new(
            rehearsal_config(config, self.owner),
            Arc::clone(&self.spawner),
            Arc::clone(&self.egress),
            Arc::clone(&fabric),
        );
        let all = Arc::new(ModelsWithRehearsal {
            fabric: Arc::clone(&fabric),
            rehearsal: Some(Arc::clone(&rehearsal)),
        });
        ModelParts { fabric, rehearsal, all }
    }

    pub async fn previews(&self, config: &CoreConfig) -> Outcome<Arc<PreviewServers>> {
        PreviewServers::new(
            preview_config(config, self.owner),
            Arc::clone(&self.spawner),
            Arc::clone(&self.egress),
            Arc::clone(&self.clock),
            Arc::clone(&self.ids),
        )
        .await
    }

    /// Every built-in tool.
    pub fn tools(&self, config: &CoreConfig, servers: &Arc<McpServers>, previews: &Arc<PreviewServers>) -> Tools {
        let sessions = || Arc::clone(&self.sessions) as Arc<dyn Sessions>;
        let shells = ShellPorts {
            sessions: sessions(),
            terminals: Arc::new(ScreenTerminals),
        };
        let toolbox = ToolboxConfig {
            tools_owner: self.owner,
        };
        let vision = ModelVision {
            engines: Arc::clone(&self.engines),
        };
        let hearing = ModelHearing {
            engines: Arc::clone(&self.engines),
        };
        let mut tools = openwrap_toolbox::tools_with_terminals(Arc::clone(&self.spawner), toolbox, shells);
        tools.extend(openwrap_toolbox::reaching_tools(
            Arc::new(vision),
            Arc::new(hearing),
            Arc::clone(previews) as _,
        ));
        tools.push(Arc::new(openwrap_script::CodeRun::new(self.scripts.clone())));
        tools.extend(servers.built_in_tools());
        tools.extend(crate::browsing::browser_tools(
            config,
            self.owner,
            Arc::clone(&self.spawner),
            self.egress.brokers(),
            sessions(),
        ));
        tools
    }

    pub fn gateway(&self, tools: Tools, views: &Arc<dyn Views>) -> Outcome<Arc<ToolGatewayCore>> {
        let networks = GrantedNetworks {
            brokers: self.egress.brokers(),
            clock: Arc::clone(&self.clock),
        };
        let gateway = ToolGatewayCore::new(
            tools,
            Arc::clone(views),
            Arc::clone(&self.blobs),
            Arc::clone(&self.clock),
        )?;
        Ok(Arc::new(gateway.with_networks(Arc::new(networks))))
    }
}

fn rehearsal_config(config: &CoreConfig, owner: Option<(u32, u32)>) -> RehearsalConfig {
    RehearsalConfig {
        node: config.node_path.clone(),
        bundle: config.rehearsal_path.clone(),
        work: config.work.clone(),
        owner,
    }
}

fn preview_config(config: &CoreConfig, owner: Option<(u32, u32)>) -> PreviewConfig {
    PreviewConfig {
        node: config.node_path.clone(),
        folder: config.work.join("previews"),
        programs: config.work.join("programs"),
        owner,
    }
}
