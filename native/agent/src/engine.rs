//! What every part of one run shares: ports, journal, approver, and the look into content by hash.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::change::{ChangeSet, Manifest, Node};
use openwrap_contracts::event::Fact;
use openwrap_contracts::fabric::FixedRoute;
use openwrap_contracts::grant::ApprovePolicy;
use openwrap_contracts::identity::{Actor, Label, StepRef, join_labels};
use openwrap_contracts::ports::{
    Approver, Blobs, CancellationToken, Clock, FileOrigins, Gateway, Ids, Ledger, Models, Routes, TextSink, Views,
};
use openwrap_contracts::script::Scripts;
use openwrap_contracts::session::{HandBack, SessionKind, Sessions};
use openwrap_contracts::tool::FileEntry;
use openwrap_contracts::workflow::Workflow;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::budget::{self, Account, Ask, Reservation};
use crate::journal::Journal;
use crate::prompt;
use crate::state::{ANSWER, PLANNER};
use crate::steering::Steps;

/// The ports a run needs; `runtime` fills them.
#[derive(Clone)]
pub struct Ports {
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn Blobs>,
    pub views: Arc<dyn Views>,
    pub gateway: Arc<dyn Gateway>,
    pub models: Arc<dyn Models>,
    pub text: Arc<dyn TextSink>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Which models a new run's roles use.
    pub routes: Arc<dyn Routes>,
    /// Live terminals and browsers; none in a replay.
    pub sessions: Option<Arc<dyn Sessions>>,
    /// Runs playbooks.
    pub scripts: Arc<dyn Scripts>,
    /// Which files of a base hold text from outside.
    pub origins: Arc<dyn FileOrigins>,
}

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct RunSpec {
    pub run_id: String,
    pub project_id: String,
    pub project_path: PathBuf,
    pub goal: String,
    /// UTC, `YYYY-MM-DD`.
    pub run_date: String,
    /// `provider/model`.
    pub model: String,
    pub slots: u32,
    pub approve: ApprovePolicy,
    /// Capabilities given beforehand.
    pub allow: Vec<String>,
}

/// Shared by planner, workers and answer of one run.
pub struct Engine {
    pub ports: Ports,
    pub spec: RunSpec,
    pub workflow: Arc<Workflow>,
    pub journal: Arc<Journal>,
    pub approver: Arc<dyn Approver>,
    pub cancel: CancellationToken,
    pub paused: watch::Receiver<bool>,
    pub steps: Arc<Steps>,
    /// What the run spends; none in a replay, which asks no model.
    pub account: Option<Arc<Account>>,
}

impl Engine {
    /// The models of a role: what the workflow says, else what was fixed for the run, else the run's own.
    #[must_use]
    pub fn route(&self, role: &str) -> FixedRoute {
        let named = self.workflow.routes.iter().find(|rule| rule.role == role);
        let fixed = || {
            let state = self.journal.state();
            state.routes.iter().find(|fixed| fixed.role == role).cloned()
        };
        let plain = |route: &str| FixedRoute {
            role: role.to_owned(),
            route: route.to_owned(),
            fallbacks: Vec::new(),
        };
        match named {
            Some(rule) => plain(&rule.route),
            None => fixed().unwrap_or_else(|| plain(&self.spec.model)),
        }
    }

    /// Reserves what a model call can cost; in a replay only notes where the budget was asked about.
    ///
    /// # Errors
    /// As [`Account::reserve`].
    pub async fn reserve(&self, ask: Ask, cancel: &CancellationToken) -> Outcome<Option<Arc<Reservation>>> {
        let Some(account) = &self.account else {
            self.note_budget_asked(&ask.step).await?;
            return Ok(None);
        };
        account.reserve(ask, cancel).await.map(Some)
    }

    /// In a replay: notes that the budget was asked about at this step, since the record needs it.
    ///
    /// # Errors
    /// As `Ledger::append`.
    pub async fn note_budget_asked(&self, place: &StepRef) -> Outcome<()> {
        if !self.approver.budget_asked(place) {
            return Ok(());
        }
        let question = budget::recorded_question(place);
        let asked = Fact::ApprovalRequested { question };
        self.journal
            .note_at(Actor::core("replay"), place, asked)
            .await
            .map(|_| ())
    }

    /// Returns at once unless the run is paused; a stop ends the wait.
    ///
    /// # Errors
    /// `CANCELED`.
    pub async fn pause_gate(&self, cancel: &CancellationToken) -> Outcome<()> {
        let mut paused = self.paused.clone();
        tokio::select! {
            () = cancel.cancelled() => Err(Fault::canceled()),
            open = paused.wait_for(|paused| !*paused) => open.map(|_| ()).map_err(|_| Fault::canceled()),
        }
    }

    /// Waits while the run is paused or a person drives a session of the task. What they handed back is noted as a message to the attempt.
    ///
    /// # Errors
    /// `CANCELED`; as `Ledger::append`.
    pub async fn step_gate(&self, place: &StepRef, cancel: &CancellationToken) -> Outcome<()> {
        self.pause_gate(cancel).await?;
        let Some(sessions) = &self.ports.sessions else {
            return Ok(());
        };
        if place.task_id == PLANNER || place.task_id == ANSWER {
            return Ok(());
        }
        let gate = sessions.gate(&self.spec.run_id, &place.task_id, cancel.clone());
        let handed = gate.await?;
        if !handed.is_empty() {
            let note = |back: HandBack| {
                let fact = Fact::MessageSent {
                    message_id: self.ports.ids.fresh("msg"),
                    text: prompt::handed_back(&back),
                    interrupt: false,
                    labels: self.handed_labels(&back, place),
                };
                self.journal.event_at(Actor::core("sessions"), place, fact)
            };
            self.journal.append(handed.into_iter().map(note).collect()).await?;
        }
        // A pause that came meanwhile holds as well.
        self.pause_gate(cancel).await
    }

