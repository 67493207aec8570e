//! The audit: the whole chain recomputed from the stored bytes, with everything derived from them, every blob, and the
//! head file. It reads only, reports the first bad sequence, and copes with a database in any state.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::method::AuditReport;
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;

use crate::blob_files;
use crate::chain::Chain;
use crate::db::{Cells, Db, Value, blocking, integer};
use crate::head::{Head, read_head};
use crate::schema;
use crate::store::DATABASE_FILE;

/// Rows read at once: no read transaction stays open long enough to hold up checkpoints.
const PAGE_ROWS: i64 = 512;
const PAGE_BLOBS: i64 = 64;

/// Audits a data folder no server has open, or a copy of one, without becoming its writer.
///
/// # Errors
/// `NOT_FOUND` (no ledger in this folder), `CANCELED`, `STORAGE_FAILED`. A broken ledger is a report, not an error.
pub async fn verify_file(
    home: &Path,
    progress: impl Fn(u64, u64) + Send + 'static,
    cancel: CancellationToken,
) -> Outcome<AuditReport> {
    verify(home.to_owned(), None, progress, cancel).await
}

/// As [`verify_file`]; `written` is what the running writer knows to be on disk.
pub(crate) async fn verify(
    home: PathBuf,
    written: Option<Head>,
    progress: impl Fn(u64, u64) + Send + 'static,
    cancel: CancellationToken,
) -> Outcome<AuditReport> {
    blocking(move || {
        if !home.join(DATABASE_FILE).exists() && !matches!(read_head(&home), Ok(Some(head)) if head.sequence > 0) {
            return Err(Fault::not_found("there is no ledger in this folder"));
        }
        Audit {
            home,
            written,
            progress: &progress,
            cancel,
            chain: Chain::after(Head::default()),
            runs: 0,
            blobs_seen: 0,
            done: 0,
            total: 0,
        }
        .run()
    })
    .await
}

/// The head file's record, read twice the same: a read while the writer overwrites it may see half of each record.
fn settled_head(home: &Path) -> Outcome<Option<Head>> {
    const READS_MAX: usize = 100;
    let mut record = read_head(home);
    for _ in 0..READS_MAX {
        let again = read_head(home);
        if matches!((&record, &again), (Ok(before), Ok(now)) if before == now) {
            break;
        }
        record = again;
    }
    record
}

/// What was found first, and where; without a sequence when no event is to blame.
struct Finding {
    sequence: Option<u64>,
    problem: String,
}

impl Finding {
    fn at(sequence: u64, problem: impl Into<String>) -> Stop {
        Stop::Bad(Self {
            sequence: Some(sequence),
            problem: problem.into(),
        })
    }

    fn somewhere(problem: impl Into<String>) -> Stop {
        Stop::Bad(Self {
            sequence: None,
            problem: problem.into(),
        })
    }
}

/// Why an audit ends before the end.
enum Stop {
    Bad(Finding),
    Failed(Fault),
}

type Checked<T> = Result<T, Stop>;

struct Audit<'a> {
    home: PathBuf,
    written: Option<Head>,
    progress: &'a dyn Fn(u64, u64),
    cancel: CancellationToken,
    chain: Chain,
    /// Rows of the chain that belong to a run.
    runs: u64,
    blobs_seen: u64,
    done: u64,
    total: u64,
}

