//! The fold behind the start page, kept up with the ledger and kept as a snapshot.

use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::Outcome;
use openwrap_contracts::event::{Event, StoredEvent};
use openwrap_contracts::limits::{PAGE_EVENTS_MAX, SNAPSHOT_EVENTS};
use openwrap_contracts::ports::{CancellationToken, Ledger, Tail};
use openwrap_ledger::Store;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Mutex, MutexGuard};

use crate::overview::OverviewFold;

/// Name of the snapshot; a fold of another shape gets another name.
const SNAPSHOT: &str = "overview/3";

/// Follows the ledger.
pub struct Following {
    store: Arc<Store>,
    ledger: Arc<dyn Ledger>,
    state: Mutex<State>,
}

struct State {
    fold: OverviewFold,
    tail: Tail,
    kept_at: u64,
}

impl Following {
    /// From the newest snapshot that fits the chain, else from the beginning.
    ///
    /// # Errors
    /// As `Ledger::read`.
    pub async fn open(store: Arc<Store>) -> Outcome<Arc<Self>> {
        let kept = store.load_snapshot(SNAPSHOT).await?;
        let fold: OverviewFold = kept
            .and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let ledger = store.ledger();
        let state = State {
            kept_at: fold.sequence,
            fold,
            tail: ledger.tail(),
        };
        let following = Arc::new(Self {
            store,
            ledger,
            state: Mutex::new(state),
        });
        drop(following.caught_up().await?);
        Ok(following)
    }

    /// Keeps up in the background until closed.
    pub fn follow(self: &Arc<Self>, closed: CancellationToken) {
        let (following, mut wake) = (Arc::downgrade(self), self.ledger.tail());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = closed.cancelled() => return,
                    batch = wake.recv() => if matches!(batch, Err(RecvError::Closed)) { return },
                }
                let Some(following) = following.upgrade() else { return };
                // A ledger that cannot be read, or a snapshot that cannot be kept, is told to whoever asks next.
                let due = following
                    .caught_up()
                    .await
                    .is_ok_and(|state| state.fold.sequence.saturating_sub(state.kept_at) >= SNAPSHOT_EVENTS as u64);
                if due {
                    let _ = following.keep().await;
                }
            }
        });
    }

    /// The fold with everything that is on disk.
    ///
    /// # Errors
    /// As `Ledger::read`.
    pub async fn fold(&self) -> Outcome<OverviewFold> {
        Ok(self.caught_up().await?.fold.clone())
    }

    /// Looks at the fold without copying it.
    ///
    /// # Errors
    /// As `Ledger::read`.
    pub async fn look<T>(&self, look: impl FnOnce(&OverviewFold) -> T) -> Outcome<T> {
        Ok(look(&self.caught_up().await?.fold))
    }

    async fn caught_up(&self) -> Outcome<MutexGuard<'_, State>> {
        let head = self.ledger.head().0;
        let mut state = self.state.lock().await;
        loop {
            match state.tail.try_recv() {
                Ok(rows) if follows(&rows, state.fold.sequence) => state.fold.apply_rows(&rows)?,
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        while state.fold.sequence < head {
            let rows = self.ledger.read(state.fold.sequence, None, PAGE_EVENTS_MAX).await?;
            if rows.is_empty() {
                break;
            }
            state.fold.apply_rows(&rows)?;
        }
        Ok(state)
    }

    /// Keeps the fold as a snapshot.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub async fn keep(&self) -> Outcome<()> {
        let (sequence, bytes) = {
            let state = self.caught_up().await?;
            (state.fold.sequence, serde_json::to_vec(&state.fold)?)
        };
        self.store.save_snapshot(SNAPSHOT, sequence, Bytes::from(bytes)).await?;
        self.state.lock().await.kept_at = sequence;
        Ok(())
    }
}

/// Whether a batch goes on where the fold ends; one with a gap is read from the ledger instead.
fn follows(rows: &[StoredEvent], sequence: u64) -> bool {
    rows.first().is_some_and(|first| first.sequence <= sequence + 1)
}

impl OverviewFold {
    /// Folds rows in order; those known already change nothing.
    ///
    /// # Errors
    /// `LEDGER_BROKEN` for a row that is no event.
    pub fn apply_rows(&mut self, rows: &[StoredEvent]) -> Outcome<()> {
        for row in rows
            .iter()
            .filter(|row| row.sequence > self.sequence)
            .collect::<Vec<_>>()
        {
            self.apply(row.sequence, &Event::from_bytes(&row.bytes)?);
        }
        Ok(())
    }
}
