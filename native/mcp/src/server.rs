//! One server: what was approved, what it offers now, and its processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::{MCP_IDLE_MS, MCP_PROCESSES_MAX};
use openwrap_contracts::mcp::{McpServer, McpServerState, McpStatus};
use openwrap_contracts::ports::{Ids, Vault, View};
use openwrap_contracts::spawn::Spawner;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::connection::plain;
use crate::definition::Offered;
use crate::process::{Place, Process, Scope, named, start};
use crate::servers::{McpConfig, Watcher};

/// Starts tried for one call, where the process ends before it can be asked.
const STARTS_MAX: usize = 2;

/// What every server works with.
pub struct Parts {
    pub config: McpConfig,
    pub spawner: Arc<dyn Spawner>,
    pub vault: Arc<dyn Vault>,
    pub ids: Arc<dyn Ids>,
    pub watcher: Arc<dyn Watcher>,
    pub places: Arc<Semaphore>,
}

pub struct Server {
    pub kept: McpServer,
    pub parts: Arc<Parts>,
    state: Mutex<State>,
    processes: Mutex<HashMap<Scope, Entry>>,
}

type Entry = Arc<OnceCell<Arc<Running>>>;

/// A process with its place among all.
pub struct Running {
    pub process: Process,
    /// Free as soon as the process has ended, whoever still holds this.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Running {
    /// Ends the process with all it started.
    pub async fn end(&self) {
        self.process.end().await;
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[derive(Default)]
struct State {
    approved: Option<Arc<Offered>>,
    /// As of the last look.
    offered: Option<Arc<Offered>>,
    /// It was seen to offer other definitions than were approved: nothing is usable until a person looked.
    changed: bool,
    error: Option<String>,
    log: String,
}

impl Server {
    pub fn new(
        kept: McpServer,
        approved: Option<Arc<Offered>>,
        changed: Option<Arc<Offered>>,
        parts: Arc<Parts>,
    ) -> Self {
        let state = State {
            changed: changed.is_some(),
            offered: changed.or_else(|| approved.clone()),
            approved,
            ..State::default()
        };
        Self {
            kept,
            parts,
            state: Mutex::new(state),
            processes: Mutex::new(HashMap::new()),
        }
    }

    fn id(&self) -> &str {
        &self.kept.server_id
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Scope, Entry>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The definitions a person approved, whatever the server offers since.
    pub fn approved_tools(&self) -> Option<Arc<Offered>> {
        self.state().approved.clone()
    }

    /// As a person sees it.
    pub fn shown(&self) -> McpServerState {
        let running = self
            .entries()
            .values()
            .any(|entry| entry.get().is_some_and(|running| !running.process.connection.is_over()));
        let state = self.state();
        let waits = state.changed || (state.approved.is_none() && state.offered.is_some());
        let status = match () {
            () if waits => McpStatus::WaitsForApproval,
            () if running => McpStatus::Running,
            () if state.error.is_some() => McpStatus::Failed,
            () => McpStatus::Idle,
        };
        let definitions = |offered: &Arc<Offered>| offered.tools.iter().map(|tool| tool.of(&self.kept)).collect();
        let differs = state.approved.as_ref().map(|approved| &approved.hash)
            != state.offered.as_ref().map(|offered| &offered.hash);
        McpServerState {
            server: self.kept.clone(),
            status,
            definitions_hash: state
                .offered
                .as_ref()
                .map(|offered| offered.hash.clone())
                .unwrap_or_default(),
            approved_hash: state.approved.as_ref().map(|approved| approved.hash.clone()),
            tools: state.offered.as_ref().map(definitions).unwrap_or_default(),
            refused: state
                .offered
                .as_ref()
                .map(|offered| offered.refused.clone())
                .unwrap_or_default(),
            approved_tools: state
                .approved
                .as_ref()
                .filter(|_| differs)
                .map(definitions)
                .unwrap_or_default(),
            error: state.error.clone(),
            log: state.log.clone(),
        }
    }

    /// Starts it once, reads what it offers, ends it.
    pub async fn look(&self) -> Outcome<Arc<Offered>> {
        let scope = Scope {
            run_id: format!("mcp-{}", self.id()),
            view_id: None,
        };
        let looked = async {
            let running = self.begin(&scope, None).await?;
            let offered = self.read(&running).await;
            self.state().log = running.process.connection.log();
            running.end().await;
            offered
        }
        .await;
        let mut state = self.state();
        match looked {
            Ok(offered) => {
                state.error = None;
                state.offered = Some(Arc::clone(&offered));
                Ok(offered)
            }
            Err(fault) => {
                state.error = Some(fault.message.clone());
                Err(fault)
            }
        }
    }

    async fn begin(&self, scope: &Scope, view: Option<&View>) -> Outcome<Running> {
        let parts = &self.parts;
        let full = || {
            Fault::new(
                ErrorCode::TooManyRequests,
                format!("{MCP_PROCESSES_MAX} processes of MCP servers run already"),
            )
        };
        let place = Arc::clone(&parts.places).try_acquire_owned().map_err(|_| full())?;
        let process = start(
            &self.kept,
            scope,
            view,
            Place {
                spawner: parts.spawner.as_ref(),
                vault: parts.vault.as_ref(),
                node: &parts.config.node,
                work: parts.config.work.join("mcp/homes"),
                name: parts.ids.fresh("home"),
                owner: parts.config.owner,
                waits: parts.config.waits,
            },
        )
        .await?;
        Ok(Running {
            process,
            place: Mutex::new(Some(place)),
        })
    }

    async fn read(&self, running: &Running) -> Outcome<Arc<Offered>> {
        let tools = running.process.connection.tools().await;
        let tools = tools.map_err(|fault| named(self.id(), fault))?;
        let mut listed = tools.iter().map(plain).collect::<Outcome<Vec<_>>>()?;
        // A description may name the folders of this very process.
        let shown = running.process.shown_anywhere();
        listed.iter_mut().for_each(|tool| shown.apply(tool));
        Offered::of(self.id(), listed).map(Arc::new)
    }

    /// The process for a scope, started when there is none, and known to offer what was approved.
    ///
    /// # Errors
    /// `DEFINITION_CHANGED`; what a start can fail with.
    pub async fn process(self: &Arc<Self>, scope: &Scope, view: &View) -> Outcome<Arc<Running>> {
        let approved = self.approved()?;
        for _ in 0..STARTS_MAX {
            let entry = {
                let mut entries = self.entries();
                // One that ended by itself makes room for a fresh one.
                if entries.get(scope).is_some_and(is_over) {
                    entries.remove(scope);
                }
                Arc::clone(entries.entry(scope.clone()).or_default())
            };
            let started = entry
                .get_or_try_init(|| async {
                    let running = Arc::new(self.begin(scope, Some(view)).await?);
                    if let Err(fault) = self.verify(&running, &approved).await {
                        running.end().await;
                        return Err(fault);
                    }
                    self.watch(scope.clone(), &running);
                    Ok(running)
                })
                .await;
            match started {
                Ok(running) if running.process.connection.is_over() => self.forget(scope, &entry),
                Ok(running) => {
                    self.state().error = None;
                    return Ok(Arc::clone(running));
                }
                Err(fault) => {
                    self.forget(scope, &entry);
                    self.state().error = Some(fault.message.clone());
                    return Err(fault);
                }
            }
        }
        let fault = Fault::new(ErrorCode::ExecutionFailed, "it ends as soon as it has started");
        Err(named(self.id(), fault))
    }

    fn approved(&self) -> Outcome<Arc<Offered>> {
        let state = self.state();
        match (&state.approved, state.changed) {
            (Some(approved), false) => Ok(Arc::clone(approved)),
            (Some(_), true) => Err(self.changed_fault()),
            (None, _) => Err(Fault::new(
                ErrorCode::DefinitionChanged,
                format!("nobody has approved the tools of the MCP server `{}` yet", self.id()),
            )),
        }
    }

    pub fn changed_fault(&self) -> Fault {
        Fault::new(
            ErrorCode::DefinitionChanged,
            format!(
                "the MCP server `{}` offers other tools than a person approved; it is off until they are approved",
                self.id()
            ),
        )
    }

    /// Reads the definitions and holds them against the approved ones.
    ///
    /// # Errors
    /// `DEFINITION_CHANGED`, after the change is on disk and the server's tools are gone.
    pub async fn verify(&self, running: &Running, approved: &Arc<Offered>) -> Outcome<()> {
        let offered = self.read(running).await?;
        if offered.hash == approved.hash {
            return Ok(());
        }
        {
            let mut state = self.state();
            state.changed = true;
            state.offered = Some(Arc::clone(&offered));
            state.log = running.process.connection.log();
        }
        self.parts.watcher.changed(self.id(), offered).await?;
        Err(self.changed_fault())
    }

    /// Before and after a call: whether what it said of its tools since is still what was approved.
    ///
    /// # Errors
    /// As [`Server::verify`].
    pub async fn still_approved(&self, running: &Running) -> Outcome<()> {
        let approved = self.approved()?;
        if !running.process.connection.is_stale() {
            return Ok(());
        }
        let verified = self.verify(running, &approved).await;
        if verified.is_err() {
            running.end().await;
        }
        verified
    }

    /// Ends the process when it idles, and forgets it when it is over.
    fn watch(self: &Arc<Self>, scope: Scope, running: &Arc<Running>) {
        let (server, running) = (Arc::downgrade(self), Arc::downgrade(running));
        let Some(over) = running.upgrade().map(|running| running.process.connection.over()) else {
            return;
        };
        tokio::spawn(async move {
            loop {
                let ended = tokio::time::timeout(Duration::from_millis(MCP_IDLE_MS / 4), over.cancelled()).await;
                let (Some(server), Some(process)) = (server.upgrade(), running.upgrade()) else {
                    return;
                };
                if ended.is_err() && !process.process.is_idle() {
                    continue;
                }
                let log = process.process.connection.log();
                if !log.is_empty() {
                    server.state().log = log;
                }
                let entry = server
                    .entries()
                    .get(&scope)
                    .filter(|entry| entry.get().is_some_and(|known| Arc::ptr_eq(known, &process)))
                    .map(Arc::clone);
                if let Some(entry) = entry {
                    server.forget(&scope, &entry);
                }
                process.end().await;
                return;
            }
        });
    }

    fn forget(&self, scope: &Scope, entry: &Entry) {
        let mut entries = self.entries();
        if entries.get(scope).is_some_and(|known| Arc::ptr_eq(known, entry)) {
            entries.remove(scope);
        }
    }

    /// Ends the processes whose scope is meant; answers when nothing of them is left.
    pub async fn end(&self, meant: &(dyn Fn(&Scope) -> bool + Sync)) {
        let ended: Vec<Arc<Running>> = {
            let mut entries = self.entries();
            let scopes: Vec<Scope> = entries.keys().filter(|scope| meant(scope)).cloned().collect();
            let removed = scopes.iter().filter_map(|scope| entries.remove(scope));
            removed.filter_map(|entry| entry.get().map(Arc::clone)).collect()
        };
        for running in ended {
            running.end().await;
        }
    }

    /// A person approved what it offers now.
    ///
    /// # Errors
    /// `DEFINITION_CHANGED` when that is something else, `INVALID_STATE` when it was never read.
    pub fn approve(&self, hash: &str) -> Outcome<Arc<Offered>> {
        let state = self.state();
        let offered = state.offered.as_ref().ok_or_else(|| {
            Fault::new(
                ErrorCode::InvalidState,
                format!("what the MCP server `{}` offers could not be read yet", self.id()),
            )
        })?;
        if offered.hash != hash {
            return Err(Fault::new(
                ErrorCode::DefinitionChanged,
                format!(
                    "the MCP server `{}` offers {} now, not {}",
                    self.id(),
                    offered.hash,
                    sha_only(hash)
                ),
            ));
        }
        Ok(Arc::clone(offered))
    }

    /// The approval is on disk: it counts from here on.
    pub fn approved_now(&self, offered: Arc<Offered>) {
        let mut state = self.state();
        state.approved = Some(Arc::clone(&offered));
        state.offered = Some(offered);
        state.changed = false;
        state.error = None;
    }
}

fn is_over(entry: &Entry) -> bool {
    entry.get().is_some_and(|running| running.process.connection.is_over())
}

/// What a person typed as a hash is shown only when it looks like one.
fn sha_only(hash: &str) -> &str {
    let fits = hash.len() == sha256_hex(b"").len() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits { hash } else { "what was named" }
}
