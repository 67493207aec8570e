//! The one writer: a thread that owns the write connection and commits what waits, many appends with one sync.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openwrap_contracts::canonical::{Hashed, event_hash};
use openwrap_contracts::event::StoredEvent;
use openwrap_contracts::limits::COMMIT_EVENTS_MAX;
use openwrap_contracts::ports::EventBatch;
use openwrap_contracts::{Fault, Outcome};
use tokio::sync::broadcast;

use crate::db::{Db, Value, broken, integer};
use crate::head::{Head, HeadFile};
use crate::queue::{Message, Request, Work};

/// Bytes of one commit after which it is not made larger.
const COMMIT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Under load, how long the next expected request is waited for, and all of them together.
const GATHER_NEXT: Duration = Duration::from_micros(400);
const GATHER_ALL: Duration = Duration::from_millis(3);

/// How long what nobody waits for is kept for company: what comes of it mostly follows at once.
const LINGER: Duration = Duration::from_millis(5);

/// Written since the last checkpoint, in bytes, after which a quiet moment is used for the next one.
const CHECKPOINT_BYTES: usize = 4 * 1024 * 1024;
const QUIET: Duration = Duration::from_millis(300);

/// What the writer shares with the ports.
pub(crate) struct Position {
    head: Mutex<Head>,
    commits: AtomicU64,
}

impl Position {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head: Mutex::new(head),
            commits: AtomicU64::new(0),
        }
    }

    pub(crate) fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn set(&self, head: Head) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }
}

/// Owns everything that writes events.
pub(crate) struct Writer {
    pub(crate) db: Db,
    pub(crate) head_file: HeadFile,
    pub(crate) position: Arc<Position>,
    pub(crate) tail: broadcast::Sender<EventBatch>,
    pub(crate) receiver: Receiver<Message>,
    /// Held until the database is closed.
    pub(crate) lock: File,
    /// A commit failed: before the next one the chain must be seen to end where it did.
    pub(crate) suspect: bool,
    /// Runs of which something is missing that nobody waited for, and why: what follows from it must not stand without it. Until the
    /// ledger is opened again, when the run is folded from what is there.
    pub(crate) lost: BTreeMap<String, Fault>,
}

impl Writer {
    /// Works until closed; then checkpoints, syncs the head file and gives the lock back.
    pub(crate) fn run(mut self) {
        let mut rhythm = Rhythm::default();
        while let Some(batch) = self.next_batch(&mut rhythm) {
            self.commit(batch, &mut rhythm);
        }
        self.finish();
    }

    /// Requests for one commit. Alone, a request is committed at once. When the last commits had company, as many
    /// requests are waited for, briefly: their senders were all answered at the same moment and come back together. Only what somebody
    /// waits for counts; the rest goes with it.
    fn next_batch(&mut self, rhythm: &mut Rhythm) -> Option<Vec<Request>> {
        if rhythm.closing {
            return None;
        }
        let mut batch = Batch::default();
        batch.push(self.first(rhythm)?);
        let started = Instant::now();
        while !batch.full() {
            let message = match self.receiver.try_recv() {
                Ok(message) => message,
                Err(_) if batch.waited_for > 0 && batch.waited_for >= rhythm.company => break,
                Err(_) => {
                    let (next, all) = match batch.waited_for {
                        0 => (LINGER, LINGER),
                        _ => (GATHER_NEXT, GATHER_ALL),
                    };
                    match self
                        .receiver
                        .recv_timeout(next.min(all.saturating_sub(started.elapsed())))
                    {
                        Ok(message) => message,
                        Err(_) => break,
                    }
                }
            };
            match message {
                Message::Request(request) => batch.push(request),
                Message::Close => {
                    rhythm.closing = true;
                    break;
                }
            }
        }
        rhythm.company = batch.waited_for;
        Some(batch.requests)
    }