impl Audit<'_> {
    fn run(mut self) -> Outcome<AuditReport> {
        let finding = match self.check() {
            Ok(()) => None,
            Err(Stop::Bad(finding)) => Some(finding),
            Err(Stop::Failed(fault)) if fault.code == ErrorCode::LedgerBroken => Some(Finding {
                sequence: Some(self.chain.newest.sequence + 1),
                problem: fault.message,
            }),
            Err(Stop::Failed(fault)) => return Err(fault),
        };
        let (sequence, problem) = finding.map_or((None, None), |finding| (finding.sequence, Some(finding.problem)));
        Ok(AuditReport {
            ok: problem.is_none(),
            events: short(self.chain.newest.sequence),
            blobs: short(self.blobs_seen),
            head_hash: hex::encode(self.chain.newest.hash),
            first_bad_sequence: sequence.map(short),
            problem,
        })
    }

    fn check(&mut self) -> Checked<()> {
        // The record first: the writer only moves on, so a database read later is never behind it.
        let record = settled_head(&self.home);
        if !self.home.join(DATABASE_FILE).exists() {
            return Err(Finding::at(1, "the database is missing"));
        }
        let mut db = Db::open_reader(&self.home.join(DATABASE_FILE)).map_err(Stop::Failed)?;
        let ours = schema::is_ours(&mut db).map_err(Stop::Failed)?;
        let (lowest, newest) = bounds(&mut db).map_err(Stop::Failed)?;
        let files = blob_files::all(&self.home).map_err(Stop::Failed)?;
        self.total =
            newest + files.len() as u64 + count(&mut db, "SELECT count(*) FROM blobs").map_err(Stop::Failed)?;
        let mut bad = BadBlobs::default();
        match self.blobs(&mut db, &files, &mut bad) {
            // The events are looked at all the same.
            Err(Stop::Failed(fault)) if fault.code == ErrorCode::LedgerBroken => {
                bad.first.get_or_insert(fault.message);
            }
            other => other?,
        }
        let anchors = [record.as_ref().ok().copied().flatten(), self.written];
        self.rows(&mut db, newest, ours, &bad, &anchors)?;
        self.ends(record, &anchors)?;
        if lowest < 1 {
            return Err(Finding::at(0, "there is an event with a sequence below 1"));
        }
        if !ours {
            return Err(Finding::somewhere(
                "tables, indexes or triggers of the database were changed",
            ));
        }
        let indexed = count_runs(&mut db, newest).map_err(Stop::Failed)?;
        if indexed != self.runs {
            return Err(Finding::somewhere("the index of runs holds entries no event has"));
        }
        match bad.first {
            Some(problem) => Err(Finding::somewhere(problem)),
            None => Ok(()),
        }
    }

    /// Every row in order of sequence, up to the newest one there was when the audit began.
    fn rows(
        &mut self,
        db: &mut Db,
        newest: u64,
        indexed: bool,
        bad: &BadBlobs,
        anchors: &[Option<Head>],
    ) -> Checked<()> {
        let mut limit = PAGE_ROWS;
        loop {
            self.pause()?;
            let page = match rows_after(db, self.chain.newest.sequence, newest, limit) {
                // Somewhere in this page: row by row up to the one that cannot be read.
                Err(fault) if fault.code == ErrorCode::LedgerBroken && limit > 1 => {
                    limit = 1;
                    continue;
                }
                page => page.map_err(Stop::Failed)?,
            };
            if page.is_empty() {
                return Ok(());
            }
            for row in &page {
                self.row(db, row, indexed, bad)?;
                for anchor in anchors.iter().flatten() {
                    if *anchor != self.chain.newest && anchor.sequence == row.sequence {
                        return Err(Finding::at(
                            row.sequence,
                            format!(
                                "event {} is not the one the head file and the writer know",
                                row.sequence
                            ),
                        ));
                    }
                }
            }
            self.done += page.len() as u64;
        }
    }

    fn row(&mut self, db: &mut Db, row: &Row, indexed: bool, bad: &BadBlobs) -> Checked<()> {
        let sequence = row.sequence;
        self.chain
            .take(sequence, &row.hash, &row.bytes)
            .map_err(|found| Finding::at(found.sequence, found.problem))?;
        if !row.typed {
            return Err(Finding::at(
                sequence,
                format!("event {sequence} is stored as another type"),
            ));
        }
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&row.bytes) else {
            return Err(Finding::at(sequence, format!("event {sequence} is no event")));
        };
        if envelope.run_id.as_ref().map(String::as_bytes) != row.run_id.as_deref() {
            let problem = format!("the run the database names for event {sequence} is not the one in its bytes");
            return Err(Finding::at(sequence, problem));
        }
        if let Some(run_id) = envelope.run_id {
            self.runs += 1;
            if indexed && !in_index(db, &run_id, sequence).map_err(Stop::Failed)? {
                return Err(Finding::at(
                    sequence,
                    format!("event {sequence} is not in the index of its run"),
                ));
            }
        }
        if let Some(name) = bad.named_by(&row.bytes) {
            let problem = format!("blob {name}, named by event {sequence}, does not hold the bytes that were kept");
            return Err(Finding::at(sequence, problem));
        }
        Ok(())
    }

    /// What head file and writer know against where the chain ended.
    fn ends(&self, record: Outcome<Option<Head>>, anchors: &[Option<Head>]) -> Checked<()> {
        let end = self.chain.newest.sequence;
        for anchor in anchors.iter().flatten() {
            if anchor.sequence > end {
                let problem = format!(
                    "events {} to {} are missing: the tail was cut off",
                    end + 1,
                    anchor.sequence
                );
                return Err(Finding::at(end + 1, problem));
            }
            if anchor.sequence == 0 && *anchor != Head::default() {
                return Err(Finding::somewhere("the head file was changed"));
            }
        }
        match record {
            Ok(Some(_)) => Ok(()),
            Ok(None) if end == 0 => Ok(()),
            Ok(None) => Err(Finding::at(end, "the head file is missing")),
            Err(fault) => Err(Finding::at(end, fault.message)),
        }
    }

    /// Every blob that is there, against its name.
    fn blobs(&mut self, db: &mut Db, files: &[(PathBuf, String)], bad: &mut BadBlobs) -> Checked<()> {
        let mut after = i64::MIN;
        loop {
            self.pause()?;
            let page = db
                .query(
                    "SELECT rowid, typeof(hash) = 'blob' AND typeof(bytes) = 'blob', CAST(hash AS BLOB),
                       CAST(bytes AS BLOB)
                     FROM blobs NOT INDEXED WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
                    vec![Value::Integer(after), Value::Integer(PAGE_BLOBS)],
                    |cells| {
                        let typed = cells.integer(1)? == 1;
                        let found = sha256_hex(&cells.blob(3)?);
                        Ok((cells.integer(0)?, typed, hex::encode(cells.blob(2)?), found))
                    },
                )
                .map_err(Stop::Failed)?;
            let Some(last) = page.last() else { break };
            after = last.0;
            for (_, typed, name, found) in page {
                self.blob(bad, name, Some(found), typed);
            }
        }
        for (path, name) in files {
            self.pause()?;
            let found = blob_files::hash_of(path).map_err(Stop::Failed)?;
            // A file removed while the audit runs was deleted, which is no damage.
            if found.is_some() || path.exists() {
                self.blob(bad, name.clone(), found, true);
            }
        }
        Ok(())
    }

    fn blob(&mut self, bad: &mut BadBlobs, name: String, found: Option<String>, typed: bool) {
        self.blobs_seen += 1;
        self.done += 1;
        if typed && found.as_ref() == Some(&name) {
            return;
        }
        let problem = format!("blob {name} does not hold the bytes that were kept");
        bad.first.get_or_insert(problem);
        // The name itself may be what was changed: then events name the content.
        bad.names.extend(found);
        bad.names.insert(name);
    }

    fn pause(&self) -> Checked<()> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Failed(Fault::canceled()));
        }
        (self.progress)(self.done.min(self.total), self.total);
        Ok(())
    }
}

