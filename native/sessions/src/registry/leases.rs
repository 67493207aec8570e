//! Who drives: leases taken and ended, and what their holders do with them.

use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::event::Fact;
use openwrap_contracts::identity::Actor;
use openwrap_contracts::limits::LEASE_IDLE_MS;
use openwrap_contracts::session::{HandBack, Lease, SessionInput, SessionStatus};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use super::gone::closed;
use super::{Entry, Place, SessionRegistry, unknown};

/// How long an input waits for one that it overtook.
const OVERTAKEN_PATIENCE: Duration = Duration::from_secs(3);
/// A lease in force.
pub struct Held {
    pub token: String,
    pub by: Actor,
    pub heard_at: i64,
    /// Requests of this lease that are over; the next has this number plus one.
    pub sequence: u32,
    /// The next one is being carried out.
    pub typing: bool,
    /// The newest of those that were refused, and why: sent again, it is refused again.
    pub refused: Option<(u32, Fault)>,
}

/// A request that is being carried out: its number is nobody else's meanwhile.
struct Turn<'a> {
    registry: &'a SessionRegistry,
    session_id: &'a str,
    token: &'a str,
    /// How it ended; none: it was cut off, and can come again.
    done: Option<Outcome<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(held) = self
            .registry
            .state()
            .entries
            .get_mut(self.session_id)
            .and_then(|entry| entry.held.as_mut())
            .filter(|held| held.token == self.token)
        {
            held.typing = false;
            if let Some(done) = self.done.take() {
                held.sequence += 1;
                held.refused = done.err().map(|fault| (held.sequence, fault)).or(held.refused.take());
            }
        }
        self.registry.moved.notify_waiters();
    }
}

impl SessionRegistry {
    pub(super) async fn take_session(&self, session_id: &str, by: Actor) -> Outcome<Lease> {
        self.end_idle().await?;
        let token = self.ids.fresh("lease");
        let (lease, place, surface, watchers) = {
            let mut state = self.state();
            let entry = state.entries.get_mut(session_id).ok_or_else(|| unknown(session_id))?;
            if entry.session.status == SessionStatus::Closed {
                return Err(closed());
            }
            if let Some(held) = &entry.held {
                return Err(Fault::new(
                    ErrorCode::LeaseHeld,
                    format!("{} drives this session", held.by.id),
                ));
            }
            let now = self.clock.now_ms();
            entry.fence += 1;
            entry.session.status = SessionStatus::Paused;
            entry.session.controller_id = Some(by.id.clone());
            entry.session.updated_at = now;
            entry.held = Some(Held {
                token: token.clone(),
                by: by.clone(),
                heard_at: now,
                sequence: 0,
                typing: false,
                refused: None,
            });
            let lease = Lease {
                session_id: session_id.to_owned(),
                token,
                fence: entry.fence,
            };
            (
                lease,
                Place::of_entry(entry),
                Arc::clone(&entry.surface),
                entry.watchers,
            )
        };
        // What happened before is not the person's doing.
        let _ = surface.since_taken().await;
        surface.watched(watchers, true);
        let taken = Fact::ControlTaken {
            session_id: session_id.to_owned(),
            fence: lease.fence,
        };
        self.note(by, &place, taken).await?;
        Ok(lease)
    }

    /// Ends the lease with this token; none: whichever is held.
    pub(super) async fn end_lease(&self, session_id: &str, token: Option<&str>, note: Option<String>) -> Outcome<()> {
        let surface = {
            let mut state = self.state();
            let entry = state.entries.get_mut(session_id).ok_or_else(|| unknown(session_id))?;
            entry.check(token)?;
            Arc::clone(&entry.surface)
        };
        let changed = surface.since_taken().await;
        let (by, fence, place, watchers) = {
            let mut state = self.state();
            let entry = state.entries.get_mut(session_id).ok_or_else(|| unknown(session_id))?;
            // Closed or ended meanwhile: there is nothing left to give back.
            entry.check(token)?;
            let Some(held) = entry.held.take() else { return Ok(()) };
            entry.session.status = SessionStatus::Active;
            entry.session.controller_id = None;
            entry.session.updated_at = self.clock.now_ms();
            entry.handed_back.push(HandBack {
                session_id: session_id.to_owned(),
                kind: entry.session.kind,
                note: note.clone(),
                changed: changed.clone(),
            });
            (held.by, entry.fence, Place::of_entry(entry), entry.watchers)
        };
        surface.watched(watchers, false);
        let fact = Fact::ControlHandedBack {
            session_id: session_id.to_owned(),
            fence,
            note,
            changed,
        };
        let noted = self.note(by, &place, fact).await;
        self.freed.notify_waiters();
        noted
    }

