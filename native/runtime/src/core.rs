//! The open core: every part made and joined, the fold of the start page, and the way in for methods, streams and downloads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openwrap_access::{Access, Credentials};
use openwrap_agent::engine::Ports;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::method::MethodAccess;
use openwrap_contracts::ports::{CancellationToken, Clock, Gateway, Random, Tool};
use openwrap_contracts::run::DisabledFeature;
use openwrap_contracts::session::Sessions;
use openwrap_contracts::spawn::{SandboxReport, Spawner};
use openwrap_contracts::workflow::Workflow;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_egress::Egress;
use openwrap_ledger::Store;
use openwrap_models::ModelFabric;
use openwrap_sessions::SessionRegistry;
use serde::Deserialize;
use serde_json::Value;

use crate::devices::DeviceFile;
use crate::following::Following;
use crate::ground::Ground;
use crate::inspect::Turns;
use crate::labelled::KnownOrigins;
use crate::mcp::Mcp;
use crate::rehearsal::Rehearsal;
use crate::remote::Remote;
use crate::requests::Requests;
use crate::routes::RouteTable;
use crate::runs::Runs;
use crate::stream::{FrameSink, TextFrames, feed};
use crate::system::SystemRandom;

/// What the server opens the core with. Paths are absolute.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoreConfig {
    /// Data folder: ledger, vault, blobs, devices.
    pub home: PathBuf,
    /// Folder of views and private homes of tools; never below `home`.
    pub work: PathBuf,
    /// Port the server listens on; 0 when nothing listens.
    pub port: u16,
    /// Origin people open, without a trailing slash.
    pub origin: String,
    /// Token of the command line, 32 characters at least.
    pub cli_token: String,
    pub spawner_path: PathBuf,
    pub rehearsal_path: PathBuf,
    pub node_path: PathBuf,
    pub roles_dir: PathBuf,
    pub samples_dir: PathBuf,
    pub workflow: Workflow,
    #[serde(default)]
    pub disabled: Vec<DisabledFeature>,
    /// Whether runs that were cut off go on; a command that only looks leaves them to the next server.
    #[serde(default = "by_default")]
    pub take_up: bool,
    /// Bundles of our own toolkits written in TypeScript (`…/documents.mjs`), each with its definitions beside it
    /// (`documents.tools.json`).
    #[serde(default)]
    pub toolkit_paths: Vec<PathBuf>,
    /// The product's playbooks, each a folder with its `playbook.ts`.
    #[serde(default)]
    pub playbooks_dir: Option<PathBuf>,
    /// The workers' browser, when it lies where it is not looked for.
    #[serde(default)]
    pub browser_path: Option<PathBuf>,
}

fn by_default() -> bool {
    true
}

/// The tools a core serves, by name.
pub type Tools = Vec<Arc<dyn Tool>>;

/// An open core.
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) store: Arc<Store>,
    pub(crate) access: Access,
    pub(crate) ports: Ports,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) fabric: Arc<ModelFabric>,
    pub(crate) rehearsal: Arc<Rehearsal>,
    pub(crate) routes: Arc<RouteTable>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) following: Arc<Following>,
    pub(crate) requests: Requests,
    pub(crate) mcp: Mcp,
    pub(crate) sessions: Arc<SessionRegistry>,
    pub(crate) remote: Remote,
    pub(crate) turns: Turns,
    text: Arc<TextFrames>,
    pub(crate) closing: CancellationToken,
}

/// Longest wait of a closing core for the sandbox and the ledger.
const CLOSE_MS_MAX: u64 = 3_000;

impl Core {
    /// Opens ledger, vault and views, joins the parts and takes up the runs that were cut off.
    ///
    /// # Errors
    /// `ALREADY_RUNNING`, `LEDGER_BROKEN`, `STORAGE_FAILED`, `VAULT_LOCKED`, `INVALID_ARGUMENTS` (workflow, token, folders).
    pub async fn open(config: CoreConfig) -> Outcome<Arc<Self>> {
        Self::open_with(config, |tools| tools).await
    }