/// What the audit reads of an event's bytes; the chain vouches for the rest.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "runId")]
    run_id: Option<String>,
}

struct Row {
    sequence: u64,
    typed: bool,
    hash: Vec<u8>,
    bytes: Vec<u8>,
    run_id: Option<Vec<u8>>,
}

impl Row {
    fn read(cells: &Cells<'_>) -> Outcome<Self> {
        Ok(Self {
            sequence: cells.integer(0)?.unsigned_abs(),
            typed: cells.integer(1)? == 1,
            hash: cells.maybe_blob(2)?.unwrap_or_default(),
            bytes: cells.maybe_blob(3)?.unwrap_or_default(),
            run_id: cells.maybe_blob(4)?,
        })
    }
}

/// Blobs whose bytes are not what their name says.
#[derive(Default)]
struct BadBlobs {
    names: HashSet<String>,
    first: Option<String>,
}

impl BadBlobs {
    /// A bad blob an event names: any run of exactly 64 lower-case hex digits is taken for a name.
    fn named_by<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        if self.names.is_empty() {
            return None;
        }
        bytes
            .split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            .filter(|run| run.len() == 64)
            .filter_map(|run| std::str::from_utf8(run).ok())
            .find(|name| self.names.contains(*name))
    }
}

fn rows_after(db: &mut Db, after: u64, newest: u64, limit: i64) -> Outcome<Vec<Row>> {
    db.query(
        "SELECT sequence, typeof(hash) = 'blob' AND typeof(bytes) = 'blob', CAST(hash AS BLOB), CAST(bytes AS BLOB),
           CAST(run_id AS BLOB)
         FROM events NOT INDEXED WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3",
        vec![integer(after), integer(newest), Value::Integer(limit)],
        Row::read,
    )
}

fn bounds(db: &mut Db) -> Outcome<(i64, u64)> {
    let found = db.query(
        "SELECT coalesce(min(sequence), 1), coalesce(max(sequence), 0) FROM events NOT INDEXED",
        vec![],
        |cells| Ok((cells.integer(0)?, cells.integer(1)?)),
    )?;
    let (lowest, newest) = found.first().copied().unwrap_or((1, 0));
    Ok((lowest, u64::try_from(newest).unwrap_or(0)))
}

fn in_index(db: &mut Db, run_id: &str, sequence: u64) -> Outcome<bool> {
    let found = db.query(
        "SELECT 1 FROM events INDEXED BY events_run WHERE run_id = ?1 AND sequence = ?2",
        vec![Value::Text(run_id.to_owned()), integer(sequence)],
        |_| Ok(()),
    )?;
    Ok(found.len() == 1)
}

fn count_runs(db: &mut Db, newest: u64) -> Outcome<u64> {
    let found = db.query(
        "SELECT count(*) FROM events INDEXED BY events_run WHERE run_id IS NOT NULL AND sequence <= ?1",
        vec![integer(newest)],
        |cells| cells.integer(0),
    )?;
    Ok(found.first().copied().unwrap_or(0).unsigned_abs())
}

fn count(db: &mut Db, sql: &'static str) -> Outcome<u64> {
    let found = db.query(sql, vec![], |cells| cells.integer(0))?;
    Ok(found.first().copied().unwrap_or(0).unsigned_abs())
}

/// Numbers on the wire have 32 bits.
fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
