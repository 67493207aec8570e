//! The way to the writer: a bounded queue of work that shares commits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use openwrap_contracts::canonical::Hashed;
use openwrap_contracts::event::Event;
use openwrap_contracts::limits::LEDGER_QUEUE_MAX;
use openwrap_contracts::ports::Settled;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Bytes that may wait for the writer at once.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the writer does within one commit.
pub(crate) enum Work {
    /// Rows in order, and the blobs they name that live in the database: all or none.
    Append {
        rows: Vec<Bytes>,
        content: Vec<Hashed>,
        events: Vec<Event>,
        waited_for: bool,
        settled: Settled,
    },
    /// A blob that lives in the database.
    Keep {
        content: Hashed,
        answer: oneshot::Sender<Outcome<()>>,
    },
}

impl Work {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Append { rows, content, .. } => rows.len() + content.len(),
            Self::Keep { .. } => 1,
        }
    }

    /// The runs its rows belong to.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &str> {
        let events = match self {
            Self::Append { events, .. } => events.as_slice(),
            Self::Keep { .. } => &[],
        };
        events.iter().filter_map(|event| event.run_id.as_deref())
    }

    /// Somebody goes on when it is done.
    pub(crate) fn is_waited_for(&self) -> bool {
        match self {
            Self::Append { waited_for, .. } => *waited_for,
            Self::Keep { .. } => true,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Append { rows, content, .. } => {
                let content = content.iter().map(|content| content.bytes().len());
                rows.iter().map(Bytes::len).chain(content).sum()
            }
            Self::Keep { content, .. } => content.bytes().len(),
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

    /// Keeps a blob; answers when it is on disk.
    pub(crate) async fn keep(&self, content: Hashed) -> Outcome<()> {
        let (answer, answered) = oneshot::channel();
        self.send(Work::Keep { content, answer }).await?;
        answered.await.map_err(|_| closed())?
    }

    /// Answers when the work has its place.
    pub(crate) async fn send(&self, work: Work) -> Outcome<()> {
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