    /// As [`Core::open`], with the built-in tools as the host wants them: more, fewer, or wrapped.
    ///
    /// # Errors
    /// As [`Core::open`]; `ALREADY_EXISTS` for two tools of one name.
    pub async fn open_with(config: CoreConfig, tools: fn(Tools) -> Tools) -> Outcome<Arc<Self>> {
        config.workflow.validate()?;
        if config.work.starts_with(&config.home) || config.home.starts_with(&config.work) {
            return Err(Fault::invalid(
                "the work folder and the data folder must lie beside each other",
            ));
        }
        openwrap_sandbox::harden_core();
        let store = Store::open(&config.home).await?;
        let opened = Self::join(config, Arc::clone(&store), tools).await;
        if opened.is_err() {
            store.close().await;
        }
        opened
    }

    async fn join(config: CoreConfig, store: Arc<Store>, change: fn(Tools) -> Tools) -> Outcome<Arc<Self>> {
        let ground = Ground::lay(&config, &store).await?;
        let servers = ground.servers(&config).await?;
        let views = ground.views(&config, &servers)?;
        let models = ground.models(&config);
        let previews = ground.previews(&config).await?;
        let tools = ground.tools(&config, &servers, &previews);
        let gateway = ground.gateway(change(tools), &views)?;
        let text = TextFrames::new();
        let routes = RouteTable::new(&config.workflow, Arc::clone(&models.fabric));
        let following = Following::open(Arc::clone(&store)).await?;
        let origins = KnownOrigins::new(Arc::clone(&following), Arc::clone(&views));
        let ports = Ports {
            ledger: Arc::clone(&ground.ledger),
            blobs: Arc::clone(&ground.blobs),
            views,
            gateway: Arc::clone(&gateway) as Arc<dyn Gateway>,
            models: models.all,
            text: Arc::clone(&text) as _,
            clock: Arc::clone(&ground.clock),
            ids: Arc::clone(&ground.ids),
            routes: Arc::clone(&routes) as _,
            sessions: Some(Arc::clone(&ground.sessions) as Arc<dyn Sessions>),
            scripts: Arc::new(ground.scripts.clone()),
            origins,
        };
        let runs = Runs::new(
            ports.clone(),
            Arc::new(config.workflow.clone()),
            Arc::clone(&ground.engines),
        )
        .await?;
        let closing = CancellationToken::new();
        previews.follow(&runs, &*ground.ledger, closing.clone());
        let core = Arc::new(Self {
            access: open_access(&config, &ground.clock)?,
            following,
            requests: Requests::default(),
            closing,
            config,
            store,
            ports,
            spawner: ground.spawner,
            egress: ground.egress,
            fabric: models.fabric,
            rehearsal: models.rehearsal,
            routes,
            runs,
            mcp: Mcp::new(servers, gateway),
            sessions: ground.sessions,
            remote: Remote::default(),
            turns: Turns::default(),
            text,
        });
        core.begin().await?;
        Ok(core)
    }

