//! The class of track AU over the same store the product uses: what is kept becomes events of the chain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use openwrap_contracts::au::{
    ExportBundle, ModelEvent, PersistedRecord, PersistenceConfig, PersistenceFilter, RunStatus, SecretRecord, TaskRun,
    ToolEvent, WorkspaceEvent,
};
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::ports::Vault;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use zeroize::Zeroizing;

use crate::records::Records;
use crate::store::{DATABASE_FILE, Store};

/// Bytes of an id.
const ID_BYTES_MAX: usize = 256;

/// Runs, calls, sessions and secrets in a data folder. Nothing is ever overwritten: a change is an event more.
pub struct PersistenceStore {
    home: PathBuf,
    key_file: Option<PathBuf>,
    open: tokio::sync::Mutex<Option<Arc<Store>>>,
    records: Mutex<Records>,
}

impl PersistenceStore {
    /// # Errors
    /// `INVALID_ARGUMENTS`: `dbPath` is no absolute path ending in `ledger.db`, or `encryptionKeyRef` is no `file:` with an absolute
    /// path outside that folder.
    pub fn new(config: &PersistenceConfig) -> Outcome<Self> {
        let sound =
            config.db_path.is_absolute() && config.db_path.file_name().is_some_and(|name| name == DATABASE_FILE);
        let home = config.db_path.parent().filter(|_| sound).ok_or_else(|| {
            Fault::invalid(format!(
                "dbPath is an absolute path that ends in /{DATABASE_FILE}, not {}",
                config.db_path.display()
            ))
        })?;
        let key_file = config
            .encryption_key_ref
            .as_deref()
            .map(|key| key_file(key, home))
            .transpose()?;
        Ok(Self {
            home: home.to_owned(),
            key_file,
            open: tokio::sync::Mutex::new(None),
            records: Mutex::new(Records::default()),
        })
    }

