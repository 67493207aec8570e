//! The rules of track AR: the states of a session, one driver at a time, approvals that hold up what asked, and a log of it all.
//! No I/O, no clock, no randomness.

mod approvals;
mod log;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use openwrap_contracts::ar::{
    ApprovalAnswer, ApprovalDecision, ApprovalRequest, MANAGED_SESSIONS_MAX, SessionStatus, WAITING_INPUTS_MAX,
    WorkspaceEvent, WorkspaceEventType, WorkspaceInput, WorkspaceInputReceipt, WorkspaceSession, WorkspaceSessionInput,
    WorkspaceSnapshot,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

use self::approvals::Approvals;
use self::log::Log;

/// Bytes of an id.
const ID_BYTES_MAX: usize = 128;

/// Sessions, their approvals and the log. Every method that acts takes the time: one before the last is refused, none given is one
/// millisecond later.
#[derive(Default)]
pub struct WorkspaceSessionManager {
    sessions: BTreeMap<String, Held>,
    /// Ids by creation.
    order: Vec<String>,
    approvals: Approvals,
    log: Log,
    now: i64,
}

/// A session with what waits for it.
struct Held {
    session: WorkspaceSession,
    waiting: VecDeque<WorkspaceInput>,
}

impl WorkspaceSessionManager {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest time it was told.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now
    }

