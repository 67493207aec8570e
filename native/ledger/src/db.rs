//! A libsql connection taken for what it is: C code that runs inline. Its futures never wait, so they are polled once,
//! on threads that may block.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;

use futures_util::FutureExt;
use libsql::{Builder, Connection, OpenFlags, Row, Statement};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

pub(crate) use libsql::Value;

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB` (sqlite.org/rescode.html): the file is no sound database.
const BROKEN_CODES: [i32; 2] = [11, 26];

/// How long a statement waits for a lock another connection holds.
const BUSY_MS: u64 = 2_000;

/// One connection with its prepared statements.
pub(crate) struct Db {
    statements: HashMap<&'static str, Statement>,
    connection: Connection,
}

impl Db {
    /// Opens the database for the one writer, creating the file.
    pub(crate) fn open_writer(path: &Path) -> Outcome<Self> {
        let db = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        // The newest rows must survive a power cut, so every commit syncs the log; checkpoints are the writer's own.
        db.batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8192;
             PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = ON;",
        )?;
        Ok(db)
    }

    /// Opens an existing database for reading only.
    pub(crate) fn open_reader(path: &Path) -> Outcome<Self> {
        Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    pub(crate) fn open_in_memory() -> Outcome<Self> {
        Self::open(Path::new(":memory:"), OpenFlags::default())
    }

    fn open(path: &Path, flags: OpenFlags) -> Outcome<Self> {
        let database = now(Builder::new_local(path).flags(flags).build())?;
        let connection = database.connect().map_err(fault)?;
        connection
            .busy_timeout(std::time::Duration::from_millis(BUSY_MS))
            .map_err(fault)?;
        let db = Self {
            statements: HashMap::new(),
            connection,
        };
        // A database that somebody tampered with must not run code of its own through views, triggers or defaults.
        db.batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
        Ok(db)
    }

    /// Runs statements that take nothing and whose rows nobody wants.
    pub(crate) fn batch(&self, sql: &str) -> Outcome<()> {
        now(self.connection.execute_batch(sql)).map(|_| ())
    }

    /// Runs one statement that answers no rows; returns how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &'static str, params: Vec<Value>) -> Outcome<usize> {
        let statement = self.prepared(sql)?;
        let changed = now(statement.execute(params));
        statement.reset();
        changed
    }

    /// Runs a query and reads each row.
    pub(crate) fn query<T>(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
        mut read: impl FnMut(&Cells<'_>) -> Outcome<T>,
    ) -> Outcome<Vec<T>> {
        let statement = self.prepared(sql)?;
        let mut found = Vec::new();
        let read_all = (|| {
            let mut rows = now(statement.query(params))?;
            while let Some(row) = now(rows.next())? {
                found.push(read(&Cells(&row))?);
            }
            Ok(())
        })();
        statement.reset();
        read_all.map(|()| found)
    }

    fn prepared(&mut self, sql: &'static str) -> Outcome<&mut Statement> {
        use std::collections::hash_map::Entry;
        match self.statements.entry(sql) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(now(self.connection.prepare(sql))?)),
        }
    }
}

/// The cells of one row. Only integers and blobs: text of a tampered database need not be UTF-8, so queries cast it.
pub(crate) struct Cells<'a>(&'a Row);

impl Cells<'_> {
    pub(crate) fn integer(&self, index: i32) -> Outcome<i64> {
        match self.0.get_value(index).map_err(fault)? {
            Value::Integer(value) => Ok(value),
            _ => Err(broken("a number in the database is of another type")),
        }
    }

    pub(crate) fn blob(&self, index: i32) -> Outcome<Vec<u8>> {
        self.maybe_blob(index)?
            .ok_or_else(|| broken("bytes in the database are missing"))
    }

    pub(crate) fn maybe_blob(&self, index: i32) -> Outcome<Option<Vec<u8>>> {
        match self.0.get_value(index).map_err(fault)? {
            Value::Blob(bytes) => Ok(Some(bytes)),
            Value::Null => Ok(None),
            _ => Err(broken("bytes in the database are of another type")),
        }
    }

    pub(crate) fn hash(&self, index: i32) -> Outcome<[u8; 32]> {
        self.blob(index)?
            .try_into()
            .map_err(|_| broken("a hash in the database is not 32 bytes long"))
    }
}

/// A sequence as the database stores it.
pub(crate) fn integer(sequence: u64) -> Value {
    Value::Integer(i64::try_from(sequence).unwrap_or(i64::MAX))
}

/// A `LEDGER_BROKEN` fault.
pub(crate) fn broken(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::LedgerBroken, message)
}

fn now<T>(future: impl Future<Output = libsql::Result<T>>) -> Outcome<T> {
    future
        .now_or_never()
        .ok_or_else(|| Fault::internal("a statement of the local database waited"))?
        .map_err(fault)
}

fn fault(error: libsql::Error) -> Fault {
    match &error {
        libsql::Error::SqliteFailure(code, text) if BROKEN_CODES.contains(&(code & 0xff)) => {
            broken(format!("the database file is damaged: {text}"))
        }
        _ => Fault::new(ErrorCode::StorageFailed, format!("the database failed: {error}")),
    }
}

/// Runs work that blocks away from the runtime's own threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Fault::internal("work on the data folder was cut off"))?
}