    /// Ends leases whose holders have said nothing for too long.
    pub(super) async fn end_idle(&self) -> Outcome<()> {
        let now = self.clock.now_ms();
        let limit = i64::try_from(LEASE_IDLE_MS).unwrap_or(i64::MAX);
        self.end_leases(|held| now - held.heard_at >= limit).await
    }

    /// Ends every lease of a person who may no longer drive; the workers go on.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub async fn end_leases_of(&self, person: &str) -> Outcome<()> {
        self.end_leases(|held| held.by.id == person).await
    }

    async fn end_leases(&self, over: impl Fn(&Held) -> bool) -> Outcome<()> {
        let concerned: Vec<(String, String)> = self
            .state()
            .entries
            .iter()
            .filter_map(|(id, entry)| {
                let held = entry.held.as_ref().filter(|held| over(held))?;
                Some((id.clone(), held.token.clone()))
            })
            .collect();
        for (session_id, token) in concerned {
            match self.end_lease(&session_id, Some(&token), None).await {
                Err(fault) if fault.code != ErrorCode::LeaseLost => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) async fn type_in(&self, session_id: &str, token: &str, inputs: Vec<SessionInput>) -> Outcome<()> {
        let surface = {
            let mut state = self.state();
            let entry = state.entries.get_mut(session_id).ok_or_else(|| unknown(session_id))?;
            entry.check(Some(token))?;
            if let Some(held) = &mut entry.held {
                held.heard_at = self.clock.now_ms();
            }
            Arc::clone(&entry.surface)
        };
        surface.input(inputs).await
    }

    /// Input that may overtake others on its way: each request of a lease has the number after the one before, from 1. One that came
    /// before is over already, and is answered as it was; one that is being carried out is waited for; one that is early waits for those
    /// between.
    ///
    /// # Errors
    /// As [`Sessions::input`]; `TIMEOUT` when those between do not come.
    pub async fn input_in_order(
        &self,
        session_id: &str,
        token: &str,
        sequence: u32,
        inputs: Vec<SessionInput>,
    ) -> Outcome<()> {
        let until = tokio::time::Instant::now() + OVERTAKEN_PATIENCE;
        loop {
            let moved = self.moved.notified();
            let due = {
                let mut state = self.state();
                let entry = state.entries.get_mut(session_id).ok_or_else(|| unknown(session_id))?;
                entry.check(Some(token))?;
                let held = entry.held.as_mut().ok_or_else(lost)?;
                let due = held.sequence + 1;
                if sequence < due {
                    let refused = held.refused.as_ref().filter(|(number, _)| *number == sequence);
                    return refused.map_or(Ok(()), |(_, fault)| Err(fault.clone()));
                }
                if sequence == due && !held.typing {
                    held.typing = true;
                    break;
                }
                due
            };
            if sequence == due {
                moved.await;
            } else if tokio::time::timeout_at(until, moved).await.is_err() {
                return Err(Fault::new(
                    ErrorCode::Timeout,
                    format!("input {due} of this lease has not come, so {sequence} was not done"),
                ));
            }
        }
        let mut turn = Turn {
            registry: self,
            session_id,
            token,
            done: None,
        };
        let done = self.type_in(session_id, token, inputs).await;
        turn.done = Some(done.clone());
        done
    }
}

fn lost() -> Fault {
    Fault::new(ErrorCode::LeaseLost, "this lease is over: nothing was done")
}

impl Entry {
    /// Whether this token's lease is in force.
    fn check(&self, token: Option<&str>) -> Outcome<()> {
        let in_force = match (&self.held, token) {
            (Some(held), Some(token)) => constant_time_eq(held.token.as_bytes(), token.as_bytes()),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if in_force {
            return Ok(());
        }
        Err(lost())
    }
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
