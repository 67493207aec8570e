//! Questions to people: pending until decided or out of time.

use std::collections::{BTreeMap, BTreeSet};

use openwrap_contracts::ar::{
    ApprovalAnswer, ApprovalDecision, ApprovalRequest, ApprovalStatus, SESSION_APPROVALS_MAX,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};

#[derive(Default)]
pub struct Approvals {
    /// As they were asked.
    asked: Vec<Asked>,
    places: BTreeMap<String, usize>,
    /// Places of those that nobody has decided.
    pending: BTreeSet<usize>,
}

struct Asked {
    decision: ApprovalDecision,
    session_id: Option<String>,
    /// The first moment at which it is too late.
    ends_at: Option<i64>,
}

impl Approvals {
    pub fn check_new(&self, request: &ApprovalRequest) -> Outcome<()> {
        if self.places.contains_key(&request.request_id) {
            return Err(Fault::new(
                ErrorCode::AlreadyExists,
                format!("the approval `{}` was asked for", request.request_id.escape_debug()),
            ));
        }
        if self.asked.len() >= SESSION_APPROVALS_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{SESSION_APPROVALS_MAX} approvals are known"),
            ));
        }
        Ok(())
    }

    pub fn ask(&mut self, request: ApprovalRequest) -> ApprovalDecision {
        let decision = ApprovalDecision {
            request_id: request.request_id.clone(),
            status: ApprovalStatus::Pending,
            approved: false,
            reason: None,
            arguments: None,
        };
        let timeout = request.timeout_ms.map(i64::from);
        self.places.insert(request.request_id, self.asked.len());
        self.pending.insert(self.asked.len());
        self.asked.push(Asked {
            decision: decision.clone(),
            session_id: request.session_id,
            ends_at: timeout.map(|timeout| request.requested_at.saturating_add(timeout)),
        });
        decision
    }

    pub fn known(&self, request_id: &str) -> Outcome<ApprovalDecision> {
        let place = self.places.get(request_id);
        let asked = place.and_then(|place| self.asked.get(*place));
        asked
            .map(|asked| asked.decision.clone())
            .ok_or_else(|| Fault::not_found(format!("no approval `{}`", request_id.escape_debug())))
    }

    /// The decision, and the session that waits for it.
    pub fn decide(&mut self, answer: ApprovalAnswer) -> Outcome<(ApprovalDecision, Option<String>)> {
        let known = self.known(&answer.request_id)?;
        let refused = |code: ErrorCode, what: &str| {
            let id = answer.request_id.escape_debug();
            Err(Fault::new(code, format!("the approval `{id}` {what}")))
        };
        match known.status {
            ApprovalStatus::Pending => {}
            ApprovalStatus::Expired => return refused(ErrorCode::ApprovalExpired, "is out of time"),
            ApprovalStatus::Approved | ApprovalStatus::Rejected => {
                return refused(ErrorCode::InvalidState, "is decided");
            }
        }
        if !answer.approved && answer.arguments.is_some() {
            return Err(Fault::invalid("`arguments` go with an approval only"));
        }
        let decision = ApprovalDecision {
            request_id: answer.request_id,
            status: if answer.approved {
                ApprovalStatus::Approved
            } else {
                ApprovalStatus::Rejected
            },
            approved: answer.approved,
            reason: answer.reason,
            arguments: answer.arguments,
        };
        let place = self.places.get(&decision.request_id).copied().unwrap_or(usize::MAX);
        self.pending.remove(&place);
        let session_id = self.asked.get_mut(place).and_then(|asked| {
            asked.decision = decision.clone();
            asked.session_id.clone()
        });
        Ok((decision, session_id))
    }

    /// Expires what is out of time; answers with the decisions, as they were asked.
    pub fn expire(&mut self, now: i64) -> Vec<(ApprovalDecision, Option<String>)> {
        let late = |place: &usize| {
            self.asked
                .get(*place)
                .and_then(|asked| asked.ends_at)
                .is_some_and(|end| end <= now)
        };
        let places: Vec<usize> = self.pending.iter().copied().filter(late).collect();
        let mut expired = Vec::new();
        for place in places {
            self.pending.remove(&place);
            let Some(asked) = self.asked.get_mut(place) else {
                continue;
            };
            asked.decision.status = ApprovalStatus::Expired;
            expired.push((asked.decision.clone(), asked.session_id.clone()));
        }
        expired
    }

    /// Whether an agent's question about this session is pending.
    pub fn holds_up(&self, session_id: &str) -> bool {
        let mut pending = self.pending.iter().filter_map(|place| self.asked.get(*place));
        pending.any(|asked| asked.session_id.as_deref() == Some(session_id))
    }

    pub fn list(&self) -> Vec<ApprovalDecision> {
        self.asked.iter().map(|asked| asked.decision.clone()).collect()
    }
}
