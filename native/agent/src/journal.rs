//! The run's door to the ledger: everything appended is folded into the run's state, in the order it was acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openwrap_contracts::Outcome;
use openwrap_contracts::event::{Event, Fact, StoredEvent};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::ports::{Clock, Ledger, Tail, Task};

use crate::state::RunState;

/// A ledger that belongs to one run.
pub struct Journal {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    run_id: String,
    project_id: String,
    state: Mutex<RunState>,
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
            state: Mutex::new(state),
        })
    }

    /// The folded state. Held only for a look, never over an await.
    pub fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        Box::pin(async move {
            let stored = self.ledger.append(events.clone()).await?;
            let mut state = self.state();
            for event in &events {
                state.apply(event);
            }
            Ok(stored)
        })
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
