//! The rehearsal model: a confined child that serves one inherited listener, started when a run first needs it.

use std::path::PathBuf;
use std::sync::Arc;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::PROCESS_MEMORY_BYTES_MAX;
use openwrap_contracts::model::{
    ModelCall, ModelReply, ProviderConfig, ProviderKind, TranscriptionCall, TranscriptionReply,
};
use openwrap_contracts::ports::{CancellationToken, Models, Task, TextSink};
use openwrap_contracts::spawn::{ChildControl, SpawnLabel, SpawnLimits, Spawner};
use openwrap_contracts::spend::ModelPrice;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_egress::{AllowRule, Egress};
use openwrap_models::ModelFabric;
use tokio::sync::Mutex;

use crate::node_server::NodeServer;

/// The provider's name in routes: `rehearsal/rehearsal`.
pub const REHEARSAL: &str = "rehearsal";

/// A server is not limited like a command: it lives as long as the core.
const LIFETIME_MS: u64 = 10 * 365 * 24 * 3_600_000;

/// Where the program is, and where it may be read by the tools' uid.
#[derive(Debug, Clone)]
pub struct RehearsalConfig {
    pub node: PathBuf,
    pub bundle: PathBuf,
    /// Folder for read-only programs and the child's HOME and TMPDIR.
    pub work: PathBuf,
    pub owner: Option<(u32, u32)>,
}

/// Starts the child on demand.
pub struct Rehearsal {
    config: RehearsalConfig,
    spawner: Arc<dyn Spawner>,
    egress: Arc<Egress>,
    fabric: Arc<ModelFabric>,
    running: Mutex<Option<Running>>,
    providers: std::sync::Mutex<Vec<ProviderConfig>>,
}

struct Running {
    provider: ProviderConfig,
    gone: CancellationToken,
    // Dropping it ends the child.
    _control: Arc<dyn ChildControl>,
}

