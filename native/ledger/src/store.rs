//! The open data folder: one writer per folder, with the ports the other parts use.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use openwrap_contracts::method::AuditReport;
use openwrap_contracts::ports::{Blobs, CancellationToken, EventBatch, Ledger};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::broadcast::{WeakSender, channel};

use crate::audit;
use crate::blob_files::BlobFiles;
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::db::{Db, Value, blocking, broken, integer};
use crate::events::{Events, stored};
use crate::head::{Head, HeadFile, read_head};
use crate::private_files::{create_home, failed, open_or_create};
use crate::queue::Queue;
use crate::readers::Readers;
use crate::schema;
use crate::snapshot::{Snapshots, hash_at};
use crate::vault::{KEY_FILE, VaultKeeper};
use crate::writer::{Position, Writer, newest};

pub(crate) const DATABASE_FILE: &str = "ledger.db";
const LOCK_FILE: &str = "ledger.lock";

/// Commits a receiver of the tail may be behind before it is closed.
const TAIL_COMMITS: usize = 1024;

/// Rows read at once while opening checks what lies beyond the head file's record.
const PAGE_ROWS: i64 = 512;

/// An open data folder, held exclusively until closed or dropped.
pub struct Store {
    home: PathBuf,
    events: Arc<Events>,
    blobs: Arc<BlobStore>,
    vault: Arc<VaultKeeper>,
    snapshots: Arc<Snapshots>,
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    position: Arc<Position>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens a data folder, or makes a new one (mode 0700), and takes the writer's lock for as long as it is open.
    /// Runs the migrations, opens the vault and checks that the newest event is the one the head file knows, or
    /// follows from it (see `head`); the whole chain is checked by [`Store::verify`].
    ///
    /// # Errors
    /// `ALREADY_RUNNING` (another process, or this one, has it open), `LEDGER_BROKEN` (tail cut, head file missing or
    /// changed, newest events or tables changed, damaged file), `VAULT_LOCKED` (key missing or another one),
    /// `INVALID_ARGUMENTS` (a folder that is open to others and holds other files), `INVALID_STATE` (written by a
    /// newer version), `STORAGE_FAILED`.
    pub async fn open(home: &Path) -> Outcome<Arc<Self>> {
        Self::open_with_key(home, None).await
    }

