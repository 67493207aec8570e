//! The run's door to the ledger: everything appended is folded into the run's state, in the order it was acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openwrap_contracts::event::{Event, Fact, StoredEvent};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::ports::{Clock, Ledger, Named, Settled, Tail, Task};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::oneshot;

use crate::state::RunState;

/// A ledger that belongs to one run.
pub struct Journal {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    run_id: String,
    project_id: String,
    folded: Arc<Folded>,
}

/// What was acknowledged. The ledger's writer folds it, in the order of the rows.
struct Folded {
    state: Mutex<RunState>,
    /// Why something that nobody waited for could not be kept: from then on nothing of the run goes on.
    lost: OnceLock<Fault>,
}

impl Folded {
    fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fold(&self, events: &[Event]) {
        let mut state = self.state();
        for event in events {
            state.apply(event);
        }
    }

    fn intact(&self) -> Outcome<()> {
        self.lost.get().map_or(Ok(()), |fault| Err(fault.clone()))
    }
}

impl Journal {
    #[must_use]
    pub fn new(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        run_id: &str,
        project_id: &str,
        state: RunState,
    ) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            clock,
            run_id: run_id.to_owned(),
            project_id: project_id.to_owned(),
            folded: Arc::new(Folded {
                state: Mutex::new(state),
                lost: OnceLock::new(),
            }),
        })
    }

    /// The folded state. Held only for a look, never over an await.
    pub fn state(&self) -> MutexGuard<'_, RunState> {
        self.folded.state()
    }

    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// An event of this run, without a task.
    #[must_use]
    pub fn event(&self, actor: Actor, fact: Fact) -> Event {
        Event {
            at: self.clock.now_ms(),
            actor,
            project_id: Some(self.project_id.clone()),
            run_id: Some(self.run_id.clone()),
            task_id: None,
            attempt: None,
            step: None,
            fact,
        }
    }

    /// An event with its place; attempt and step 0 are left out.
    #[must_use]
    pub fn event_at(&self, actor: Actor, place: &StepRef, fact: Fact) -> Event {
        let mut event = self.event(actor, fact);
        event.task_id = Some(place.task_id.clone());
        event.attempt = (place.attempt > 0).then_some(place.attempt);
        event.step = (place.step > 0).then_some(place.step);
        event
    }

    /// Waits until everything that was submitted before is on disk and folded.
    ///
    /// # Errors
    /// As the ledger's `append`.
    pub async fn settled(&self) -> Outcome<()> {
        self.append(Vec::new()).await.map(|_| ())
    }

    /// Appends one fact about the run; answers with the time it was given.
    ///
    /// # Errors
    /// As the ledger's `append`.
    pub async fn note(&self, actor: Actor, fact: Fact) -> Outcome<i64> {
        let event = self.event(actor, fact);
        let at = event.at;
        self.append(vec![event]).await?;
        Ok(at)
    }

    /// Appends one fact about a task, attempt or step; answers with the time it was given.
    ///
    /// # Errors
    /// As the ledger's `append`.
    pub async fn note_at(&self, actor: Actor, place: &StepRef, fact: Fact) -> Outcome<i64> {
        let event = self.event_at(actor, place, fact);
        let at = event.at;
        self.append(vec![event]).await?;
        Ok(at)
    }
}

