//! Pages served from a run: each by a confined child that inherits its listener and sees a copy of the folder and nothing else.
//! They live on 127.0.0.1 and other ports, never under the app's own name, and end with their run.

mod site;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::grant::{Grant, Holder};
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::PREVIEWS_MAX;
use openwrap_contracts::media::{Preview, PreviewRequest, Previews};
use openwrap_contracts::ports::{CancellationToken, Clock, EventBatch, Ids, Ledger, Task};
use openwrap_contracts::spawn::{ChildControl, SpawnLabel, SpawnLimits, Spawner};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_egress::Egress;
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::RecvError;

use crate::folders;
use crate::node_server::NodeServer;
use crate::runs::Runs;

const PROGRAM: &str = include_str!("previews/serve.mjs");
/// Longest life of a page.
const LIFETIME_MS: u64 = 24 * 3_600_000;
/// Processor time of a page's server.
const CPU_MS_MAX: u64 = 3_600_000;
const MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// From the start of a server to its first word.
const START_MS_MAX: u64 = 20_000;

/// What a page's server is started with.
#[derive(Debug, Clone)]
pub struct PreviewConfig {
    pub node: PathBuf,
    /// Folder of the copies, wiped at the start; below it only previews.
    pub folder: PathBuf,
    /// Folder of read-only programs.
    pub programs: PathBuf,
    /// Uid and gid of the children.
    pub owner: Option<(u32, u32)>,
}

/// The open pages of all runs.
pub struct PreviewServers {
    config: PreviewConfig,
    spawner: Arc<dyn Spawner>,
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    runs: OnceLock<Weak<Runs>>,
    open: Mutex<HashMap<String, Vec<Running>>>,
}

struct Running {
    folder: PathBuf,
    control: Arc<dyn ChildControl>,
}

