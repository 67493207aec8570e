//! Runs under way: started, taken up after a crash, answered, paused, stopped.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openwrap_agent::budget::Account;
use openwrap_agent::desk::{Desk, Rules};
use openwrap_agent::engine::{Engine, Ports, RunSpec};
use openwrap_agent::journal::Journal;
use openwrap_agent::message::Message;
use openwrap_agent::run::Run;
use openwrap_agent::state::RunState;
use openwrap_agent::steering::NewMessage;
use openwrap_contracts::event::{Fact, FailureNote, FollowNote};
use openwrap_contracts::grant::{ApprovePolicy, Decision, Grant, Holder};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::limits::RUNS_MAX;
use openwrap_contracts::playbook::PlaybookNote;
use openwrap_contracts::ports::{Approver, CancellationToken, Ledger};
use openwrap_contracts::run::{RunStatus, RunSummary};
use openwrap_contracts::spend::Budget;
use openwrap_contracts::workflow::Workflow;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{mpsc, oneshot, watch};

use crate::live::LiveEngines;
use crate::run_events::each_event;

/// Longest wait of a closing core for its attempts.
const SHUT_DOWN_MAX: Duration = Duration::from_secs(2);

/// The runs of one installation.
pub struct Runs {
    ports: Ports,
    workflow: Arc<Workflow>,
    workflow_hash: String,
    live: Mutex<HashMap<String, Live>>,
    /// Their engines, for tools that ask models.
    engines: Arc<LiveEngines>,
    /// Counts runs that came to their end.
    ended: watch::Sender<u64>,
}

#[derive(Clone)]
struct Live {
    outbox: mpsc::UnboundedSender<Message>,
    desk: Arc<Desk>,
    journal: Arc<Journal>,
    cancel: CancellationToken,
}

/// What a new run is asked to do.
pub struct NewRun {
    pub run_id: String,
    pub project_id: String,
    pub project_path: PathBuf,
    pub goal: String,
    pub run_date: String,
    pub model: String,
    pub slots: u32,
    pub approve: ApprovePolicy,
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    pub follows: Option<FollowNote>,
    pub budget: Option<Budget>,
    pub playbook: Option<PlaybookNote>,
    pub actor: Actor,
}

impl Runs {
    /// No run under way.
    ///
    /// # Errors
    /// `INTERNAL` when the workflow has no canonical form; as `Blobs::put`.
    pub async fn new(ports: Ports, workflow: Arc<Workflow>, engines: Arc<LiveEngines>) -> Outcome<Arc<Self>> {
        // Kept as content: a run goes on, and is replayed, under the workflow it was created with.
        let bytes = openwrap_contracts::canonical::canonical_bytes(&*workflow)?;
        let workflow_hash = ports.blobs.put(Bytes::from(bytes)).await?;
        Ok(Arc::new(Self {
            ports,
            workflow,
            workflow_hash,
            live: Mutex::new(HashMap::new()),
            engines,
            ended: watch::Sender::new(0),
        }))
    }