    /// As [`Store::open`]; the vault's key lies in a file elsewhere, made when it is not there.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with_key(home: &Path, key_file: Option<&Path>) -> Outcome<Arc<Self>> {
        let whole = |path: &Path| {
            std::path::absolute(path).map_err(|error| failed("the data folder has no absolute path", &error))
        };
        let home = whole(home)?;
        let key_file = key_file.map_or_else(|| Ok(home.join(KEY_FILE)), whole)?;
        blocking(move || Self::open_now(home, &key_file)).await
    }

    fn open_now(home: PathBuf, key_file: &Path) -> Outcome<Arc<Self>> {
        create_home(&home, LOCK_FILE)?;
        let lock = take_lock(&home)?;
        let database = home.join(DATABASE_FILE);
        let record = read_head(&home)?;
        if record.is_some_and(|head| head.sequence > 0) && !database.exists() {
            return Err(broken("the database is missing"));
        }
        // Made here for its mode, which the database's other files inherit.
        drop(open_or_create(&database).map_err(|error| failed("the database could not be created", &error))?);
        let mut db = Db::open_writer(&database)?;
        schema::migrate(&mut db)?;
        if !schema::is_ours(&mut db)? {
            return Err(broken("tables, indexes or triggers of the database were changed"));
        }
        let head = checked_head(&mut db, record)?;
        if record.is_none() {
            HeadFile::create(&home)?;
        }
        let head_file = HeadFile::open(&home)?;
        head_file
            .write(&head)
            .and_then(|()| head_file.sync())
            .map_err(|error| failed("the head file could not be written", &error))?;
        let (vault, key) = VaultKeeper::open(&home, key_file)?;
        let snapshots = Arc::new(Snapshots::open(&home, &key)?);
        let files = Arc::new(BlobFiles::open(&home)?);
        let position = Arc::new(Position::new(head));
        let (queue, receiver) = Queue::new();
        let (tail, _) = channel(TAIL_COMMITS);
        let listeners = tail.downgrade();
        let writer = Writer {
            db,
            head_file,
            position: Arc::clone(&position),
            tail,
            receiver,
            lock,
            suspect: false,
            lost: std::collections::BTreeMap::new(),
        };
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| failed("the writer's thread could not be started", &error))?;
        let store = Self::joined(home, (queue, position, listeners), (vault, snapshots, files), thread);
        Ok(Arc::new(store))
    }

    fn joined(
        home: PathBuf,
        (queue, position, tail): (Queue, Arc<Position>, WeakSender<EventBatch>),
        (vault, snapshots, files): (Arc<VaultKeeper>, Arc<Snapshots>, Arc<BlobFiles>),
        thread: JoinHandle<()>,
    ) -> Self {
        let queue = Arc::new(queue);
        let readers = Arc::new(Readers::new(home.join(DATABASE_FILE)));
        Self {
            events: Arc::new(Events {
                queue: Arc::clone(&queue),
                readers: Arc::clone(&readers),
                position: Arc::clone(&position),
                tail,
            }),
            blobs: Arc::new(BlobStore {
                queue: Arc::clone(&queue),
                readers: Arc::clone(&readers),
                files,
            }),
            home,
            vault,
            snapshots,
            queue,
            readers,
            position,
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Events: appends, reads, head and tail.
    #[must_use]
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.events) as Arc<dyn Ledger>
    }

    /// Content named by its hash.
    #[must_use]
    pub fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::clone(&self.blobs) as Arc<dyn Blobs>
    }

    /// Sealed secrets.
    #[must_use]
    pub fn vault(&self) -> Arc<VaultKeeper> {
        Arc::clone(&self.vault)
    }

    /// Commits since the store was opened: each is one sync of the log (checkpoints, one per some thousands of pages
    /// written, sync besides).
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.position.commits()
    }

    /// Recomputes chain, derived columns, blobs and head while the store stays open for writing; covers what was on
    /// disk when it began. `progress` gets pieces done and in all, between pages.
    ///
    /// # Errors
    /// `CANCELED`, `STORAGE_FAILED`. A broken ledger is a report, not an error.
    pub async fn verify(
        &self,
        progress: impl Fn(u64, u64) + Send + 'static,
        cancel: CancellationToken,
    ) -> Outcome<AuditReport> {
        audit::verify(self.home.clone(), Some(self.position.head()), progress, cancel).await
    }

    /// Keeps the state of a fold after `sequence`, replacing the one of this name.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` (no such event), `LIMIT_EXCEEDED`, `STORAGE_FAILED`.
    pub async fn save_snapshot(&self, name: &str, sequence: u64, bytes: Bytes) -> Outcome<()> {
        let (snapshots, name) = (Arc::clone(&self.snapshots), name.to_owned());
        self.readers
            .read(move |db| snapshots.save(db, &name, sequence, &bytes))
            .await
    }

    /// The newest snapshot of this name with its sequence; `None` when there is none that fits the chain.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub async fn load_snapshot(&self, name: &str) -> Outcome<Option<(u64, Bytes)>> {
        let (snapshots, name) = (Arc::clone(&self.snapshots), name.to_owned());
        self.readers.read(move |db| snapshots.load(db, &name)).await
    }

    /// Commits what is queued, refuses what comes later, moves the log into the database, syncs the head file and
    /// gives the folder free. A second call does nothing.
    pub async fn close(&self) {
        if let Some(thread) = self.stop() {
            // A writer that panicked has nothing left to say; what it acknowledged is on disk.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.queue.close();
        self.readers.close();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// As `close`, on the dropping thread, which waits for the last commit and the checkpoint.
impl Drop for Store {
    fn drop(&mut self) {
        if let Some(thread) = self.stop() {
            let _ = thread.join();
        }
    }
}

fn take_lock(home: &Path) -> Outcome<File> {
    let taking = |error: std::io::Error| failed("the lock of the data folder could not be taken", &error);
    let file = open_or_create(&home.join(LOCK_FILE)).map_err(taking)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::new(
            ErrorCode::AlreadyRunning,
            "another Open Wrap uses this data folder",
        )),
        Err(TryLockError::Error(error)) => Err(taking(error)),
    }
}

/// The newest event, checked against the head file's record: the event it names must be there with its hash, and what
/// lies beyond must follow from it.
fn checked_head(db: &mut Db, record: Option<Head>) -> Outcome<Head> {
    let end = newest(db)?;
    let Some(record) = record else {
        return match end.sequence {
            0 => Ok(end),
            _ => Err(broken("the head file is missing")),
        };
    };
    if record.sequence > end.sequence {
        return Err(broken(format!(
            "events {} to {} are missing: the tail was cut off",
            end.sequence + 1,
            record.sequence
        )));
    }
    if hash_at(db, record.sequence)? != Some(record.hash) {
        return Err(broken(format!(
            "event {} is not the one the head file knows",
            record.sequence
        )));
    }
    // At least the newest event is recomputed.
    let from = record.sequence.min(end.sequence.saturating_sub(1));
    let hash = hash_at(db, from)?.ok_or_else(|| broken(format!("event {from} is missing")))?;
    let mut chain = Chain::after(Head { sequence: from, hash });
    loop {
        let page = db.query(
            "SELECT sequence, CAST(hash AS BLOB), CAST(bytes AS BLOB) FROM events
             WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            vec![integer(chain.newest.sequence), Value::Integer(PAGE_ROWS)],
            stored,
        )?;
        if page.is_empty() {
            return Ok(chain.newest);
        }
        for row in page {
            chain
                .take(row.sequence, &row.hash, &row.bytes)
                .map_err(|found| broken(found.problem))?;
        }
    }
}
