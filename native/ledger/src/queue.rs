//! The way to the writer: a bounded queue of work that shares commits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use openwrap_contracts::event::StoredEvent;
use openwrap_contracts::limits::LEDGER_QUEUE_MAX;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Bytes that may wait for the writer at once.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the writer does within one commit.
pub(crate) enum Work {
    /// Rows in order, all or none.
    Append {
        rows: Vec<Bytes>,
        answer: oneshot::Sender<Outcome<Vec<StoredEvent>>>,
    },
    /// A blob that lives in the database.
    Keep {
        hash: [u8; 32],
        bytes: Bytes,
        /// The events that name it come at once: worth a moment's wait.
        followed: bool,
        answer: oneshot::Sender<Outcome<()>>,
    },
}

impl Work {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Append { rows, .. } => rows.len(),
            Self::Keep { .. } => 1,
        }
    }

    pub(crate) fn is_followed(&self) -> bool {
        matches!(self, Self::Keep { followed: true, .. })
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Append { rows, .. } => rows.iter().map(Bytes::len).sum(),
            Self::Keep { bytes, .. } => bytes.len(),
        }
    }
}

/// Work with its place in the queue, given back when it is done.
pub(crate) struct Request {
    pub(crate) work: Work,
    _places: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

pub(crate) enum Message {
    Request(Request),
    Close,
}

/// The sending end. Waits when `LEDGER_QUEUE_MAX` requests or `QUEUE_BYTES_MAX` bytes are ahead.
pub(crate) struct Queue {
    sender: Sender<Message>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Queue {
    pub(crate) fn new() -> (Self, Receiver<Message>) {
        let (sender, receiver) = channel();
        let queue = Self {
            sender,
            places: Arc::new(Semaphore::new(LEDGER_QUEUE_MAX)),
            bytes: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
        };
        (queue, receiver)
    }

    /// Appends rows; answers when they are on disk.
    pub(crate) async fn append(&self, rows: Vec<Bytes>) -> Outcome<Vec<StoredEvent>> {
        let (answer, answered) = oneshot::channel();
        self.send(Work::Append { rows, answer }).await?;
        answered.await.map_err(|_| closed())?
    }

    /// Keeps a blob; answers when it is on disk.
    pub(crate) async fn keep(&self, hash: [u8; 32], bytes: Bytes, followed: bool) -> Outcome<()> {
        let (answer, answered) = oneshot::channel();
        let work = Work::Keep {
            hash,
            bytes,
            followed,
            answer,
        };
        self.send(work).await?;
        answered.await.map_err(|_| closed())?
    }

    async fn send(&self, work: Work) -> Outcome<()> {
        let bytes = work.bytes();
        if bytes > QUEUE_BYTES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("one append holds {bytes} bytes, the limit is {QUEUE_BYTES_MAX}"),
            ));
        }
        let weight = u32::try_from(bytes).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let room = Arc::clone(&self.bytes)
            .acquire_many_owned(weight)
            .await
            .map_err(|_| closed())?;
        let request = Request {
            work,
            _places: (place, room),
        };
        self.sender.send(Message::Request(request)).map_err(|_| closed())
    }

    /// Refuses new work and lets the writer end after what is queued.
    pub(crate) fn close(&self) {
        self.places.close();
        self.bytes.close();
        // A writer that is gone needs no message.
        let _ = self.sender.send(Message::Close);
    }
}

/// What is answered once the ledger is closed, or its writer is gone.
pub(crate) fn closed() -> Fault {
    Fault::new(ErrorCode::StorageFailed, "the ledger is closed").with_hint("Start Open Wrap again.")
}