    /// A session in the state `created`.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`, `INVALID_ARGUMENTS` (an id that is empty, long or has controls; time), `LIMIT_EXCEEDED`.
    pub fn create_session(&mut self, input: WorkspaceSessionInput, now_ms: Option<i64>) -> Outcome<WorkspaceSession> {
        let now = self.time(now_ms)?;
        let session_id = match input.session_id {
            Some(id) => id,
            None => self.fresh_id(),
        };
        check_id("sessionId", &session_id)?;
        if let Some(owner) = &input.owner_agent_id {
            check_id("ownerAgentId", owner)?;
        }
        if self.sessions.contains_key(&session_id) {
            return Err(Fault::new(
                ErrorCode::AlreadyExists,
                format!("the session {} is there", shown(&session_id)),
            ));
        }
        if self.sessions.len() >= MANAGED_SESSIONS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{MANAGED_SESSIONS_MAX} sessions are known"),
            ));
        }
        let session = WorkspaceSession {
            session_id: session_id.clone(),
            kind: input.kind,
            status: SessionStatus::Created,
            owner_agent_id: input.owner_agent_id,
            controller_id: None,
            created_at: now,
            updated_at: now,
        };
        self.begin(now);
        self.order.push(session_id.clone());
        let held = Held {
            session: session.clone(),
            waiting: VecDeque::new(),
        };
        self.sessions.insert(session_id.clone(), held);
        self.note_status(&session_id, SessionStatus::Created)?;
        Ok(session)
    }

    /// A person takes control of an active session: it is paused, and its agent's input waits.
    ///
    /// # Errors
    /// `LEASE_HELD` naming who drives, `NOT_FOUND`, `INVALID_STATE`, `INVALID_ARGUMENTS`.
    pub fn pause_session(
        &mut self,
        session_id: &str,
        controller_id: Option<String>,
        now_ms: Option<i64>,
    ) -> Outcome<WorkspaceSession> {
        let now = self.time(now_ms)?;
        if let Some(controller) = &controller_id {
            check_id("controllerId", controller)?;
        }
        let held = self.held(session_id)?;
        if let (SessionStatus::Paused, Some(holder)) = (held.session.status, &held.session.controller_id) {
            return Err(lease_held(session_id, holder));
        }
        allow(&held.session, &[SessionStatus::Active], "paused")?;
        let from = held.session.owner_agent_id.clone();
        self.begin(now);
        self.change(session_id, SessionStatus::Paused, controller_id.clone())?;
        if let Some(to) = controller_id {
            self.hand_over(session_id, from.as_deref(), Some(&to))?;
        }
        self.session(session_id)
    }

    /// Starts a created session, or gives a paused one back to its agent, whose waiting input then goes in.
    ///
    /// # Errors
    /// `LEASE_HELD` when `controller_id` is given and somebody else drives, `NOT_FOUND`, `INVALID_STATE`, `INVALID_ARGUMENTS`.
    pub fn resume_session(
        &mut self,
        session_id: &str,
        controller_id: Option<&str>,
        now_ms: Option<i64>,
    ) -> Outcome<WorkspaceSession> {
        let now = self.time(now_ms)?;
        let session = self.held(session_id)?.session.clone();
        allow(&session, &[SessionStatus::Created, SessionStatus::Paused], "active")?;
        if let (Some(holder), Some(by)) = (&session.controller_id, controller_id)
            && holder != by
        {
            return Err(lease_held(session_id, holder));
        }
        self.begin(now);
        self.change(session_id, SessionStatus::Active, None)?;
        if let Some(from) = &session.controller_id {
            self.hand_over(session_id, Some(from), session.owner_agent_id.as_deref())?;
        }
        self.let_in(session_id)?;
        self.session(session_id)
    }

    /// Ends an active or paused session; what waited for it is dropped.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_STATE`, `INVALID_ARGUMENTS` (time).
    pub fn close_session(&mut self, session_id: &str, now_ms: Option<i64>) -> Outcome<WorkspaceSession> {
        let now = self.time(now_ms)?;
        allow(
            &self.held(session_id)?.session,
            &[SessionStatus::Active, SessionStatus::Paused],
            "closed",
        )?;
        self.begin(now);
        self.held_mut(session_id)?.waiting.clear();
        self.change(session_id, SessionStatus::Closed, None)?;
        self.session(session_id)
    }

    /// Input of whoever drives becomes an event; the agent's waits while a person drives or its approval is pending.
    ///
    /// # Errors
    /// `LEASE_HELD` for anybody else, `NOT_FOUND`, `INVALID_STATE`, `INVALID_ARGUMENTS`, `LIMIT_EXCEEDED`.
    pub fn send_input(
        &mut self,
        session_id: &str,
        input: WorkspaceInput,
        now_ms: Option<i64>,
    ) -> Outcome<WorkspaceInputReceipt> {
        let now = self.time(now_ms)?;
        check_id("actorId", &input.actor_id)?;
        log::check_size(&input.data)?;
        let session = self.held(session_id)?.session.clone();
        allow(
            &session,
            &[SessionStatus::Active, SessionStatus::Paused],
            "driven; resume it first",
        )?;
        let is_paused = session.status == SessionStatus::Paused;
        let is_owner = session.owner_agent_id.as_deref() == Some(&input.actor_id);
        let drives = match &session.controller_id {
            Some(holder) => *holder == input.actor_id,
            None => !is_paused && (is_owner || session.owner_agent_id.is_none()),
        };
        if !drives && !is_owner {
            let holder = session.controller_id.or(session.owner_agent_id);
            return Err(lease_held(session_id, holder.as_deref().unwrap_or("nobody")));
        }
        self.begin(now);
        let is_free = self.held(session_id)?.waiting.is_empty() && !self.approvals.holds_up(session_id);
        // A person is not held up by what the agent asks.
        if drives && (session.controller_id.is_some() || is_free) {
            let sequence = self.prompt(session_id, &input)?;
            return Ok(WorkspaceInputReceipt::Delivered { sequence });
        }
        let held = self.held_mut(session_id)?;
        if held.waiting.len() >= WAITING_INPUTS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{WAITING_INPUTS_MAX} inputs wait in {} already", shown(session_id)),
            ));
        }
        held.waiting.push_back(input);
        let place = u32::try_from(held.waiting.len()).unwrap_or(u32::MAX);
        Ok(WorkspaceInputReceipt::Waiting { place })
    }

    /// What the surface did: output, a picture, a file shown.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` (`prompt`, `status` and `control_handoff` come from the other methods; a picture without its hash; size;
    /// time), `NOT_FOUND`, `INVALID_STATE`.
    pub fn record_event(
        &mut self,
        session_id: &str,
        event_type: WorkspaceEventType,
        payload: &Value,
        now_ms: Option<i64>,
    ) -> Outcome<u64> {
        let now = self.time(now_ms)?;
        log::check_recorded(event_type, payload)?;
        allow(
            &self.held(session_id)?.session,
            &[SessionStatus::Active, SessionStatus::Paused],
            "written to",
        )?;
        self.begin(now);
        self.note(session_id, event_type, payload)
    }

    /// Asks a person. The decision is pending until one answers or the time is over.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`, `NOT_FOUND` (session), `INVALID_ARGUMENTS`, `LIMIT_EXCEEDED`.
    pub fn request_approval(&mut self, request: ApprovalRequest) -> Outcome<ApprovalDecision> {
        check_id("requestId", &request.request_id)?;
        log::check_size(&request.payload)?;
        let session_id = request.session_id.clone();
        if let Some(session_id) = &session_id {
            allow(
                &self.held(session_id)?.session,
                &[SessionStatus::Active, SessionStatus::Paused],
                "asked about",
            )?;
        }
        let now = self.time(Some(request.requested_at))?;
        self.approvals.check_new(&request)?;
        self.begin(now);
        let told = json!({ "requestId": request.request_id, "kind": request.kind, "approval": "pending" });
        let decision = self.approvals.ask(request);
        if let Some(session_id) = session_id {
            self.note(&session_id, WorkspaceEventType::LogLine, &told)?;
        }
        Ok(decision)
    }

    /// Decides a pending approval, perhaps with other arguments.
    ///
    /// # Errors
    /// `NOT_FOUND`, `APPROVAL_EXPIRED`, `INVALID_STATE` (decided before), `INVALID_ARGUMENTS`.
    pub fn resolve_approval(&mut self, answer: ApprovalAnswer, now_ms: Option<i64>) -> Outcome<ApprovalDecision> {
        let now = self.time(now_ms)?;
        if let Some(arguments) = &answer.arguments {
            log::check_size(arguments)?;
        }
        self.approvals.known(&answer.request_id)?;
        self.begin(now);
        let (decision, session_id) = self.approvals.decide(answer)?;
        self.decided(&decision, session_id)?;
        Ok(decision)
    }

    /// Where an approval stands at a time.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENTS` (time).
    pub fn approval(&mut self, request_id: &str, now_ms: Option<i64>) -> Outcome<ApprovalDecision> {
        let now = self.time(now_ms)?;
        self.approvals.known(request_id)?;
        self.begin(now);
        self.approvals.known(request_id)
    }

    /// Every approval with its decision, as it was asked.
    #[must_use]
    pub fn list_approvals(&self) -> Vec<ApprovalDecision> {
        self.approvals.list()
    }

    /// Events after a sequence, oldest first, at most `limit`.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when events after it are no longer kept.
    pub fn drain_events(&self, after: Option<u64>, limit: Option<u32>) -> Outcome<Vec<WorkspaceEvent>> {
        self.log.after(after.unwrap_or(0), limit)
    }

    /// By creation.
    #[must_use]
    pub fn list_sessions(&self) -> Vec<WorkspaceSession> {
        let known = self.order.iter().filter_map(|id| self.sessions.get(id));
        known.map(|held| held.session.clone()).collect()
    }

    #[must_use]
    pub fn get_snapshot(&self) -> WorkspaceSnapshot {
        WorkspaceSnapshot {
            sessions: self.list_sessions(),
            event_cursor: self.log.cursor(),
        }
    }

    /// Forgets everything; sequences and times begin again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