    /// A page's words are the web's, whoever drove there. What a terminal shows may be anything its programs can read: the view's files, and
    /// what they reach when they have a network.
    fn handed_labels(&self, back: &HandBack, place: &StepRef) -> Vec<Label> {
        match back.kind {
            SessionKind::Browser => vec![Label::Web],
            SessionKind::Terminal => {
                let state = self.journal.state();
                let read = state.attempt_labels(&place.task_id, place.attempt);
                let files = state.file_labels(&place.task_id, place.attempt);
                drop(state);
                let read = files.iter().fold(read, |all, (_, labels)| join_labels(&all, labels));
                let web = [Label::Web];
                join_labels(&read, if self.has_network(place) { &web } else { &[] })
            }
            SessionKind::File => Vec::new(),
        }
    }

    /// Whether programs of the step may reach anything.
    #[must_use]
    pub fn has_network(&self, place: &StepRef) -> bool {
        let grants = self.approver.grants(place);
        grants.iter().any(|grant| grant.capability.starts_with("net:"))
    }

    /// Whether the tool step that is about to begin is given up before it does: somebody interrupted, or did in the recorded run.
    #[must_use]
    pub fn is_given_up(&self, place: &StepRef) -> bool {
        let recorded = self.approver.interrupted(place) && self.approver.observed(place).is_none();
        recorded || self.journal.state().is_interrupted(place)
    }

    /// Keeps a value's canonical JSON; returns its hash.
    ///
    /// # Errors
    /// As `Blobs::put`.
    pub async fn keep<T: Serialize + Sync>(&self, value: &T) -> Outcome<String> {
        let bytes = openwrap_contracts::canonical::canonical_bytes(value)?;
        self.ports.blobs.put(Bytes::from(bytes)).await
    }

    /// Reads a kept value back.
    ///
    /// # Errors
    /// As `Blobs::get`; `LEDGER_BROKEN` when the content has another shape.
    pub async fn kept<T: DeserializeOwned>(&self, hash: &str) -> Outcome<T> {
        let bytes = self.ports.blobs.get(hash).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Fault::new(
                ErrorCode::LedgerBroken,
                format!("blob {hash} has an unknown shape: {error}"),
            )
        })
    }

    /// A kept text.
    ///
    /// # Errors
    /// As `Blobs::get`.
    pub async fn kept_text(&self, hash: &str) -> Outcome<String> {
        let bytes = self.ports.blobs.get(hash).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Base hash and change sets below an attempt's own work, in order.
    ///
    /// # Errors
    /// `INTERNAL` when the schedule names something the state does not know.
    pub fn layers(&self, task_id: &str, attempt: u32) -> Outcome<(String, Vec<String>)> {
        use openwrap_contracts::event::BaseNote;
        let state = self.journal.state();
        let unknown = |what: String| Fault::internal(format!("the schedule names {what}, which the run does not know"));
        let started = state
            .attempts
            .get(&(task_id.to_owned(), attempt))
            .ok_or_else(|| unknown(format!("attempt {attempt} of {task_id}")))?;
        let accepted = |wanted: &dyn Fn(u32, u32) -> bool| {
            state
                .plans
                .iter()
                .filter_map(|plan| plan.accepted.as_ref().map(|accepted| (plan.version, accepted)))
                .filter(|(version, accepted)| wanted(*version, accepted.after))
                .max_by_key(|(version, _)| *version)
        };
        let mut layers = Vec::new();
        let base_hash = match started.base.clone().unwrap_or(BaseNote::Plan { version: 1 }) {
            BaseNote::Plan { version } => {
                let (_, base) =
                    accepted(&|known, _| known == version).ok_or_else(|| unknown(format!("plan version {version}")))?;
                base.base_hash.clone()
            }
            BaseNote::Retired { count } => {
                let (_, base) =
                    accepted(&|_, after| after <= count).ok_or_else(|| unknown(format!("{count} retired tasks")))?;
                let settled = state
                    .retired
                    .iter()
                    .filter(|task| task.ordinal >= base.after && task.ordinal < count);
                layers.extend(settled.map(|task| task.change_set_hash.clone()));
                base.base_hash.clone()
            }
        };
        for dependency in &started.closure {
            let done = state
                .completed
                .get(dependency)
                .ok_or_else(|| unknown(format!("task {dependency}")))?;
            layers.push(done.change_set_hash.clone());
        }
        layers.retain(|hash| !hash.is_empty());
        Ok((base_hash, layers))
    }

    /// Files of a base with change sets on top, by path.
    ///
    /// # Errors
    /// As `Views::base_manifest` and `Blobs::get`.
    pub async fn files(&self, base_hash: &str, layers: &[String]) -> Outcome<Vec<FileEntry>> {
        let manifest: Manifest = self.ports.views.base_manifest(base_hash.to_owned()).await?;
        let mut files: BTreeMap<String, u32> = BTreeMap::new();
        for entry in manifest.entries {
            if let Node::File { size, .. } = entry.node {
                files.insert(entry.path, size);
            }
        }
        for layer in layers {
            let changes: ChangeSet = self.kept(layer).await?;
            for change in changes.changes {
                match change.after {
                    Some(Node::File { size, .. }) => files.insert(change.path, size),
                    _ => files.remove(&change.path),
                };
            }
        }
        Ok(files.into_iter().map(|(path, size)| FileEntry { path, size }).collect())
    }
}