    /// First events, providers, and what was cut off.
    async fn begin(self: &Arc<Self>) -> Outcome<()> {
        self.note(Fact::CoreStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            contracts_hash: openwrap_contracts::schema::contracts_hash()?,
        })
        .await?;
        self.load_providers().await?;
        self.load_routes().await?;
        self.load_mcp().await?;
        self.following.follow(self.closing.clone());
        if self.config.take_up && self.missing_for_runs().is_none() {
            self.take_up_runs().await;
        }
        let core = Arc::downgrade(self);
        tokio::spawn(async move {
            if let Some(core) = core.upgrade() {
                // A sandbox that cannot be probed is told by `doctor` and by the first tool that needs it.
                let _ = core.probe().await;
            }
        });
        Ok(())
    }

    async fn take_up_runs(self: &Arc<Self>) {
        let fold = self.following.fold().await;
        let Ok(fold) = fold else { return };
        for run in fold.active_runs() {
            let Some(project) = fold.projects.get(&run.project_id) else {
                continue;
            };
            let path = PathBuf::from(&project.path);
            if let Err(fault) = self.runs.take_up(&run, path).await {
                self.runs.give_up(&run, &fault).await;
            }
        }
    }

    /// What the sandbox can do here; noted when it differs from what was noted last.
    pub(crate) async fn probe(&self) -> Outcome<SandboxReport> {
        let report = self.spawner.report().await?;
        if self.following.fold().await?.sandbox() != Some(&report) {
            self.note(Fact::SandboxProbed { report: report.clone() }).await?;
        }
        Ok(report)
    }

    /// Appends a fact of the installation; returns its sequence.
    pub(crate) async fn note(&self, fact: Fact) -> Outcome<u32> {
        self.note_as(Actor::core("runtime"), None, fact).await
    }

    pub(crate) async fn note_as(&self, actor: Actor, project_id: Option<String>, fact: Fact) -> Outcome<u32> {
        let event = Event {
            at: self.ports.clock.now_ms(),
            actor,
            project_id,
            run_id: None,
            task_id: None,
            attempt: None,
            step: None,
            fact,
        };
        let stored = self.ports.ledger.append(vec![event]).await?;
        Ok(stored.last().map_or(0, |row| short(row.sequence)))
    }

    /// The newest sequence on disk.
    pub(crate) fn head_sequence(&self) -> u32 {
        short(self.ports.ledger.head().0)
    }

    /// Calls a method of the table.
    ///
    /// # Errors
    /// Any fault of the method; `NOT_FOUND` for a method the table does not have.
    pub async fn call_json(self: &Arc<Self>, method: &str, params: &str, credentials: &str) -> Outcome<Value> {
        let credentials = read_credentials(credentials)?;
        let core = Arc::clone(self);
        crate::methods::dispatch(&core, method, params, &credentials).await
    }

    /// Feeds a stream until the returned token is cancelled, or the device is signed out: a fault is its last frame then.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `INVALID_STATE` when the core is closing.
    pub fn subscribe(&self, credentials: &str, after: u64, sink: FrameSink) -> Outcome<CancellationToken> {
        let stream = self.open_stream(credentials)?;
        let closed = stream.closed.clone();
        let feed = feed(
            Arc::clone(&self.ports.ledger),
            Arc::clone(&self.text),
            Arc::clone(&self.sessions),
            after,
            Arc::clone(&sink),
            closed.clone(),
        );
        tokio::spawn(async move {
            if stream.feed(feed).await {
                stream.refuse_events(&sink).await;
            }
        });
        Ok(closed)
    }

    /// Bytes of a file: of a project, or with `runId` and `taskId` of what a task sees.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `NOT_FOUND`, `PATH_OUTSIDE`, `PROTECTED_PATH`, `LIMIT_EXCEEDED`.
    pub async fn read_file(&self, params: &str, credentials: &str) -> Outcome<Bytes> {
        self.access
            .authorize(&read_credentials(credentials)?, MethodAccess::Watch)?;
        self.wanted_file(params).await
    }

    /// Ends every child, keeps the fold, closes the ledger. Runs go on at the next start.
    pub async fn close(&self) {
        if self.closing.is_cancelled() {
            return;
        }
        self.closing.cancel();
        self.runs.shut_down().await;
        let ended = async {
            // Best effort: the spawner ends its children as well when this process is gone.
            let _ = self.spawner.stop_all().await;
            let _ = self.note(Fact::CoreStopped {}).await;
            let _ = self.following.keep().await;
        };
        let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS_MAX), ended).await;
        self.store.close().await;
    }
}

fn open_access(config: &CoreConfig, clock: &Arc<dyn Clock>) -> Outcome<Access> {
    let file = DeviceFile::new(&config.home);
    let stored = file.load()?;
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    Access::open(
        Arc::clone(clock),
        random,
        Arc::new(file),
        stored.as_deref(),
        Some(&config.cli_token),
    )
}

pub(crate) fn read_credentials(json: &str) -> Outcome<Credentials> {
    // The text may hold a secret, so what is wrong with it is not repeated.
    serde_json::from_str(json).map_err(|_| Fault::new(ErrorCode::Unauthorized, "the credentials could not be read"))
}

/// Sequences on the wire are 32 bits: four thousand million events.
pub(crate) fn short(sequence: u64) -> u32 {
    u32::try_from(sequence).unwrap_or(u32::MAX)
}
