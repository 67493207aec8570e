//! Connections for reading: in WAL mode they neither wait for the writer nor hold it up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::Outcome;
use tokio::sync::Semaphore;

use crate::db::{Db, blocking};
use crate::queue::closed;

/// Reads running at once.
const READERS: usize = 4;

/// A few connections, opened when needed and kept for the next read.
pub(crate) struct Readers {
    path: PathBuf,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Db>>>,
    places: Semaphore,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::new(Some(Vec::new())),
            places: Semaphore::new(READERS),
        }
    }

    /// Runs a read on a connection of its own.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Db) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let _place = self.places.acquire().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        blocking(move || readers.read_now(work)).await
    }

    fn read_now<T>(&self, work: impl FnOnce(&mut Db) -> Outcome<T>) -> Outcome<T> {
        let mut db = match self.idle().as_mut().ok_or_else(closed)?.pop() {
            Some(db) => db,
            None => Db::open_reader(&self.path)?,
        };
        let done = work(&mut db);
        if let Some(idle) = self.idle().as_mut() {
            idle.push(db);
        }
        done
    }

    /// Closes the connections; later reads are refused.
    pub(crate) fn close(&self) {
        self.places.close();
        *self.idle() = None;
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Db>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