impl WorkspaceSessionManager {
    fn time(&self, now_ms: Option<i64>) -> Outcome<i64> {
        match now_ms {
            Some(now) if now < self.now => Err(Fault::invalid(format!(
                "nowMs is {now}, before the last time {}",
                self.now
            ))),
            Some(now) => Ok(now),
            None => Ok(self.now.saturating_add(1)),
        }
    }

    /// From here on it is `now`: approvals whose time is over expire, and what waited for them goes on.
    fn begin(&mut self, now: i64) {
        self.now = now;
        for (decision, session_id) in self.approvals.expire(now) {
            // The session of an approval is there as long as the manager.
            let _ = self.decided(&decision, session_id);
        }
    }

    fn decided(&mut self, decision: &ApprovalDecision, session_id: Option<String>) -> Outcome<()> {
        let Some(session_id) = session_id else { return Ok(()) };
        let told = json!({ "requestId": decision.request_id, "approval": decision.status });
        self.note(&session_id, WorkspaceEventType::LogLine, &told)?;
        self.let_in(&session_id)
    }

    /// Waiting input goes in when nothing holds it up any more.
    fn let_in(&mut self, session_id: &str) -> Outcome<()> {
        let is_held_up = self.approvals.holds_up(session_id);
        let held = self.held_mut(session_id)?;
        if is_held_up || held.session.status != SessionStatus::Active {
            return Ok(());
        }
        for input in std::mem::take(&mut held.waiting) {
            self.prompt(session_id, &input)?;
        }
        Ok(())
    }