impl PreviewServers {
    /// # Errors
    /// `STORAGE_FAILED` when what an earlier core left cannot be removed.
    pub async fn new(
        config: PreviewConfig,
        spawner: Arc<dyn Spawner>,
        egress: Arc<Egress>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Outcome<Arc<Self>> {
        folders::remove(&config.folder, config.owner).await?;
        folders::make_passable(&config.folder).await?;
        Ok(Arc::new(Self {
            config,
            spawner,
            egress,
            clock,
            ids,
            runs: OnceLock::new(),
            open: Mutex::default(),
        }))
    }

    /// Joins the runs whose pages these are, and ends each page with its run.
    pub fn follow(self: &Arc<Self>, runs: &Arc<Runs>, ledger: &dyn Ledger, closing: CancellationToken) {
        let _ = self.runs.set(Arc::downgrade(runs));
        let (mut tail, servers) = (ledger.tail(), Arc::clone(self));
        tokio::spawn(async move {
            loop {
                let batch = tokio::select! {
                    () = closing.cancelled() => return,
                    batch = tail.recv() => batch,
                };
                match batch {
                    Ok(batch) => servers.close_finished(&batch).await,
                    Err(RecvError::Lagged(_)) => servers.close_dead().await,
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    async fn close_finished(&self, batch: &EventBatch) {
        if self.open.lock().await.is_empty() {
            return;
        }
        for row in batch.iter() {
            let Ok(event) = Event::from_bytes(&row.bytes) else {
                continue;
            };
            if let (Fact::RunFinished { .. }, Some(run_id)) = (&event.fact, &event.run_id) {
                self.close(run_id).await;
            }
        }
    }

    async fn close_dead(&self) {
        let Some(runs) = self.runs.get().and_then(Weak::upgrade) else {
            return;
        };
        let open: Vec<String> = self.open.lock().await.keys().cloned().collect();
        for run_id in open.iter().filter(|run_id| !runs.is_live(run_id)) {
            self.close(run_id).await;
        }
    }

    /// Ends the pages of a run.
    pub async fn close(&self, run_id: &str) {
        let ended = self.open.lock().await.remove(run_id).unwrap_or_default();
        for page in ended {
            page.control.kill();
            let _ = page.control.wait().await;
            // What stays is wiped at the next start.
            let _ = folders::remove(&page.folder, self.config.owner).await;
        }
    }

    async fn serve_now(&self, request: PreviewRequest, cancel: CancellationToken) -> Outcome<Preview> {
        // Held throughout, so that the count stands.
        let mut open = self.open.lock().await;
        let pages = open.get(&request.run_id).map_or(0, Vec::len);
        if pages >= PREVIEWS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("this run serves {PREVIEWS_MAX} pages already"),
            ));
        }
        let (listener, port) = match request.port {
            None => self.egress.listen_loopback()?,
            Some(port) => self.egress.listen_loopback_on(port)?,
        };
        let folder = self.config.folder.join(self.ids.fresh("page"));
        let served = self.start(&request, &folder, listener, port, cancel).await;
        let (control, copied) = match served {
            Ok(served) => served,
            Err(fault) => {
                folders::remove(&folder, self.config.owner).await?;
                return Err(fault);
            }
        };
        let url = format!("http://127.0.0.1:{port}/");
        let noted = self.note(&request, &url, port).await;
        if let Err(fault) = noted {
            control.kill();
            folders::remove(&folder, self.config.owner).await?;
            return Err(fault);
        }
        open.entry(request.run_id)
            .or_default()
            .push(Running { folder, control });
        Ok(Preview {
            url,
            files: copied.files,
            bytes: copied.bytes,
        })
    }

    async fn start(
        &self,
        request: &PreviewRequest,
        folder: &std::path::Path,
        listener: std::os::fd::OwnedFd,
        port: u16,
        cancel: CancellationToken,
    ) -> Outcome<(Arc<dyn ChildControl>, site::Copied)> {
        let owner = self.config.owner;
        folders::make_private(folder, &["pages", "home", "tmp"], owner).await?;
        let (pages, home, temp) = (folder.join("pages"), folder.join("home"), folder.join("tmp"));
        let (root, path, target) = (request.root.clone(), request.path.clone(), pages.clone());
        let copied = tokio::task::spawn_blocking(move || site::copy(&root, &path, &target, owner)).await;
        let copied = copied.map_err(|error| Fault::internal(format!("copying broke off: {error}")))??;
        let program = self.place_program().await?;
        let server = NodeServer {
            node: &self.config.node,
            program: &program,
            args: vec![pages.to_string_lossy().into_owned(), port.to_string()],
            reads: &[&pages],
            home: &home,
            temp: &temp,
            limits: SpawnLimits {
                wall_ms: LIFETIME_MS,
                cpu_ms: CPU_MS_MAX,
                memory_bytes: MEMORY_BYTES_MAX,
                ..SpawnLimits::default()
            },
            label: SpawnLabel {
                run_id: request.run_id.clone(),
                task_id: request.step.task_id.clone(),
            },
            listener,
        };
        let child = self.spawner.spawn(server.request(self.spawner.as_ref())).await?;
        let control: Arc<dyn ChildControl> = Arc::from(child.control);
        let (mut stdout, stderr) = (child.stdout.chunks, child.stderr);
        let ready = tokio::select! {
            () = cancel.cancelled() => return Err(Fault::canceled()),
            ready = tokio::time::timeout(std::time::Duration::from_millis(START_MS_MAX), stdout.recv()) => ready,
        };
        if !matches!(ready, Ok(Some(_))) {
            control.kill();
            let (said, _) = stderr.collect().await;
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            return Err(Fault::new(
                ErrorCode::SpawnFailed,
                format!("the page's server did not start: {said}"),
            ));
        }
        tokio::spawn(async move { while stdout.recv().await.is_some() {} });
        tokio::spawn(stderr.collect());
        Ok((control, copied))
    }

    /// The page and what follows from it: whoever may serve a page in a run may have the run's browser look at it.
    async fn note(&self, request: &PreviewRequest, url: &str, port: u16) -> Outcome<()> {
        let runs = self.runs.get().and_then(Weak::upgrade);
        let runs = runs.ok_or_else(|| Fault::new(ErrorCode::InvalidState, "the core is closing"))?;
        let grant = Grant {
            // As one given beforehand: a replay, which serves nothing, has it from the start.
            grant_id: format!("given-page-{port}"),
            capability: format!("browser:http://127.0.0.1:{port}"),
            holder: Holder::Run {
                run_id: request.run_id.clone(),
            },
            issued_at: self.clock.now_ms(),
            expires_at: None,
            approval_id: None,
        };
        let opened = Fact::PreviewOpened {
            url: url.to_owned(),
            path: request.path.clone(),
        };
        let place: &StepRef = &request.step;
        runs.note_at(&request.run_id, place, vec![opened, Fact::GrantIssued { grant }])
            .await
    }

    async fn place_program(&self) -> Outcome<PathBuf> {
        folders::make_passable(&self.config.programs).await?;
        let name = format!("preview-{}.mjs", &sha256_hex(PROGRAM.as_bytes())[..16]);
        folders::place_read_only(&self.config.programs.join(name), PROGRAM.as_bytes().to_vec()).await
    }
}

impl Previews for PreviewServers {
    fn serve(&self, request: PreviewRequest, cancel: CancellationToken) -> Task<'_, Outcome<Preview>> {
        Box::pin(self.serve_now(request, cancel))
    }
}