impl Rehearsal {
    #[must_use]
    pub fn new(
        config: RehearsalConfig,
        spawner: Arc<dyn Spawner>,
        egress: Arc<Egress>,
        fabric: Arc<ModelFabric>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            spawner,
            egress,
            fabric,
            running: Mutex::new(None),
            providers: std::sync::Mutex::new(Vec::new()),
        })
    }

    /// Replaces the table of the person's own providers, keeping the rehearsal's.
    pub async fn set_providers(&self, providers: Vec<ProviderConfig>) {
        let running = self.running.lock().await;
        let mut all = providers.clone();
        *self.providers.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = providers;
        all.extend(running.as_ref().map(|running| running.provider.clone()));
        self.fabric.set_providers(all);
    }

    /// Starts the child unless it runs.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE`, `SPAWN_FAILED`, `MODEL_UNAVAILABLE` when it does not come up.
    pub async fn ensure(&self) -> Outcome<()> {
        let mut running = self.running.lock().await;
        if running.as_ref().is_some_and(|running| !running.gone.is_cancelled()) {
            return Ok(());
        }
        let started = self.start().await?;
        let mut all = self
            .providers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        all.push(started.provider.clone());
        self.fabric.set_providers(all);
        *running = Some(started);
        Ok(())
    }

    async fn start(&self) -> Outcome<Running> {
        let (listener, port) = self.egress.listen_loopback()?;
        let program = self.place_program().await?;
        let folder = self.config.work.join("rehearsal");
        let (home, temp) = (folder.join("home"), folder.join("tmp"));
        // Nothing in it outlives a server; one made by an earlier release is the tools' own.
        crate::folders::remove(&folder, self.config.owner).await?;
        crate::folders::make_private(&folder, &["home", "tmp"], self.config.owner).await?;
        let server = NodeServer {
            node: &self.config.node,
            program: &program,
            args: vec!["--listen-fd".to_owned(), "3".to_owned()],
            reads: &[],
            home: &home,
            temp: &temp,
            limits: SpawnLimits {
                wall_ms: LIFETIME_MS,
                cpu_ms: LIFETIME_MS,
                memory_bytes: PROCESS_MEMORY_BYTES_MAX,
                ..SpawnLimits::default()
            },
            label: SpawnLabel {
                run_id: REHEARSAL.to_owned(),
                task_id: REHEARSAL.to_owned(),
            },
            listener,
        };
        let child = self.spawner.spawn(server.request(self.spawner.as_ref())).await?;
        self.wait_ready(child, port).await
    }

    async fn wait_ready(&self, child: openwrap_contracts::spawn::Child, port: u16) -> Outcome<Running> {
        let control: Arc<dyn ChildControl> = Arc::from(child.control);
        let gone = CancellationToken::new();
        let (mut stdout, stderr) = (child.stdout.chunks, child.stderr);
        let Some(_ready) = stdout.recv().await else {
            let (said, _) = stderr.collect().await;
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            return Err(Fault::new(
                ErrorCode::ModelUnavailable,
                format!("the rehearsal model did not start: {said}"),
            ));
        };
        tokio::spawn(async move { while stdout.recv().await.is_some() {} });
        tokio::spawn(stderr.collect());
        let (watched, ended) = (Arc::downgrade(&control), gone.clone());
        tokio::spawn(async move {
            if let Some(control) = watched.upgrade() {
                let _ = control.wait().await;
            }
            ended.cancel();
        });
        let purpose = format!("model:{REHEARSAL}");
        // The port of a child that is gone may be anybody's by now.
        self.egress.replace(
            &purpose,
            &[AllowRule {
                purpose: purpose.clone(),
                host: "127.0.0.1".to_owned(),
                port,
                loopback: true,
                private: false,
            }],
        );
        let provider = ProviderConfig {
            provider_id: REHEARSAL.to_owned(),
            kind: ProviderKind::Rehearsal,
            base_url: format!("http://127.0.0.1:{port}/v1"),
            auth_ref: None,
            model_ids: vec![REHEARSAL.to_owned()],
            default_model_id: Some(REHEARSAL.to_owned()),
            prices: Vec::new(),
        };
        Ok(Running {
            provider,
            gone,
            _control: control,
        })
    }

    /// The bundle where the tools' uid can read it, named by its content and never written again.
    async fn place_program(&self) -> Outcome<PathBuf> {
        let bytes = crate::folders::read(&self.config.bundle).await?;
        let folder = self.config.work.join("programs");
        crate::folders::make_passable(&folder).await?;
        let name = format!("rehearsal-{}.mjs", &sha256_hex(&bytes)[..16]);
        crate::folders::place_read_only(&folder.join(name), bytes).await
    }
}

/// Models, with the rehearsal brought up when a route names it.
pub struct ModelsWithRehearsal {
    pub fabric: Arc<ModelFabric>,
    pub rehearsal: Option<Arc<Rehearsal>>,
}

impl Models for ModelsWithRehearsal {
    fn complete(
        &self,
        call: ModelCall,
        deltas: Arc<dyn TextSink>,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<ModelReply>> {
        Box::pin(async move {
            if let Some(rehearsal) = &self.rehearsal
                && call.request.route.split('/').next() == Some(REHEARSAL)
            {
                rehearsal.ensure().await?;
            }
            self.fabric.complete(call, deltas, cancel).await
        })
    }

    fn transcribe(&self, call: TranscriptionCall, cancel: CancellationToken) -> Task<'_, Outcome<TranscriptionReply>> {
        Box::pin(async move {
            if let Some(rehearsal) = &self.rehearsal
                && call.route.split('/').next() == Some(REHEARSAL)
            {
                rehearsal.ensure().await?;
            }
            self.fabric.transcribe(call, cancel).await
        })
    }

    fn price(&self, route: &str) -> Option<ModelPrice> {
        if route.split('/').next() == Some(REHEARSAL) {
            return Some(ModelPrice::free(REHEARSAL));
        }
        self.fabric.price(route)
    }
}