    fn prompt(&mut self, session_id: &str, input: &WorkspaceInput) -> Outcome<u64> {
        let payload = json!({ "actorId": input.actor_id, "data": input.data });
        self.note(session_id, WorkspaceEventType::Prompt, &payload)
    }

    fn change(&mut self, session_id: &str, status: SessionStatus, controller_id: Option<String>) -> Outcome<()> {
        let held = self.held_mut(session_id)?;
        held.session.status = status;
        held.session.controller_id = controller_id;
        self.note_status(session_id, status)
    }

    fn note_status(&mut self, session_id: &str, status: SessionStatus) -> Outcome<()> {
        let payload = json!({ "status": status });
        self.note(session_id, WorkspaceEventType::Status, &payload).map(|_| ())
    }

    fn hand_over(&mut self, session_id: &str, from: Option<&str>, to: Option<&str>) -> Outcome<()> {
        let payload = json!({ "from": from, "to": to });
        self.note(session_id, WorkspaceEventType::ControlHandoff, &payload)
            .map(|_| ())
    }

    fn note(&mut self, session_id: &str, event_type: WorkspaceEventType, payload: &Value) -> Outcome<u64> {
        let now = self.now;
        self.held_mut(session_id)?.session.updated_at = now;
        Ok(self.log.append(session_id, event_type, now, payload))
    }

    fn session(&self, session_id: &str) -> Outcome<WorkspaceSession> {
        self.held(session_id).map(|held| held.session.clone())
    }

    fn held(&self, session_id: &str) -> Outcome<&Held> {
        self.sessions.get(session_id).ok_or_else(|| unknown(session_id))
    }

    fn held_mut(&mut self, session_id: &str) -> Outcome<&mut Held> {
        self.sessions.get_mut(session_id).ok_or_else(|| unknown(session_id))
    }

    fn fresh_id(&self) -> String {
        (self.order.len() + 1..)
            .map(|number| format!("session-{number}"))
            .find(|id| !self.sessions.contains_key(id))
            .unwrap_or_default()
    }
}

fn allow(session: &WorkspaceSession, states: &[SessionStatus], verb: &str) -> Outcome<()> {
    if states.contains(&session.status) {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::InvalidState,
        format!(
            "the session {} is {} and cannot be {verb}",
            shown(&session.session_id),
            json!(session.status).as_str().unwrap_or_default()
        ),
    ))
}

fn check_id(name: &str, id: &str) -> Outcome<()> {
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(Fault::invalid(format!(
            "`{name}` has 1 to {ID_BYTES_MAX} bytes, none a control character"
        )));
    }
    Ok(())
}

fn lease_held(session_id: &str, holder: &str) -> Fault {
    Fault::new(
        ErrorCode::LeaseHeld,
        format!("{} drives the session {}", shown(holder), shown(session_id)),
    )
}

fn unknown(session_id: &str) -> Fault {
    Fault::not_found(format!("no session {}", shown(session_id)))
}

fn shown(id: &str) -> String {
    format!("`{}`", id.chars().take(ID_BYTES_MAX).collect::<String>().escape_debug())
}