impl Ledger for Journal {
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        self.append_with(Named::default(), events)
    }

    fn append_with<'a>(&'a self, named: Named<'a>, events: Vec<Event>) -> Task<'a, Outcome<Vec<StoredEvent>>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let settled: Settled = Box::new(move |_, stored| {
                // Who went away meanwhile misses nothing: it is folded.
                let _ = answer.send(stored.clone());
            });
            self.submit(named, events, true, settled).await?;
            let closed = |_| Fault::new(ErrorCode::StorageFailed, "the ledger is closed");
            let stored = answered.await.map_err(closed)?;
            // What was lost came before, and so was heard of before.
            self.folded.intact()?;
            stored
        })
    }

    fn submit<'a>(
        &'a self,
        named: Named<'a>,
        events: Vec<Event>,
        waited_for: bool,
        settled: Settled,
    ) -> Task<'a, Outcome<()>> {
        let folded = Arc::clone(&self.folded);
        let settled: Settled = Box::new(move |events, stored| {
            if stored.is_ok() {
                folded.fold(&events);
            }
            settled(events, stored);
        });
        Box::pin(async move {
            self.folded.intact()?;
            self.ledger.submit(named, events, waited_for, settled).await
        })
    }

    fn append_behind<'a>(&'a self, named: Named<'a>, events: Vec<Event>) -> Task<'a, Outcome<()>> {
        let folded = Arc::clone(&self.folded);
        let settled: Settled = Box::new(move |_, stored| {
            if let Err(fault) = stored {
                // The first loss is the one to tell.
                let _ = folded.lost.set(fault.clone());
            }
        });
        self.submit(named, events, false, settled)
    }

    fn read(&self, after: u64, run_id: Option<String>, limit: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        self.ledger.read(after, run_id, limit)
    }

    fn head(&self) -> (u64, [u8; 32]) {
        self.ledger.head()
    }

    fn tail(&self) -> Tail {
        self.ledger.tail()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt;
    use tokio::sync::broadcast;

    use super::*;

    struct Still;

    impl Clock for Still {
        fn now_ms(&self) -> i64 {
            7
        }
    }

    /// Queues like the real one; the test is the writer.
    #[derive(Default)]
    struct Queue(Mutex<Vec<(Vec<Event>, Settled)>>);

    impl Queue {
        fn write(&self, outcome: &Outcome<Vec<StoredEvent>>) {
            let (events, settled) = self.0.lock().unwrap().remove(0);
            settled(events, outcome);
        }
    }

    impl Ledger for Queue {
        fn append(&self, _: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
            Box::pin(async { Err(Fault::internal("a journal submits")) })
        }

        fn submit<'a>(&'a self, _: Named<'a>, events: Vec<Event>, _: bool, settled: Settled) -> Task<'a, Outcome<()>> {
            self.0.lock().unwrap().push((events, settled));
            Box::pin(async { Ok(()) })
        }

        fn read(&self, _: u64, _: Option<String>, _: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn head(&self) -> (u64, [u8; 32]) {
            (0, [0; 32])
        }

        fn tail(&self) -> Tail {
            broadcast::channel(1).1
        }
    }

    fn journal() -> (Arc<Queue>, Arc<Journal>) {
        let queue = Arc::new(Queue::default());
        let journal = Journal::new(
            Arc::clone(&queue) as _,
            Arc::new(Still),
            "run",
            "p",
            RunState::default(),
        );
        (queue, journal)
    }

    fn stopping(journal: &Journal, reason: &str) -> Vec<Event> {
        let reason = reason.to_owned();
        vec![journal.event(Actor::core("test"), Fact::RunStopping { reason })]
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_folded_when_it_is_on_disk() {
        let (queue, journal) = journal();
        let behind = journal.append_behind(Named::default(), stopping(&journal, "one"));
        behind.await.unwrap();
        assert_eq!(journal.state().stopping, None);
        let mut waiting = journal.append(stopping(&journal, "two"));
        assert!((&mut waiting).now_or_never().is_none());
        queue.write(&Ok(Vec::new()));
        assert_eq!(journal.state().stopping.as_deref(), Some("one"));
        assert!((&mut waiting).now_or_never().is_none());
        queue.write(&Ok(Vec::new()));
        waiting.await.unwrap();
        assert_eq!(journal.state().stopping.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn after_a_loss_nothing_is_acknowledged() {
        let (queue, journal) = journal();
        let behind = journal.append_behind(Named::default(), stopping(&journal, "one"));
        behind.await.unwrap();
        let mut waiting = journal.append(stopping(&journal, "two"));
        assert!((&mut waiting).now_or_never().is_none());
        queue.write(&Err(Fault::new(ErrorCode::StorageFailed, "the disk is full")));
        queue.write(&Ok(Vec::new()));
        assert_eq!(waiting.await.unwrap_err().code, ErrorCode::StorageFailed);
        let later = journal.append_behind(Named::default(), stopping(&journal, "three"));
        assert_eq!(later.await.unwrap_err().code, ErrorCode::StorageFailed);
        assert!(queue.0.lock().unwrap().is_empty());
    }
}