    fn live(&self, run_id: &str) -> Outcome<Live> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Fault::new(ErrorCode::InvalidState, format!("run {run_id} is not under way"));
        live.get(run_id).cloned().ok_or_else(missing)
    }

    /// Whether the run is under way.
    #[must_use]
    pub fn is_live(&self, run_id: &str) -> bool {
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(run_id)
    }

    fn any_live(&self) -> bool {
        !self.live.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Waits until a run whose end is in the ledger has also been put away.
    pub async fn put_away(&self, run_id: &str) {
        let mut ended = self.ended.subscribe();
        while self.is_live(run_id) && ended.changed().await.is_ok() {}
    }

    /// Notes a new run and starts it.
    ///
    /// # Errors
    /// `TOO_MANY_REQUESTS` over `RUNS_MAX`, what `Views::accept_base` says.
    pub async fn create(self: &Arc<Self>, new: NewRun) -> Outcome<()> {
        if self.live.lock().unwrap_or_else(PoisonError::into_inner).len() >= RUNS_MAX {
            return Err(Fault::new(
                ErrorCode::TooManyRequests,
                format!("{RUNS_MAX} runs are under way already"),
            ));
        }
        let project_hash = self
            .ports
            .views
            .accept_base(new.run_id.clone(), new.project_path.clone())
            .await?;
        let origins = &self.ports.origins;
        let labelled = origins
            .labelled(new.project_id.clone(), project_hash.clone(), 0)
            .await?;
        let created = Fact::RunCreated {
            goal: new.goal.clone(),
            run_date: new.run_date.clone(),
            model: new.model.clone(),
            slots: new.slots,
            approve: new.approve,
            project_hash,
            workflow_hash: self.workflow_hash.clone(),
            follows: new.follows.clone(),
            budget: new.budget,
            routes: self.ports.routes.fixed(&new.model).await?,
            playbook: new.playbook.clone(),
            deny: new.deny.clone(),
            labelled,
        };
        let journal = self.journal(&new.run_id, &new.project_id, RunState::default());
        let mut events = vec![journal.event(new.actor.clone(), created)];
        for (index, capability) in new.allow.iter().enumerate() {
            let grant = Grant {
                grant_id: format!("given-{index}"),
                capability: capability.clone(),
                holder: Holder::Run {
                    run_id: new.run_id.clone(),
                },
                issued_at: journal.now_ms(),
                expires_at: None,
                approval_id: None,
            };
            events.push(journal.event(new.actor.clone(), Fact::GrantIssued { grant }));
        }
        journal.append(events).await?;
        self.launch(spec_of(&new), journal, Arc::clone(&self.workflow));
        Ok(())
    }

    /// The workflow a run was created with.
    ///
    /// # Errors
    /// As `Blobs::get`; `LEDGER_BROKEN` when the content is no workflow.
    pub async fn workflow_of(&self, state: &RunState) -> Outcome<Arc<Workflow>> {
        if state.workflow_hash == self.workflow_hash {
            return Ok(Arc::clone(&self.workflow));
        }
        let bytes = self.ports.blobs.get(&state.workflow_hash).await?;
        let workflow = serde_json::from_slice(&bytes).map_err(|error| {
            Fault::new(
                ErrorCode::LedgerBroken,
                format!("the workflow of the run could not be read: {error}"),
            )
        })?;
        Ok(Arc::new(workflow))
    }

    fn journal(&self, run_id: &str, project_id: &str, state: RunState) -> Arc<Journal> {
        Journal::new(
            Arc::clone(&self.ports.ledger),
            Arc::clone(&self.ports.clock),
            run_id,
            project_id,
            state,
        )
    }

    fn launch(self: &Arc<Self>, spec: RunSpec, journal: Arc<Journal>, workflow: Arc<Workflow>) {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let desk = Desk::new(
            Arc::clone(&journal),
            Arc::clone(&self.ports.ids),
            Rules {
                policy: spec.approve,
                denies: denies(&workflow, &journal.state()),
            },
            outbox.clone(),
        );
        let cancel = CancellationToken::new();
        let (pause, paused) = watch::channel(false);
        let run_id = spec.run_id.clone();
        let approver = Arc::clone(&desk) as Arc<dyn Approver>;
        let account = Account::new(Arc::clone(&journal), Arc::clone(&approver), outbox.clone());
        let engine = Arc::new(Engine {
            ports: self.ports.clone(),
            spec,
            workflow,
            journal,
            approver,
            cancel: cancel.clone(),
            paused,
            steps: desk.steps(),
            account: Some(account),
        });
        self.engines.insert(&engine);
        let live = Live {
            outbox: outbox.clone(),
            desk: Arc::clone(&desk),
            journal: Arc::clone(&engine.journal),
            cancel,
        };
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(run_id.clone(), live);
        let journal = Arc::clone(&engine.journal);
        let run = Run::new(engine, Some(desk), (outbox, inbox), pause);
        let runs = Arc::clone(self);
        tokio::spawn(async move {
            run.drive().await;
            if let Some(sessions) = &runs.ports.sessions {
                // What this does not end goes with the process; it is no reason to keep the run.
                let _ = tokio::time::timeout(SHUT_DOWN_MAX, sessions.close_all(&run_id, None)).await;
            }
            runs.engines.remove(&run_id);
            if journal.state().finished.is_some() {
                // Views left over are swept at the next start as well.
                let _ = runs.ports.views.drop_run(run_id.clone()).await;
            }
            runs.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&run_id);
            runs.ended.send_modify(|count| *count += 1);
        });
    }

    /// Folds a run's events.
    ///
    /// # Errors
    /// As `Ledger::read`.
    pub async fn state(&self, run_id: &str) -> Outcome<RunState> {
        fold(&*self.ports.ledger, run_id).await
    }

    /// Takes up a run that was cut off.
    ///
    /// # Errors
    /// As `Ledger::read` and [`Runs::workflow_of`].
    pub async fn take_up(self: &Arc<Self>, run: &RunSummary, project_path: PathBuf) -> Outcome<()> {
        let state = self.state(&run.run_id).await?;
        if state.finished.is_some() {
            return Ok(());
        }
        let spec = RunSpec {
            run_id: run.run_id.clone(),
            project_id: run.project_id.clone(),
            project_path,
            goal: state.goal.clone(),
            run_date: state.run_date.clone(),
            model: state.model.clone(),
            slots: state.slots,
            approve: run.approve,
            allow: Vec::new(),
        };
        let workflow = self.workflow_of(&state).await?;
        let journal = self.journal(&run.run_id, &run.project_id, state);
        self.launch(spec, journal, workflow);
        Ok(())
    }

    /// Notes that a run that was cut off cannot go on.
    pub async fn give_up(&self, run: &RunSummary, fault: &Fault) {
        let error = FailureNote {
            code: fault.code,
            message: fault.message.clone(),
        };
        // A ledger that cannot take it leaves the run as it was; the next start tries again.
        let _ = self
            .note_end(run, Actor::core("runtime"), RunStatus::Failed, Some(error))
            .await;
    }

    /// Ends a run nobody carries on.
    ///
    /// # Errors
    /// As `Ledger::append`.
    pub async fn end_idle(&self, run: &RunSummary, actor: Actor, reason: String) -> Outcome<()> {
        let journal = self.journal(&run.run_id, &run.project_id, RunState::default());
        journal.note(actor.clone(), Fact::RunStopping { reason }).await?;
        self.note_end(run, actor, RunStatus::Canceled, None).await
    }

    async fn note_end(
        &self,
        run: &RunSummary,
        actor: Actor,
        status: RunStatus,
        error: Option<FailureNote>,
    ) -> Outcome<()> {
        let journal = self.journal(&run.run_id, &run.project_id, RunState::default());
        let fact = Fact::RunFinished {
            status,
            run_digest: None,
            record_hash: None,
            answer_hash: None,
            answer: None,
            artifacts: Vec::new(),
            error,
        };
        journal.note(actor, fact).await.map(|_| ())
    }

    /// Takes a person's answer.
    ///
    /// # Errors
    /// As `Desk::resolve`; `INVALID_STATE` when the run is not under way.
    pub async fn resolve(&self, run_id: &str, approval_id: &str, decision: Decision, actor: Actor) -> Outcome<()> {
        self.live(run_id)?.desk.resolve(approval_id, decision, actor).await
    }

    /// Sets what the run may spend; what was asked about it is answered by that.
    ///
    /// # Errors
    /// As `Desk::set_budget`; `INVALID_STATE` when the run is not under way.
    pub async fn set_budget(&self, run_id: &str, budget: Option<Budget>, actor: Actor) -> Outcome<()> {
        self.live(run_id)?.desk.set_budget(budget, actor).await
    }

    /// Nothing new starts until resumed.
    ///
    /// # Errors
    /// `INVALID_STATE`.
    pub async fn pause(&self, run_id: &str, actor: Actor) -> Outcome<()> {
        self.command(run_id, |done| Message::Pause { actor, done }).await
    }

    /// Notes facts of the core about a step of a run under way.
    ///
    /// # Errors
    /// `INVALID_STATE` when the run is not under way; as `Ledger::append`.
    pub async fn note_at(&self, run_id: &str, place: &StepRef, facts: Vec<Fact>) -> Outcome<()> {
        let journal = self.live(run_id)?.journal;
        let event = |fact| journal.event_at(Actor::core("runtime"), place, fact);
        let events = facts.into_iter().map(event).collect();
        journal.append(events).await.map(|_| ())
    }

    /// Goes on.
    ///
    /// # Errors
    /// `INVALID_STATE`.
    pub async fn resume(&self, run_id: &str, actor: Actor) -> Outcome<()> {
        self.command(run_id, |done| Message::Resume { actor, done }).await
    }

    /// Tells the workers something.
    ///
    /// # Errors
    /// `INVALID_STATE`, `NOT_FOUND` (no such task), `LIMIT_EXCEEDED`.
    pub async fn steer(&self, run_id: &str, actor: Actor, message: NewMessage) -> Outcome<()> {
        self.command(run_id, |done| Message::Steer { actor, message, done })
            .await
    }

    /// Stops everything of the run; returns milliseconds until nothing ran any more.
    ///
    /// # Errors
    /// `INVALID_STATE`.
    pub async fn stop(&self, run_id: &str, actor: Actor, reason: String) -> Outcome<u32> {
        let started = Instant::now();
        let live = self.live(run_id)?;
        let (done, stopped) = oneshot::channel();
        let gone = || just_ended(run_id);
        let message = Message::Stop { actor, reason, done };
        live.outbox.send(message).map_err(|_| gone())?;
        // Before anything is written: what runs must end first. The message waits by now, so that it is not taken for a shutdown.
        live.cancel.cancel();
        stopped.await.map_err(|_| gone())??;
        Ok(u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX))
    }

    async fn command(
        &self,
        run_id: &str,
        message: impl FnOnce(oneshot::Sender<Outcome<()>>) -> Message,
    ) -> Outcome<()> {
        let live = self.live(run_id)?;
        let (done, answer) = oneshot::channel();
        let gone = || just_ended(run_id);
        live.outbox.send(message(done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Ends every attempt without noting an end, and waits until nothing of them is left: the runs go on at the next start.
    pub async fn shut_down(&self) {
        let mut ended = self.ended.subscribe();
        for run in self.live.lock().unwrap_or_else(PoisonError::into_inner).values() {
            run.cancel.cancel();
        }
        let wait = async { while self.any_live() && ended.changed().await.is_ok() {} };
        // An attempt that does not come to its end is cut off with the process.
        let _ = tokio::time::timeout(SHUT_DOWN_MAX, wait).await;
    }
}

fn just_ended(run_id: &str) -> Fault {
    Fault::new(ErrorCode::InvalidState, format!("run {run_id} has just ended"))
}

/// What nobody gets in a run: by its workflow, and by who started it.
pub(crate) fn denies(workflow: &Workflow, state: &RunState) -> Vec<String> {
    workflow.policy.deny.iter().chain(&state.deny).cloned().collect()
}

fn spec_of(new: &NewRun) -> RunSpec {
    RunSpec {
        run_id: new.run_id.clone(),
        project_id: new.project_id.clone(),
        project_path: new.project_path.clone(),
        goal: new.goal.clone(),
        run_date: new.run_date.clone(),
        model: new.model.clone(),
        slots: new.slots,
        approve: new.approve,
        allow: new.allow.clone(),
    }
}

/// Folds the events of one run.
///
/// # Errors
/// As `Ledger::read`.
pub async fn fold(ledger: &dyn Ledger, run_id: &str) -> Outcome<RunState> {
    let mut state = RunState::default();
    each_event(ledger, run_id, |event| state.apply(&event)).await?;
    Ok(state)
}