    /// Opens the folder, or makes it: migrations run in order, and again change nothing. A second call does nothing.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open(&self) -> Outcome<()> {
        let mut open = self.open.lock().await;
        if open.is_none() {
            let store = Store::open_with_key(&self.home, self.key_file.as_deref()).await?;
            let records = Records::read(&*store.ledger()).await?;
            *self.records() = records;
            *open = Some(store);
        }
        Ok(())
    }

    /// Gives the folder free; what was kept stays.
    pub async fn close(&self) {
        if let Some(store) = self.open.lock().await.take() {
            store.close().await;
        }
    }

    /// Keeps a run; one with its id is replaced.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `INVALID_STATE` (not open), `STORAGE_FAILED`.
    pub async fn save_task_run(&self, run: TaskRun) -> Outcome<()> {
        check_id("runId", &run.run_id)?;
        check_times(run.started_at, run.ended_at)?;
        self.keep(|_| Ok(Some(PersistedRecord::TaskRun { run }))).await
    }

    /// # Errors
    /// `NOT_FOUND` (no such run), `INVALID_STATE` (not open, or the run has ended otherwise), `STORAGE_FAILED`.
    pub async fn update_task_run_status(
        &self,
        run_id: String,
        status: RunStatus,
        ended_at: Option<i64>,
    ) -> Outcome<()> {
        self.keep(|records| {
            let run = records
                .run(&run_id)
                .ok_or_else(|| Fault::not_found(format!("no run has the id {run_id}")))?;
            let ended = matches!(
                run.status,
                RunStatus::Completed | RunStatus::Failed | RunStatus::Canceled
            );
            if ended && run.status != status {
                return Err(Fault::new(
                    ErrorCode::InvalidState,
                    format!("run {run_id} has ended and keeps its status"),
                ));
            }
            check_times(run.started_at, ended_at)?;
            Ok(Some(PersistedRecord::TaskRunStatus {
                run_id,
                status,
                ended_at,
            }))
        })
        .await
    }

    /// By start, then id.
    ///
    /// # Errors
    /// `INVALID_STATE` (not open).
    pub async fn list_task_runs(&self, filter: &PersistenceFilter) -> Outcome<Vec<TaskRun>> {
        self.opened().await?;
        Ok(self.records().runs(filter))
    }

    /// Keeps a call; the same again changes nothing.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` (bad id or hash; another event has the id), `INVALID_STATE` (not open), `STORAGE_FAILED`.
    pub async fn save_tool_event(&self, event: ToolEvent) -> Outcome<()> {
        check_ids(&[
            ("eventId", &event.event_id),
            ("runId", &event.run_id),
            ("toolId", &event.tool_id),
        ])?;
        check_hash("inputHash", &event.input_hash)?;
        check_hash("outputHash", &event.output_hash)?;
        check_times(event.created_at, None)?;
        self.keep(|records| {
            once(records.tool_event(&event.event_id), &event)
                .map(|fresh| fresh.then_some(PersistedRecord::ToolEvent { event }))
        })
        .await
    }

    /// As [`Self::save_tool_event`]. `totalTokens` is at least input and output together.
    ///
    /// # Errors
    /// As [`Self::save_tool_event`].
    pub async fn save_model_event(&self, event: ModelEvent) -> Outcome<()> {
        check_ids(&[
            ("eventId", &event.event_id),
            ("runId", &event.run_id),
            ("providerId", &event.provider_id),
            ("modelId", &event.model_id),
        ])?;
        check_times(event.created_at, None)?;
        let least = event.input_tokens.saturating_add(event.output_tokens);
        if event.total_tokens < least {
            return Err(Fault::invalid(format!(
                "totalTokens is {}, less than {least}",
                event.total_tokens
            )));
        }
        if event.cost_usd.is_some_and(|cost| !cost.is_finite() || cost < 0.0) {
            return Err(Fault::invalid("costUsd is a number of at least 0"));
        }
        self.keep(|records| {
            once(records.model_event(&event.event_id), &event)
                .map(|fresh| fresh.then_some(PersistedRecord::ModelEvent { event }))
        })
        .await
    }

    /// As [`Self::save_tool_event`].
    ///
    /// # Errors
    /// As [`Self::save_tool_event`].
    pub async fn save_workspace_event(&self, event: WorkspaceEvent) -> Outcome<()> {
        check_ids(&[("eventId", &event.event_id), ("sessionId", &event.session_id)])?;
        check_hash("payloadHash", &event.payload_hash)?;
        check_times(event.created_at, None)?;
        self.keep(|records| {
            once(records.workspace_event(&event.event_id), &event)
                .map(|fresh| fresh.then_some(PersistedRecord::WorkspaceEvent { event }))
        })
        .await
    }

    /// Seals a secret into the vault; one of this name is replaced. The plain text is in no event and no file.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `LIMIT_EXCEEDED`, `INVALID_STATE` (not open), `STORAGE_FAILED`.
    pub async fn store_secret(&self, key: String, secret: Zeroizing<Vec<u8>>) -> Outcome<SecretRecord> {
        let store = self.opened().await?;
        let vault = store.vault();
        vault.store_plain(&key, secret).await?;
        self.append(&store, Fact::SecretStored { name: key.clone() }).await?;
        let (created_at, updated_at) = self.records().secrets.get(&key).copied().unwrap_or_default();
        let encrypted_payload = vault
            .sealed(&key)
            .ok_or_else(|| Fault::internal("a secret that was stored is gone"))?;
        Ok(SecretRecord {
            key,
            encrypted_payload,
            created_at,
            updated_at,
        })
    }

    /// Opens a secret.
    ///
    /// # Errors
    /// `NOT_FOUND`, `VAULT_LOCKED`, `INVALID_STATE` (not open).
    pub async fn load_secret(&self, key: &str) -> Outcome<Zeroizing<Vec<u8>>> {
        let vault = self.opened().await?.vault();
        let secret = Vault::open(&*vault, key).await?;
        Ok(Zeroizing::new(secret.expose().to_vec()))
    }

    /// # Errors
    /// `INVALID_STATE` (not open).
    pub async fn export_bundle(&self, filter: &PersistenceFilter) -> Outcome<ExportBundle> {
        self.opened().await?;
        Ok(self.records().bundle(filter))
    }

    /// Removes the secrets, and lists nothing of what was kept so far any more. The chain stays whole and goes on.
    ///
    /// # Errors
    /// `INVALID_STATE` (not open), `STORAGE_FAILED`.
    pub async fn reset(&self) -> Outcome<()> {
        let store = self.opened().await?;
        for name in store.vault().names() {
            store.vault().remove(&name).await?;
            self.append(&store, Fact::SecretRemoved { name }).await?;
        }
        self.keep(|_| Ok(Some(PersistedRecord::Reset {}))).await
    }

    async fn opened(&self) -> Outcome<Arc<Store>> {
        let open = self.open.lock().await;
        open.clone()
            .ok_or_else(|| Fault::new(ErrorCode::InvalidState, "the store is not open").with_hint("Call open first."))
    }

    /// Decides by what is there, then appends. One at a time, so that what was decided still holds.
    async fn keep(&self, decide: impl FnOnce(&Records) -> Outcome<Option<PersistedRecord>>) -> Outcome<()> {
        let open = self.open.lock().await;
        let Some(store) = open.as_ref() else {
            drop(open);
            return self.opened().await.map(|_| ());
        };
        let record = decide(&self.records())?;
        match record {
            Some(record) => self.append(store, Fact::RecordKept { record }).await,
            None => Ok(()),
        }
    }

    async fn append(&self, store: &Store, fact: Fact) -> Outcome<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let event = Event {
            at: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            actor: Actor::core("persistence"),
            project_id: None,
            run_id: None,
            task_id: None,
            attempt: None,
            step: None,
            fact,
        };
        let rows = store.ledger().append(vec![event]).await?;
        let mut records = self.records();
        rows.iter().try_for_each(|row| records.take(row))
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_file(reference: &str, home: &Path) -> Outcome<PathBuf> {
    let path = reference.strip_prefix("file:").map(Path::new);
    match path.filter(|path| path.is_absolute() && path.file_name().is_some()) {
        Some(path) if path.starts_with(home) => {
            Err(Fault::invalid("the key lies beside what it seals")
                .with_hint("Name a file outside the folder of dbPath."))
        }
        Some(path) => Ok(path.to_owned()),
        None => Err(Fault::invalid(format!(
            "encryptionKeyRef is file: and an absolute path, not {reference}"
        ))),
    }
}

fn check_id(name: &str, id: &str) -> Outcome<()> {
    if !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "{name} has 1 to {ID_BYTES_MAX} bytes and no control characters"
    )))
}

fn check_ids(ids: &[(&str, &String)]) -> Outcome<()> {
    ids.iter().try_for_each(|(name, id)| check_id(name, id))
}

fn check_hash(name: &str, hash: &str) -> Outcome<()> {
    let sound = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if sound {
        return Ok(());
    }
    Err(Fault::invalid(format!("{name} is a SHA-256 in lower-case hex")))
}

fn check_times(from: i64, until: Option<i64>) -> Outcome<()> {
    if from < 0 || until.is_some_and(|until| until < from) {
        return Err(Fault::invalid(
            "times are milliseconds since 1970, and an end is not before its start",
        ));
    }
    Ok(())
}

/// Whether an event is new; the same again is not, another under its id is refused.
fn once<T: PartialEq>(known: Option<&T>, event: &T) -> Outcome<bool> {
    match known {
        None => Ok(true),
        Some(known) if known == event => Ok(false),
        Some(_) => Err(Fault::invalid("another event has this eventId")),
    }
}
