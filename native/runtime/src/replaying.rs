//! Replay and undo of finished runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openwrap_agent::desk::Rules;
use openwrap_agent::engine::{Engine, Ports, RunSpec};
use openwrap_agent::journal::Journal;
use openwrap_agent::replay::{
    MemoryLedger, Recorded, RecordedApprover, RecordedModels, RecordedOrigins, RecordedRoutes,
};
use openwrap_agent::run::Run;
use openwrap_agent::state::RunState;
use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::change::{Change, ChangeSet, Manifest, Node};
use openwrap_contracts::event::Fact;
use openwrap_contracts::grant::{ApprovePolicy, Grant, Holder};
use openwrap_contracts::method::{ReplayResult, UndoResult};
use openwrap_contracts::ports::{Approver, CancellationToken, CommitOutcome, Ledger, Models};
use openwrap_contracts::record::RunRecord;
use openwrap_contracts::run::RunStatus;
use openwrap_contracts::workflow::Workflow;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{mpsc, watch};

/// What a replay starts from.
pub struct Replay {
    pub ports: Ports,
    pub workflow: Arc<Workflow>,
    pub state: RunState,
    pub run_id: String,
    pub approve: ApprovePolicy,
    pub slots: u32,
    /// An empty folder that stands for the project.
    pub project: PathBuf,
    pub recorded_digest: String,
    pub record_hash: String,
}

impl Replay {
    /// Runs it and compares digest and files.
    ///
    /// # Errors
    /// `NOT_FOUND` when content of the run was deleted; storage faults.
    pub async fn run(self) -> Outcome<ReplayResult> {
        self.lay_out_project().await?;
        let stop = CancellationToken::new();
        let recorded = Recorded::new(self.state.clone(), Arc::clone(&self.ports.blobs), stop.clone());
        let memory = MemoryLedger::new(Some(Arc::clone(&recorded)));
        let replay_id = format!("replay-{}", self.ports.ids.fresh("r"));
        let journal = Journal::new(
            Arc::clone(&memory) as Arc<dyn Ledger>,
            Arc::clone(&self.ports.clock),
            &replay_id,
            &self.state.project_id,
            RunState::default(),
        );
        self.note_start(&journal).await?;
        let engine = self.engine(&recorded, &journal, stop, &replay_id);
        let (outbox, inbox) = mpsc::unbounded_channel();
        let (pause, _) = watch::channel(false);
        let engine = Arc::new(Engine {
            paused: pause.subscribe(),
            ..engine
        });
        let status = Run::new(engine, None, (outbox, inbox), pause).drive().await;
        let result = self.compare(&recorded, &journal, status).await;
        self.ports.views.drop_run(replay_id).await?;
        result
    }

    fn engine(
        &self,
        recorded: &Arc<Recorded>,
        journal: &Arc<Journal>,
        stop: CancellationToken,
        run_id: &str,
    ) -> Engine {
        let mut ports = self.ports.clone();
        ports.models = RecordedModels::new(Arc::clone(recorded)) as Arc<dyn Models>;
        ports.ledger = Arc::clone(journal) as Arc<dyn Ledger>;
        ports.origins = RecordedOrigins::new(Arc::clone(recorded)) as _;
        ports.sessions = None;
        ports.routes = Arc::new(RecordedRoutes(self.state.routes.clone()));
        let (_, paused) = watch::channel(false);
        let rules = Rules {
            policy: self.approve,
            denies: crate::runs::denies(&self.workflow, &self.state),
        };
        Engine {
            ports,
            spec: RunSpec {
                run_id: run_id.to_owned(),
                project_id: self.state.project_id.clone(),
                project_path: self.project.clone(),
                goal: self.state.goal.clone(),
                run_date: self.state.run_date.clone(),
                model: self.state.model.clone(),
                slots: self.slots,
                approve: self.approve,
                allow: Vec::new(),
            },
            workflow: Arc::clone(&self.workflow),
            journal: Arc::clone(journal),
            approver: RecordedApprover::new(Arc::clone(recorded), Arc::clone(journal), rules) as Arc<dyn Approver>,
            cancel: stop,
            paused,
            steps: Arc::default(),
            account: None,
        }
    }

