//! The registry as the other parts know it.

use std::sync::Arc;

use openwrap_contracts::identity::{Actor, ActorKind};
use openwrap_contracts::ports::{CancellationToken, Task};
use openwrap_contracts::session::{
    HandBack, Lease, Session, SessionInput, SessionSpec, SessionStatus, Sessions, Surface,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use super::{SessionRegistry, unknown};

impl Sessions for SessionRegistry {
    fn open(&self, spec: SessionSpec, surface: Arc<dyn Surface>) -> Task<'_, Outcome<String>> {
        Box::pin(self.open_session(spec, surface))
    }

    fn surface(&self, run_id: &str, session_id: &str) -> Outcome<Arc<dyn Surface>> {
        let (session, surface) = self.look(session_id)?;
        surface
            .filter(|_| session.run_id == run_id)
            .ok_or_else(|| unknown(session_id))
    }

    fn retitle(&self, session_id: &str, title: &str) {
        if let Some(entry) = self.state().entries.get_mut(session_id) {
            title.clone_into(&mut entry.session.title);
        }
    }

    fn close(&self, session_id: &str) -> Task<'_, Outcome<()>> {
        let session_id = session_id.to_owned();
        Box::pin(async move { self.close_session(&session_id, "closed").await })
    }

    fn close_all(&self, run_id: &str, task_id: Option<&str>) -> Task<'_, Outcome<()>> {
        let concerned: Vec<String> = self
            .list(Some(run_id))
            .into_iter()
            .filter(|session| task_id.is_none_or(|task_id| session.task_id == task_id))
            .map(|session| session.session_id)
            .collect();
        Box::pin(async move {
            // At once: one that takes long to end keeps no other alive.
            let closing = concerned
                .iter()
                .map(|id| self.close_session(id, "the work it belonged to is over"));
            futures_util::future::try_join_all(closing).await.map(drop)
        })
    }

    fn list(&self, run_id: Option<&str>) -> Vec<Session> {
        let state = self.state();
        let sessions = state.order.iter().filter_map(|id| state.entries.get(id));
        let wanted = sessions
            .map(|entry| entry.session.clone())
            .filter(|session| run_id.is_none_or(|id| session.run_id == id));
        let (mut open, closed): (Vec<_>, Vec<_>) = wanted.partition(|session| session.status != SessionStatus::Closed);
        open.extend(closed);
        open
    }

    fn take(&self, session_id: &str, by: Actor) -> Task<'_, Outcome<Lease>> {
        let session_id = session_id.to_owned();
        Box::pin(async move {
            if by.kind != ActorKind::Person {
                return Err(Fault::new(ErrorCode::Forbidden, "only a person takes control"));
            }
            self.take_session(&session_id, by).await
        })
    }

    fn hand_back(&self, session_id: &str, token: &str, note: Option<String>) -> Task<'_, Outcome<()>> {
        let (session_id, token) = (session_id.to_owned(), token.to_owned());
        Box::pin(async move { self.end_lease(&session_id, Some(&token), note).await })
    }

    fn input(&self, session_id: &str, token: &str, inputs: Vec<SessionInput>) -> Task<'_, Outcome<()>> {
        let (session_id, token) = (session_id.to_owned(), token.to_owned());
        Box::pin(async move { self.type_in(&session_id, &token, inputs).await })
    }

    fn gate(&self, run_id: &str, task_id: &str, cancel: CancellationToken) -> Task<'_, Outcome<Vec<HandBack>>> {
        let (run_id, task_id) = (run_id.to_owned(), task_id.to_owned());
        Box::pin(async move { self.pass_gate(&run_id, &task_id, &cancel).await })
    }
}
