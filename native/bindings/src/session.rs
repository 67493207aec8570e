//! Entry `workspace-session`: the session manager of track AR over the core's own. Values cross as JSON text.

use std::sync::{Mutex, MutexGuard, PoisonError};

use napi_derive::napi;
use openwrap_contracts::Fault;
use openwrap_contracts::ar::{ApprovalRequest, WorkspaceEventType};
use openwrap_contracts::ports::Clock;
use openwrap_runtime::SystemClock;
use openwrap_sessions::WorkspaceSessionManager as Manager;
use serde_json::{Value, json};

use crate::crossing::{limited, read, sequence, thrown, whole, write};

/// Thin face over the Rust manager: same rules, no second implementation. A call without `nowMs` takes the system's clock, which
/// never goes back here. Errors are thrown with the JSON text of a fault as their message.
#[napi]
pub struct WorkspaceSessionManager {
    inner: Mutex<Manager>,
}

#[napi]
impl WorkspaceSessionManager {
    #[napi(constructor)]
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Manager::new()),
        }
    }

    /// Takes the JSON of `WorkspaceSessionInput`, answers that of `WorkspaceSession`.
    #[napi]
    pub fn create_session(&self, session_json: String, now_ms: Option<f64>) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        write(manager.create_session(read(&session_json)?, now))
    }

    /// A person takes control; answers the JSON of `WorkspaceSession`.
    #[napi]
    pub fn pause_session(
        &self,
        session_id: String,
        controller_id: Option<String>,
        now_ms: Option<f64>,
    ) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        write(manager.pause_session(&session_id, controller_id, now))
    }

    /// Starts a created session, or gives a paused one back; answers the JSON of `WorkspaceSession`.
    #[napi]
    pub fn resume_session(
        &self,
        session_id: String,
        controller_id: Option<String>,
        now_ms: Option<f64>,
    ) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        write(manager.resume_session(&session_id, controller_id.as_deref(), now))
    }

    /// Answers the JSON of `WorkspaceSession`.
    #[napi]
    pub fn close_session(&self, session_id: String, now_ms: Option<f64>) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        write(manager.close_session(&session_id, now))
    }

    /// Takes the JSON of `WorkspaceInput`, answers that of `WorkspaceInputReceipt`.
    #[napi]
    pub fn send_input(&self, session_id: String, input_json: String, now_ms: Option<f64>) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        write(manager.send_input(&session_id, read(&input_json)?, now))
    }

    /// Records what the surface did; answers its sequence as JSON.
    #[napi]
    pub fn record_event(
        &self,
        session_id: String,
        event_type: String,
        payload_json: String,
        now_ms: Option<f64>,
    ) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        let event_type: WorkspaceEventType =
            serde_json::from_value(json!(event_type)).map_err(|error| thrown(&Fault::from(error)))?;
        let payload: Value = read(&payload_json)?;
        write(manager.record_event(&session_id, event_type, &payload, now))
    }

    /// Answers the JSON of `WorkspaceEvent[]`.
    #[napi]
    pub fn drain_events(&self, after: Option<f64>, limit: Option<f64>) -> napi::Result<String> {
        write(self.manager().drain_events(sequence(after)?, limited(limit)?))
    }

    /// Answers the JSON of `WorkspaceSession[]`.
    #[napi]
    pub fn list_sessions(&self) -> napi::Result<String> {
        write(Ok(self.manager().list_sessions()))
    }

    /// Takes the JSON of `ApprovalRequest`, answers that of `ApprovalDecision`.
    #[napi]
    pub fn request_approval(&self, request_json: String) -> napi::Result<String> {
        let request: ApprovalRequest = read(&request_json)?;
        write(self.manager().request_approval(request))
    }

    /// Takes the JSON of `ApprovalAnswer`, answers that of `ApprovalDecision`.
    #[napi]
    pub fn resolve_approval(&self, answer_json: String, now_ms: Option<f64>) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        write(manager.resolve_approval(read(&answer_json)?, now))
    }

    /// Where an approval stands: the JSON of `ApprovalDecision`.
    #[napi]
    pub fn get_approval(&self, request_id: String, now_ms: Option<f64>) -> napi::Result<String> {
        let mut manager = self.manager();
        let now = time(&manager, now_ms)?;
        write(manager.approval(&request_id, now))
    }

    /// Answers the JSON of `ApprovalDecision[]`, as they were asked.
    #[napi]
    pub fn list_approvals(&self) -> napi::Result<String> {
        write(Ok(self.manager().list_approvals()))
    }

    /// Answers the JSON of `WorkspaceSnapshot`.
    #[napi]
    pub fn get_snapshot(&self) -> napi::Result<String> {
        write(Ok(self.manager().get_snapshot()))
    }

    #[napi]
    pub fn reset(&self) {
        self.manager().reset();
    }

    fn manager(&self) -> MutexGuard<'_, Manager> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time(manager: &Manager, now_ms: Option<f64>) -> napi::Result<Option<i64>> {
    let given = whole(now_ms, "nowMs")?;
    Ok(Some(
        given.unwrap_or_else(|| SystemClock.now_ms().max(manager.now_ms())),
    ))
}