    /// Waits for the next request; checkpoints in a quiet moment when there is enough to move.
    fn first(&mut self, rhythm: &mut Rhythm) -> Option<Request> {
        loop {
            let message = if rhythm.written < CHECKPOINT_BYTES {
                self.receiver.recv().ok()?
            } else {
                match self.receiver.recv_timeout(QUIET) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => {
                        rhythm.written = 0;
                        // What could not be moved now stays in the log, which is as safe, and is moved next time.
                        let _ = self.db.batch("PRAGMA wal_checkpoint(PASSIVE);");
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            };
            match message {
                Message::Request(request) => return Some(request),
                Message::Close => return None,
            }
        }
    }

    fn commit(&mut self, batch: Vec<Request>, rhythm: &mut Rhythm) {
        let mut kept = Vec::with_capacity(batch.len());
        for request in batch {
            let lost = request.work.runs().find_map(|run| self.lost.get(run).cloned());
            match lost {
                Some(fault) => refuse(vec![request], &fault),
                None => kept.push(request),
            }
        }
        if !kept.is_empty() {
            self.commit_kept(kept, rhythm);
        }
    }

    fn commit_kept(&mut self, batch: Vec<Request>, rhythm: &mut Rhythm) {
        rhythm.written += batch.iter().map(|request| request.work.bytes()).sum::<usize>();
        match self.check().and_then(|()| self.write(&batch)) {
            Ok(written) => {
                if written.changed {
                    self.position.commits.fetch_add(1, Ordering::Relaxed);
                }
                self.publish(&written);
                answer(batch, written.rows);
            }
            Err(fault) => {
                self.suspect = true;
                // Fails when nothing was begun; what is left of it shows in the check before the next commit.
                let _ = self.db.execute("ROLLBACK", vec![]);
                for request in batch.iter().filter(|request| !request.work.is_waited_for()) {
                    for run in request.work.runs() {
                        self.lost.entry(run.to_owned()).or_insert_with(|| fault.clone());
                    }
                }
                refuse(batch, &fault);
            }
        }
    }

    /// One transaction; on disk when it returns.
    fn write(&mut self, batch: &[Request]) -> Outcome<Written> {
        self.db.execute("BEGIN IMMEDIATE", vec![])?;
        let mut written = Written {
            head: self.position.head(),
            rows: Vec::new(),
            changed: false,
        };
        for request in batch {
            match &request.work {
                Work::Append { rows, content, .. } => {
                    for content in content {
                        written.changed |= self.keep(content)?;
                    }
                    for bytes in rows {
                        let row = next_row(&written.head, bytes.clone());
                        self.db.execute(
                            "INSERT INTO events(sequence, hash, bytes) VALUES (?1, ?2, ?3)",
                            vec![
                                integer(row.sequence),
                                Value::Blob(row.hash.to_vec()),
                                Value::Blob(row.bytes.to_vec()),
                            ],
                        )?;
                        written.head = Head {
                            sequence: row.sequence,
                            hash: row.hash,
                        };
                        written.changed = true;
                        written.rows.push(row);
                    }
                }
                Work::Keep { content, .. } => written.changed |= self.keep(content)?,
            }
        }
        self.db.execute("COMMIT", vec![])?;
        Ok(written)
    }

    /// Whether the blob is new.
    fn keep(&mut self, content: &Hashed) -> Outcome<bool> {
        let inserted = self.db.execute(
            "INSERT OR IGNORE INTO blobs(hash, bytes) VALUES (?1, ?2)",
            vec![
                Value::Blob(content.hash().to_vec()),
                Value::Blob(content.bytes().to_vec()),
            ],
        )?;
        Ok(inserted > 0)
    }

    /// Shows what is on disk: head file first, so that nothing acknowledged lies beyond it, then readers and the tail.
    fn publish(&mut self, written: &Written) {
        if written.rows.is_empty() {
            return;
        }
        // The rows are safe already. A record that could not be written is older than the rows, which is legal, and
        // the next commit writes a newer one.
        let _ = self.head_file.write(&written.head);
        self.position.set(written.head);
        // Nobody listening is no failure.
        let _ = self.tail.send(Arc::new(written.rows.clone()));
    }

    /// After a failed commit the chain must end where it did, or writing on would fork it.
    fn check(&mut self) -> Outcome<()> {
        if !self.suspect {
            return Ok(());
        }
        if newest(&mut self.db)? != self.position.head() {
            return Err(broken("the newest event is not the one that was written last"));
        }
        self.suspect = false;
        Ok(())
    }

    fn finish(self) {
        let Self {
            db, head_file, lock, ..
        } = self;
        // Best effort: without these the next start finds the rows in the log and an older record.
        let _ = db.batch("PRAGMA wal_checkpoint(TRUNCATE);");
        drop(db);
        let _ = head_file.sync();
        // Closing alone would leave it with a process that is being started at this moment, until its program begins.
        let _ = lock.unlock();
    }
}

/// The newest row of the database.
pub(crate) fn newest(db: &mut Db) -> Outcome<Head> {
    let rows = db.query(
        "SELECT sequence, CAST(hash AS BLOB) FROM events ORDER BY sequence DESC LIMIT 1",
        vec![],
        |cells| {
            Ok(Head {
                sequence: u64::try_from(cells.integer(0)?).map_err(|_| broken("an event has a negative sequence"))?,
                hash: cells.hash(1)?,
            })
        },
    )?;
    Ok(rows.first().copied().unwrap_or_default())
}

fn next_row(head: &Head, bytes: bytes::Bytes) -> StoredEvent {
    let sequence = head.sequence + 1;
    StoredEvent {
        sequence,
        hash: event_hash(sequence, &head.hash, &bytes),
        bytes,
    }
}

/// What one transaction brought.
struct Written {
    head: Head,
    rows: Vec<StoredEvent>,
    changed: bool,
}

#[derive(Default)]
struct Rhythm {
    /// Requests of the last commit that somebody waited for.
    company: usize,
    written: usize,
    closing: bool,
}

#[derive(Default)]
struct Batch {
    requests: Vec<Request>,
    waited_for: usize,
    rows: usize,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, request: Request) {
        self.waited_for += usize::from(request.work.is_waited_for());
        self.rows += request.work.rows();
        self.bytes += request.work.bytes();
        self.requests.push(request);
    }

    fn full(&self) -> bool {
        self.rows >= COMMIT_EVENTS_MAX || self.bytes >= COMMIT_BYTES_MAX
    }
}

/// Gives every request its own part.
fn answer(batch: Vec<Request>, rows: Vec<StoredEvent>) {
    let mut rows = rows.into_iter();
    for request in batch {
        match request.work {
            Work::Append {
                rows: own,
                events,
                settled,
                ..
            } => settled(events, &Ok(rows.by_ref().take(own.len()).collect())),
            Work::Keep { answer, .. } => {
                let _ = answer.send(Ok(()));
            }
        }
    }
}

fn refuse(batch: Vec<Request>, fault: &Fault) {
    for request in batch {
        match request.work {
            Work::Append { events, settled, .. } => settled(events, &Err(fault.clone())),
            Work::Keep { answer, .. } => {
                let _ = answer.send(Err(fault.clone()));
            }
        }
    }
}
