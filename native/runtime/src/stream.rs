//! Streams to pages: facts with their stored bytes, text frames without a sequence. Each frame is formatted once and
//! handed on in batches; a stream that falls behind goes on from the ledger, without a gap.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openwrap_contracts::Outcome;
use openwrap_contracts::event::StoredEvent;
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::{PAGE_EVENTS_MAX, STREAM_QUEUE_MAX};
use openwrap_contracts::ports::{CancellationToken, Ledger, TextSink};
use openwrap_sessions::SessionRegistry;
use serde_json::json;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::sessions::{all_changed, changed};

/// Takes ready SSE text.
pub type FrameSink = Arc<dyn Fn(&str) -> Delivery + Send + Sync>;

/// What became of handed-over text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Taken,
    /// The reader is slower: the same text comes again.
    Full,
    /// Nobody reads any more.
    Gone,
}

/// Waits before a full reader is tried again: the first, and the longest of one that stays full.
const FULL_WAIT_MS: u64 = 2;
const FULL_WAIT_MS_MAX: u64 = 50;

async fn deliver(sink: &FrameSink, text: &str) -> bool {
    let mut wait_ms = FULL_WAIT_MS;
    loop {
        match sink(text) {
            Delivery::Taken => return true,
            Delivery::Gone => return false,
            Delivery::Full => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
        }
        wait_ms = FULL_WAIT_MS_MAX.min(wait_ms * 2);
    }
}

/// Live text of steps, fanned out to all streams.
pub struct TextFrames {
    sender: broadcast::Sender<Arc<str>>,
    /// Bytes sent of the step that spoke last: deltas of one step are glued together until taken.
    gathered: Mutex<Option<Gathered>>,
    /// Something begins to gather: whoever sends it wakes then, and never else.
    gathering: watch::Sender<()>,
}

struct Gathered {
    run_id: String,
    step: StepRef,
    offset: usize,
    text: String,
}

/// Text gathered for one step before it goes out as one frame, and for how long it is.
const GATHER_BYTES: usize = 256;
const GATHER: Duration = Duration::from_millis(12);

impl TextFrames {
    #[must_use]
    pub fn new() -> Arc<Self> {
        let (sender, _) = broadcast::channel(STREAM_QUEUE_MAX);
        Arc::new(Self {
            sender,
            gathered: Mutex::new(None),
            gathering: watch::Sender::new(()),
        })
    }

    /// Sends what is gathered.
    pub fn flush(&self) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = gathered.take() {
            self.send(&ready);
        }
    }

    fn send(&self, ready: &Gathered) {
        let data = json!({ "runId": ready.run_id, "stepId": ready.step.id(), "taskId": ready.step.task_id, "offset": ready.offset, "text": ready.text });
        // Nobody listening is no error: text frames are no facts.
        let _ = self.sender.send(Arc::from(format!("event: text\ndata: {data}\n\n")));
    }
}

impl TextSink for TextFrames {
    fn delta(&self, run_id: &str, step: &StepRef, offset: usize, text: &str) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = gathered.as_mut()
            && known.run_id == run_id
            && known.step == *step
            && known.offset + known.text.len() == offset
            && known.text.len() < GATHER_BYTES
        {
            known.text.push_str(text);
            return;
        }
        let next = Gathered {
            run_id: run_id.to_owned(),
            step: step.clone(),
            offset,
            text: text.to_owned(),
        };
        match gathered.replace(next) {
            Some(ready) => self.send(&ready),
            None => self.gathering.send_replace(()),
        }
    }
}

/// Feeds one stream until it is closed: everything after `after` from the ledger, then the tail.
pub async fn feed(
    ledger: Arc<dyn Ledger>,
    text: Arc<TextFrames>,
    sessions: Arc<SessionRegistry>,
    after: u64,
    sink: FrameSink,
    closed: CancellationToken,
) {
    let outcome = tokio::select! {
        () = closed.cancelled() => return,
        outcome = run(ledger, text, &sessions, after, &sink) => outcome,
    };
    if let Err(fault) = outcome {
        let data = serde_json::to_string(&fault).unwrap_or_default();
        deliver(&sink, &format!("event: fault\ndata: {data}\n\n")).await;
    }
}

async fn run(
    ledger: Arc<dyn Ledger>,
    text: Arc<TextFrames>,
    sessions: &SessionRegistry,
    after: u64,
    sink: &FrameSink,
) -> Outcome<()> {
    let mut position = after;
    let mut words = text.sender.subscribe();
    let mut gathering = text.gathering.subscribe();
    // Something may have been left by a stream that has gone.
    gathering.mark_changed();
    let mut surfaces = sessions.changes();
    loop {
        // Subscribed before reading: nothing can fall between the two.
        let mut tail = ledger.tail();
        loop {
            let rows = ledger.read(position, None, PAGE_EVENTS_MAX).await?;
            if rows.is_empty() {
                break;
            }
            if !send_rows(&rows, &mut position, sink).await {
                return Ok(());
            }
        }
        let mut ready_at = None;
        loop {
            tokio::select! {
                biased;
                batch = tail.recv() => match batch {
                    Ok(rows) => if !send_rows(&rows, &mut position, sink).await { return Ok(()) },
                    Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                frame = words.recv() => match frame {
                    Ok(frame) => if !send_words(frame, &mut words, sink).await { return Ok(()) },
                    // Text that was missed comes again with the step's end.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                told = surfaces.recv() => {
                    let frames = match told {
                        Ok(session_id) => changed(&session_id),
                        Err(broadcast::error::RecvError::Lagged(_)) => all_changed(sessions),
                        Err(broadcast::error::RecvError::Closed) => return Ok(()),
                    };
                    if !deliver(sink, &frames).await { return Ok(()) }
                },
                Ok(()) = gathering.changed(), if ready_at.is_none() => ready_at = Some(Instant::now() + GATHER),
                () = until(ready_at), if ready_at.is_some() => {
                    ready_at = None;
                    text.flush();
                },
            }
        }
    }
}

async fn until(ready_at: Option<Instant>) {
    if let Some(at) = ready_at {
        tokio::time::sleep_until(at).await;
    }
}

async fn send_rows(rows: &[StoredEvent], position: &mut u64, sink: &FrameSink) -> bool {
    let mut frames = String::new();
    for row in rows.iter().filter(|row| row.sequence > *position) {
        let _ = write!(frames, "id: {}\ndata: ", row.sequence);
        frames.push_str(&String::from_utf8_lossy(&row.bytes));
        frames.push_str("\n\n");
    }
    if let Some(last) = rows.last() {
        *position = (*position).max(last.sequence);
    }
    frames.is_empty() || deliver(sink, &frames).await
}

async fn send_words(first: Arc<str>, words: &mut broadcast::Receiver<Arc<str>>, sink: &FrameSink) -> bool {
    let mut frames = first.to_string();
    for _ in 1..openwrap_contracts::limits::STREAM_BATCH_MAX {
        match words.try_recv() {
            Ok(frame) => frames.push_str(&frame),
            Err(_) => break,
        }
    }
    deliver(sink, &frames).await
}