    async fn note_start(&self, journal: &Arc<Journal>) -> Outcome<()> {
        let created = Fact::RunCreated {
            goal: self.state.goal.clone(),
            run_date: self.state.run_date.clone(),
            model: self.state.model.clone(),
            slots: self.slots,
            approve: self.approve,
            project_hash: self.state.project_hash.clone(),
            workflow_hash: self.state.workflow_hash.clone(),
            follows: self.state.follows.clone(),
            budget: None,
            routes: self.state.routes_before.clone(),
            playbook: self.state.playbook.clone(),
            deny: self.state.deny.clone(),
            labelled: self.state.labelled.clone(),
        };
        let actor = openwrap_contracts::identity::Actor::core("replay");
        let mut events = vec![journal.event(actor.clone(), created)];
        let given = self
            .state
            .grants
            .iter()
            .filter(|grant| grant.grant_id.starts_with("given-"));
        events.extend(given.map(|grant| {
            let grant = Grant {
                // The run they are given to is this one now.
                holder: Holder::Run {
                    run_id: journal.run_id().to_owned(),
                },
                ..grant.clone()
            };
            journal.event(actor.clone(), Fact::GrantIssued { grant })
        }));
        journal.append(events).await.map(|_| ())
    }

    /// The project as it was when the run began.
    async fn lay_out_project(&self) -> Outcome<()> {
        let manifest: Manifest = self.ports.views.base_manifest(self.state.project_hash.clone()).await?;
        let changes = manifest
            .entries
            .into_iter()
            .map(|entry| Change {
                path: entry.path,
                before: None,
                after: Some(entry.node),
            })
            .collect();
        match self
            .ports
            .views
            .commit(self.project.clone(), ChangeSet { changes })
            .await?
        {
            CommitOutcome::Committed { .. } => Ok(()),
            CommitOutcome::PersonEdited { .. } => {
                Err(Fault::new(ErrorCode::InvalidState, "the replay's folder is not empty"))
            }
        }
    }

    async fn compare(
        &self,
        recorded: &Arc<Recorded>,
        journal: &Arc<Journal>,
        status: RunStatus,
    ) -> Outcome<ReplayResult> {
        let mut diverged = recorded.diverged();
        let digest = self.digest_of(journal).await?;
        if status != RunStatus::Completed && diverged.is_empty() {
            diverged.push("the replay did not come to its end".to_owned());
        }
        let files_equal = self.files_equal(&mut diverged).await?;
        Ok(ReplayResult {
            run_id: self.run_id.clone(),
            recorded_digest: self.recorded_digest.clone(),
            equal: digest == self.recorded_digest && diverged.is_empty() && files_equal,
            run_digest: digest,
            files_equal,
            diverged,
        })
    }

    async fn digest_of(&self, journal: &Arc<Journal>) -> Outcome<String> {
        let hash = journal.state().record_hash.clone();
        let Some(hash) = hash else { return Ok(String::new()) };
        let bytes = self.ports.blobs.get(&hash).await?;
        let record: RunRecord = serde_json::from_slice(&bytes)?;
        canonical_hash(&record)
    }

    async fn files_equal(&self, diverged: &mut Vec<String>) -> Outcome<bool> {
        let bytes = self.ports.blobs.get(&self.record_hash).await?;
        let record: RunRecord = serde_json::from_slice(&bytes)?;
        let now = self.ports.views.manifest(self.project.clone()).await?;
        let hashes: BTreeMap<String, String> = now
            .entries
            .into_iter()
            .filter_map(|entry| match entry.node {
                Node::File { hash, .. } => Some((entry.path, hash)),
                Node::Directory | Node::Symlink { .. } => None,
            })
            .collect();
        let mut equal = true;
        for file in &record.deliverables {
            if hashes.get(&file.path) != file.checksum.as_ref() {
                equal = false;
                diverged.push(format!("{}: another content than was delivered", file.path));
            }
        }
        Ok(equal)
    }
}

