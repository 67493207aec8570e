//! Every live session of the installation, and who drives it.

mod gone;
mod leases;
mod port;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::limits::{LEASE_IDLE_MS, SESSIONS_MAX};
use openwrap_contracts::ports::{CancellationToken, Clock, Ids, Ledger};
use openwrap_contracts::session::{HandBack, Session, SessionSpec, SessionStatus, Surface, SurfaceFrame};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{Notify, broadcast};

use self::gone::Gone;
use self::leases::Held;

/// Closed sessions that are still listed, oldest gone first.
const CLOSED_LISTED_MAX: usize = 64;

/// Changes a reader may be behind.
const CHANGES_BEHIND_MAX: usize = 256;

struct Entry {
    session: Session,
    project_id: String,
    attempt: u32,
    surface: Arc<dyn Surface>,
    held: Option<Held>,
    /// Leases so far.
    fence: u32,
    handed_back: Vec<HandBack>,
    watchers: usize,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Entry>,
    /// In the order of opening.
    order: Vec<String>,
}

/// The registry.
pub struct SessionRegistry {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    state: Mutex<State>,
    /// A lease ended, or a session closed.
    freed: Notify,
    /// An input was carried out.
    moved: Notify,
    changes: broadcast::Sender<Arc<str>>,
}

impl SessionRegistry {
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            clock,
            ids,
            state: Mutex::default(),
            freed: Notify::new(),
            moved: Notify::new(),
            changes: broadcast::channel(CHANGES_BEHIND_MAX).0,
        })
    }

    /// Sessions whose view is to be asked for again, from now on. Output and pictures are taken from the surface itself.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.changes.subscribe()
    }

    /// A session as it is, with its surface while it is open.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn look(&self, session_id: &str) -> Outcome<(Session, Option<Arc<dyn Surface>>)> {
        let state = self.state();
        let entry = state.entries.get(session_id).ok_or_else(|| unknown(session_id))?;
        let open = entry.session.status != SessionStatus::Closed;
        Ok((entry.session.clone(), open.then(|| Arc::clone(&entry.surface))))
    }

    /// One more, or one less, looks at a session's pictures.
    pub fn watch(&self, session_id: &str, more: bool) {
        if let Some(entry) = self.state().entries.get_mut(session_id) {
            entry.watchers = if more {
                entry.watchers + 1
            } else {
                entry.watchers.saturating_sub(1)
            };
            entry.surface.watched(entry.watchers, entry.held.is_some());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note(&self, actor: Actor, place: &Place, fact: Fact) -> Outcome<()> {
        let event = Event {
            at: self.clock.now_ms(),
            actor,
            project_id: Some(place.project_id.clone()),
            run_id: Some(place.run_id.clone()),
            task_id: Some(place.task_id.clone()),
            attempt: Some(place.attempt),
            step: None,
            fact,
        };
        self.ledger.append(vec![event]).await.map(drop)
    }

    async fn open_session(&self, spec: SessionSpec, surface: Arc<dyn Surface>) -> Outcome<String> {
        let session_id = self.ids.fresh("session");
        let now = self.clock.now_ms();
        let place = Place::of(&spec);
        let opened = Fact::SessionOpened {
            session_id: session_id.clone(),
            kind: spec.kind,
            title: spec.title.clone(),
        };
        {
            let mut state = self.state();
            let alive =
                |entry: &&Entry| entry.session.run_id == spec.run_id && entry.session.status != SessionStatus::Closed;
            if state.entries.values().filter(alive).count() >= SESSIONS_MAX {
                return Err(Fault::new(
                    ErrorCode::LimitExceeded,
                    format!("{SESSIONS_MAX} sessions of this run are open; close one first"),
                ));
            }
            let session = Session {
                session_id: session_id.clone(),
                kind: spec.kind,
                status: SessionStatus::Active,
                run_id: spec.run_id,
                task_id: spec.task_id,
                title: spec.title,
                controller_id: None,
                created_at: now,
                updated_at: now,
            };
            let entry = Entry {
                session,
                project_id: spec.project_id,
                attempt: spec.attempt,
                surface: Arc::clone(&surface),
                held: None,
                fence: 0,
                handed_back: Vec::new(),
                watchers: 0,
            };
            state.order.push(session_id.clone());
            state.entries.insert(session_id.clone(), entry);
            state.forget_old();
        }
        self.forward(&session_id, &surface);
        if let Err(fault) = self.note(Actor::core("sessions"), &place, opened).await {
            let _ = self.close_session(&session_id, "it could not be written down").await;
            return Err(fault);
        }
        Ok(session_id)
    }

    /// Tells of a surface's changes until it is gone.
    fn forward(&self, session_id: &str, surface: &Arc<dyn Surface>) {
        let (mut frames, changes) = (surface.frames(), self.changes.clone());
        let session_id: Arc<str> = Arc::from(session_id);
        tokio::spawn(async move {
            loop {
                match frames.recv().await {
                    Ok(SurfaceFrame::Changed) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        // Nobody looking is no error.
                        let _ = changes.send(Arc::clone(&session_id));
                    }
                    Ok(SurfaceFrame::Terminal { .. } | SurfaceFrame::Picture(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        });
    }

    async fn close_session(&self, session_id: &str, reason: &str) -> Outcome<()> {
        let (surface, place) = {
            let mut state = self.state();
            let entry = state.entries.get_mut(session_id).ok_or_else(|| unknown(session_id))?;
            if entry.session.status == SessionStatus::Closed {
                return Ok(());
            }
            entry.session.status = SessionStatus::Closed;
            entry.session.controller_id = None;
            entry.session.updated_at = self.clock.now_ms();
            entry.held = None;
            // What it showed goes with it: a closed session is listed, not looked at.
            let surface = std::mem::replace(&mut entry.surface, Arc::new(Gone));
            (surface, Place::of_entry(entry))
        };
        self.freed.notify_waiters();
        surface.close().await;
        let closed = Fact::SessionClosed {
            session_id: session_id.to_owned(),
            reason: reason.to_owned(),
        };
        self.note(Actor::core("sessions"), &place, closed).await
    }

    async fn pass_gate(&self, run_id: &str, task_id: &str, cancel: &CancellationToken) -> Outcome<Vec<HandBack>> {
        loop {
            // Before looking: what happens between the two wakes it.
            let freed = self.freed.notified();
            self.end_idle().await?;
            let back = {
                let mut state = self.state();
                let of_task = |entry: &&mut Entry| entry.session.run_id == run_id && entry.session.task_id == task_id;
                let mut driven = false;
                let mut back = Vec::new();
                for entry in state.entries.values_mut().filter(of_task) {
                    driven |= entry.held.is_some();
                    back.push(&mut entry.handed_back);
                }
                if driven {
                    None
                } else {
                    Some(back.into_iter().flat_map(std::mem::take).collect())
                }
            };
            if let Some(back) = back {
                return Ok(back);
            }
            tokio::select! {
                () = freed => {}
                () = tokio::time::sleep(Duration::from_millis(LEASE_IDLE_MS / 4)) => {}
                () = cancel.cancelled() => return Err(Fault::new(ErrorCode::Canceled, "stopped while a person drives")),
            }
        }
    }
}

/// Where a session belongs.
struct Place {
    project_id: String,
    run_id: String,
    task_id: String,
    attempt: u32,
}

impl Place {
    fn of(spec: &SessionSpec) -> Self {
        Self {
            project_id: spec.project_id.clone(),
            run_id: spec.run_id.clone(),
            task_id: spec.task_id.clone(),
            attempt: spec.attempt,
        }
    }

    fn of_entry(entry: &Entry) -> Self {
        Self {
            project_id: entry.project_id.clone(),
            run_id: entry.session.run_id.clone(),
            task_id: entry.session.task_id.clone(),
            attempt: entry.attempt,
        }
    }
}

impl State {
    fn forget_old(&mut self) {
        let closed: Vec<String> = self
            .order
            .iter()
            .filter(|id| {
                self.entries
                    .get(*id)
                    .is_none_or(|entry| entry.session.status == SessionStatus::Closed)
            })
            .cloned()
            .collect();
        let surplus = closed.len().saturating_sub(CLOSED_LISTED_MAX);
        for id in &closed[..surplus] {
            self.entries.remove(id);
        }
        self.order.retain(|id| self.entries.contains_key(id));
    }
}

fn unknown(session_id: &str) -> Fault {
    Fault::not_found(format!("there is no session `{session_id}`"))
}
