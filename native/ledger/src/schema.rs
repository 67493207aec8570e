//! The database's tables: ordered migrations, and the check that nobody changed what they made.

use std::sync::OnceLock;

use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::db::{Db, broken};

/// One entry per version of the schema, in order. An entry never changes once it was released; new ones are added.
///
/// `run_id` is read out of the bytes. The bytes are JSON text in a blob, which SQLite would take for its binary JSON,
/// hence the cast; bytes that are no JSON give no run, so that damage is found by the audit and not by an error here.
const MIGRATIONS: &[&str] = &["CREATE TABLE events(
  sequence INTEGER PRIMARY KEY,
  hash BLOB NOT NULL,
  bytes BLOB NOT NULL,
  run_id TEXT GENERATED ALWAYS AS (
    CASE WHEN json_valid(CAST(bytes AS TEXT)) THEN json_extract(CAST(bytes AS TEXT), '$.runId') END
  ) VIRTUAL
);
CREATE INDEX events_run ON events(run_id) WHERE run_id IS NOT NULL;
CREATE TABLE blobs(hash BLOB PRIMARY KEY, bytes BLOB NOT NULL);"];

/// Brings the database to the newest version; does nothing when it is there.
///
/// # Errors
/// `INVALID_STATE` when a newer program wrote it, `STORAGE_FAILED`.
pub(crate) fn migrate(db: &mut Db) -> Outcome<()> {
    let version = db.query("PRAGMA user_version", vec![], |cells| cells.integer(0))?;
    let version = version
        .first()
        .and_then(|&version| usize::try_from(version).ok())
        .ok_or_else(|| broken("the database's version cannot be read"))?;
    if version > MIGRATIONS.len() {
        return Err(Fault::new(
            ErrorCode::InvalidState,
            "the data folder was written by a newer Open Wrap",
        )
        .with_hint("Start the newer Open Wrap, or choose another data folder."));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let step = format!(
            "BEGIN IMMEDIATE; {migration} PRAGMA user_version = {}; COMMIT;",
            index + 1
        );
        if let Err(fault) = db.batch(&step) {
            // The first fault tells more than one of undoing would.
            let _ = db.batch("ROLLBACK;");
            return Err(fault);
        }
    }
    Ok(())
}

/// Whether tables, indexes, views and triggers are exactly those the migrations make.
pub(crate) fn is_ours(db: &mut Db) -> Outcome<bool> {
    static OURS: OnceLock<Vec<Object>> = OnceLock::new();
    let ours = match OURS.get() {
        Some(ours) => ours,
        None => {
            let mut fresh = Db::open_in_memory()?;
            migrate(&mut fresh)?;
            let objects = objects(&mut fresh)?;
            OURS.get_or_init(|| objects)
        }
    };
    Ok(objects(db)? == *ours)
}

/// Kind, name and text of one object of the schema.
type Object = [Option<Vec<u8>>; 3];

fn objects(db: &mut Db) -> Outcome<Vec<Object>> {
    // Names that begin with sqlite_ are SQLite's own (statistics, the index of a primary key).
    db.query(
        "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema
         WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY type, name",
        vec![],
        |cells| Ok([cells.maybe_blob(0)?, cells.maybe_blob(1)?, cells.maybe_blob(2)?]),
    )
}