/// What is to be undone.
pub struct Undo<'a> {
    pub ports: &'a Ports,
    pub journal: Arc<Journal>,
    pub project: &'a Path,
    /// None: the whole run, last task to first.
    pub task_id: Option<String>,
    /// None: every path; else only this one, of the tasks that changed it.
    pub path: Option<String>,
    pub actor: openwrap_contracts::identity::Actor,
}

impl Undo<'_> {
    /// Reverts change sets where nobody touched their paths since.
    ///
    /// # Errors
    /// `NOT_FOUND` for a task that did not settle; storage faults.
    pub async fn run(self) -> Outcome<UndoResult> {
        let tasks = self.change_sets().await?;
        let names: Vec<String> = tasks.iter().map(|(task_id, _)| task_id.clone()).collect();
        self.journal
            .note(self.actor.clone(), Fact::UndoRequested { tasks: names.clone() })
            .await?;
        let mut result = UndoResult {
            reverted: Vec::new(),
            conflicts: Vec::new(),
            tree_hash: String::new(),
            sequence: 0,
        };
        for (_, changes) in tasks.into_iter().filter(|(_, changes)| !changes.is_empty()) {
            let done = self.ports.views.revert(self.project.to_path_buf(), changes).await?;
            result.reverted.extend(done.reverted);
            result.conflicts.extend(done.conflicts);
            result.tree_hash = done.tree_hash;
        }
        if result.tree_hash.is_empty() {
            result.tree_hash = canonical_hash(&self.ports.views.manifest(self.project.to_path_buf()).await?)?;
        }
        for list in [&mut result.reverted, &mut result.conflicts] {
            list.sort_unstable();
            list.dedup();
        }
        let fact = Fact::UndoFinished {
            tasks: names,
            reverted: result.reverted.clone(),
            conflicts: result.conflicts.clone(),
            tree_hash: result.tree_hash.clone(),
        };
        self.journal.note(self.actor.clone(), fact).await?;
        Ok(result)
    }

    /// Tasks with what is to be taken back of each, last to first.
    async fn change_sets(&self) -> Outcome<Vec<(String, ChangeSet)>> {
        let mut sets = Vec::new();
        for (task_id, hash) in self.tasks()? {
            let mut changes = ChangeSet::default();
            if !hash.is_empty() {
                changes = serde_json::from_slice(&self.ports.blobs.get(&hash).await?)?;
            }
            if let Some(path) = &self.path {
                changes.changes.retain(|change| change.path == *path);
                if changes.is_empty() {
                    continue;
                }
            }
            sets.push((task_id, changes));
        }
        match &self.path {
            Some(path) if sets.is_empty() => Err(Fault::not_found(format!(
                "`{}` was not changed by what is to be undone",
                path.escape_debug()
            ))),
            _ => Ok(sets),
        }
    }

    fn tasks(&self) -> Outcome<Vec<(String, String)>> {
        let state = self.journal.state();
        let mut retired: Vec<_> = state.retired.iter().collect();
        retired.sort_by_key(|task| std::cmp::Reverse(task.ordinal));
        let wanted = |task_id: &str| self.task_id.as_deref().is_none_or(|wanted| wanted == task_id);
        let tasks: Vec<(String, String)> = retired
            .into_iter()
            .filter(|task| wanted(&task.task_id))
            .map(|task| (task.task_id.clone(), task.change_set_hash.clone()))
            .collect();
        match &self.task_id {
            Some(task_id) if tasks.is_empty() => {
                Err(Fault::not_found(format!("task {task_id} has not settled in this run")))
            }
            _ => Ok(tasks),
        }
    }
}
