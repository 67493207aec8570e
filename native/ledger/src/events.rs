//! The port `Ledger`: appends through the writer, reads on connections of their own.

use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::canonical::{Hashed, canonical_bytes};
use openwrap_contracts::event::{Event, StoredEvent};
use openwrap_contracts::limits::{BLOB_INLINE_BYTES_MAX, EVENT_BYTES_MAX};
use openwrap_contracts::ports::{EventBatch, Ledger, Named, Settled, Tail, Task};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::broadcast::{WeakSender, channel};
use tokio::sync::oneshot;

use crate::db::{Cells, Db, Value, broken, integer};
use crate::queue::{Queue, Work, closed};
use crate::readers::Readers;
use crate::writer::Position;

/// The ledger as the other parts see it.
pub(crate) struct Events {
    pub(crate) queue: Arc<Queue>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) position: Arc<Position>,
    pub(crate) tail: WeakSender<EventBatch>,
}

impl Ledger for Events {
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        self.append_with(Named::default(), events)
    }

    fn append_with<'a>(&'a self, named: Named<'a>, events: Vec<Event>) -> Task<'a, Outcome<Vec<StoredEvent>>> {
        Box::pin(async move {
            if events.is_empty() && named.content.is_empty() {
                return Ok(Vec::new());
            }
            let (answer, answered) = oneshot::channel();
            let settled: Settled = Box::new(move |_, stored| {
                // A caller that went away meanwhile misses nothing, the rows are on disk.
                let _ = answer.send(stored.clone());
            });
            self.submit(named, events, true, settled).await?;
            answered.await.map_err(|_| closed())?
        })
    }

    fn submit<'a>(
        &'a self,
        named: Named<'a>,
        events: Vec<Event>,
        waited_for: bool,
        settled: Settled,
    ) -> Task<'a, Outcome<()>> {
        Box::pin(async move {
            let rows = events.iter().map(row_bytes).collect::<Outcome<Vec<Bytes>>>()?;
            let Named { blobs, content } = named;
            let is_inline = |content: &Hashed| content.bytes().len() <= BLOB_INLINE_BYTES_MAX;
            let (content, large) = content.into_iter().partition(is_inline);
            Named { blobs, content: large }.keep().await?;
            let work = Work::Append {
                rows,
                content,
                events,
                waited_for,
                settled,
            };
            self.queue.send(work).await
        })
    }

    fn read(&self, after: u64, run_id: Option<String>, limit: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async move { self.readers.read(move |db| read_rows(db, after, run_id, limit)).await })
    }

    fn head(&self) -> (u64, [u8; 32]) {
        let head = self.position.head();
        (head.sequence, head.hash)
    }

    fn tail(&self) -> Tail {
        match self.tail.upgrade() {
            Some(sender) => sender.subscribe(),
            // Closed: a receiver whose sender is gone says so at the first `recv`.
            None => channel(1).1,
        }
    }
}

fn row_bytes(event: &Event) -> Outcome<Bytes> {
    let bytes = canonical_bytes(event)?;
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!("an event holds {} bytes, the limit is {EVENT_BYTES_MAX}", bytes.len()),
        ));
    }
    Ok(Bytes::from(bytes))
}

fn read_rows(db: &mut Db, after: u64, run_id: Option<String>, limit: usize) -> Outcome<Vec<StoredEvent>> {
    let after = integer(after);
    let limit = integer(limit as u64);
    match run_id {
        None => db.query(
            "SELECT sequence, hash, bytes FROM events WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            vec![after, limit],
            stored,
        ),
        Some(run_id) => db.query(
            "SELECT sequence, hash, bytes FROM events INDEXED BY events_run
             WHERE run_id = ?3 AND sequence > ?1 ORDER BY sequence LIMIT ?2",
            vec![after, limit, Value::Text(run_id)],
            stored,
        ),
    }
}

/// A row of `sequence, hash, bytes`.
pub(crate) fn stored(cells: &Cells<'_>) -> Outcome<StoredEvent> {
    Ok(StoredEvent {
        sequence: u64::try_from(cells.integer(0)?).map_err(|_| broken("an event has a negative sequence"))?,
        hash: cells.hash(1)?,
        bytes: Bytes::from(cells.blob(2)?),
    })
}
