//! The start page's state: a pure fold of all events.

use std::collections::BTreeMap;

use openwrap_agent::spending::SpendingFold;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::fabric::RouteRule;
use openwrap_contracts::grant::ApprovePolicy;
use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::model::ProviderConfig;
use openwrap_contracts::playbook::PlaybookNote;
use openwrap_contracts::run::{DisabledFeature, Overview, PendingApproval, Project, RunPhase, RunStatus, RunSummary};
use openwrap_contracts::spawn::{SandboxLevel, SandboxReport, UidMode};
use openwrap_contracts::spend::{Budget, Spending};
use serde::{Deserialize, Serialize};

use crate::labelled::LabelFold;
use crate::library::LibraryFold;

/// Folded state; kept as a snapshot so that a start does not read the whole ledger.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OverviewFold {
    pub sequence: u64,
    /// Text from outside in projects.
    pub labelled: LabelFold,
    pub projects: BTreeMap<String, Project>,
    pub runs: BTreeMap<u32, RunSummary>,
    numbers: BTreeMap<String, u32>,
    approvals: BTreeMap<String, PendingApproval>,
    pub providers: BTreeMap<String, ProviderConfig>,
    #[serde(default)]
    pub routes: BTreeMap<String, RouteRule>,
    #[serde(default)]
    pub default_budget: Option<Budget>,
    /// Of runs under way.
    #[serde(default)]
    spending: BTreeMap<String, SpendingFold>,
    sandbox: Option<SandboxReport>,
    /// Plan size by run, counted anew with each accepted version.
    retired: BTreeMap<String, u32>,
    /// What a paused run does when it goes on.
    #[serde(default)]
    paused: BTreeMap<String, RunPhase>,
    #[serde(default)]
    pub mcp: BTreeMap<String, KeptMcp>,
    pub library: LibraryFold,
}

/// An MCP server as the ledger has it; the hashes name blobs with its definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptMcp {
    pub server: McpServer,
    pub approved: Option<String>,
    /// Offered since, and not approved.
    pub changed: Option<String>,
}

impl OverviewFold {
    /// Folds one event.
    pub fn apply(&mut self, sequence: u64, event: &Event) {
        self.sequence = sequence;
        self.labelled.apply(event);
        self.library.apply(event);
        match &event.fact {
            Fact::ProjectOpened { name, path } => {
                if let Some(project_id) = &event.project_id {
                    let project = Project {
                        project_id: project_id.clone(),
                        name: name.clone(),
                        path: path.clone(),
                    };
                    self.projects.insert(project_id.clone(), project);
                }
            }
            Fact::ProviderAdded { provider } => {
                self.providers.insert(provider.provider_id.clone(), provider.clone());
            }
            Fact::ProviderRemoved { provider_id } => {
                self.providers.remove(provider_id);
            }
            Fact::RouteSet { route } => {
                self.routes.insert(route.rule_id.clone(), route.clone());
            }
            Fact::RouteRemoved { rule_id } => {
                self.routes.remove(rule_id);
            }
            Fact::BudgetDefaultSet { budget } => self.default_budget = *budget,
            Fact::McpServerAdded { .. }
            | Fact::McpServerRemoved { .. }
            | Fact::McpServerApproved { .. }
            | Fact::McpServerChanged { .. } => self.apply_mcp(&event.fact),
            Fact::SandboxProbed { report } => self.sandbox = Some(report.clone()),
            Fact::RunCreated {
                goal,
                model,
                approve,
                playbook,
                budget,
                ..
            } => {
                self.create(sequence, event, goal, model, *approve);
                self.give_budget(event, *budget);
                self.name_playbook(playbook.as_ref());
            }
            _ => self.apply_run(sequence, event),
        }
    }

    fn apply_mcp(&mut self, fact: &Fact) {
        match fact {
            Fact::McpServerAdded { server } => {
                let kept = KeptMcp {
                    server: server.clone(),
                    approved: None,
                    changed: None,
                };
                self.mcp.insert(server.server_id.clone(), kept);
            }
            Fact::McpServerRemoved { server_id } => {
                self.mcp.remove(server_id);
            }
            Fact::McpServerApproved {
                server_id,
                definitions_hash,
            } => {
                if let Some(kept) = self.mcp.get_mut(server_id) {
                    kept.approved = Some(definitions_hash.clone());
                    kept.changed = None;
                }
            }
            Fact::McpServerChanged {
                server_id,
                definitions_hash,
            } => {
                if let Some(kept) = self.mcp.get_mut(server_id) {
                    kept.changed = Some(definitions_hash.clone());
                }
            }
            _ => {}
        }
    }

    fn create(&mut self, sequence: u64, event: &Event, goal: &str, model: &str, approve: ApprovePolicy) {
        let Some(run_id) = event.run_id.clone() else { return };
        let number = self.runs.keys().next_back().map_or(1, |last| last + 1);
        self.numbers.insert(run_id.clone(), number);
        let summary = RunSummary {
            run_id,
            project_id: event.project_id.clone().unwrap_or_default(),
            number,
            goal: goal.to_owned(),
            status: RunStatus::Running,
            phase: RunPhase::Planning,
            created_at: event.at,
            ended_at: None,
            model: model.to_owned(),
            approve,
            tasks_total: 0,
            tasks_retired: 0,
            input_tokens: 0,
            output_tokens: 0,
            run_digest: None,
            answer: None,
            artifacts: Vec::new(),
            first_sequence: u32::try_from(sequence).unwrap_or(u32::MAX),
            undone: false,
            budget: None,
            spending: Spending::default(),
            playbook: None,
        };
        self.runs.insert(number, summary);
    }

    /// Of the newest run.
    fn name_playbook(&mut self, playbook: Option<&PlaybookNote>) {
        if let (Some(note), Some(mut run)) = (playbook, self.runs.last_entry()) {
            run.get_mut().playbook = Some(note.name.clone());
        }
    }

    fn give_budget(&mut self, event: &Event, budget: Option<Budget>) {
        let number = event.run_id.as_ref().and_then(|run_id| self.numbers.get(run_id));
        if let Some(run) = number.and_then(|number| self.runs.get_mut(number)) {
            run.budget = budget;
        }
    }

    fn apply_run(&mut self, sequence: u64, event: &Event) {
        let Some(run_id) = &event.run_id else { return };
        self.apply_approval(sequence, event, run_id);
        self.apply_spending(event, run_id);
        let Some(run) = self.numbers.get(run_id).and_then(|number| self.runs.get_mut(number)) else {
            return;
        };
        match &event.fact {
            Fact::PlanProposed { plan, .. } => {
                run.phase = RunPhase::Review;
                if run.tasks_total == 0 {
                    run.tasks_total = u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX);
                } else {
                    let new = u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX);
                    run.tasks_total = run.tasks_retired.saturating_add(new);
                }
            }
            Fact::PlanAccepted { .. } => run.phase = RunPhase::Working,
            Fact::RunResumed {} => run.phase = self.paused.remove(run_id).unwrap_or(RunPhase::Working),
            Fact::PlanRejected { .. } | Fact::ReplanRequested { .. } => run.phase = RunPhase::Planning,
            Fact::RunPaused {} => {
                self.paused.insert(run_id.clone(), run.phase);
            }
            Fact::RunStopping { .. } => run.phase = RunPhase::Stopping,
            Fact::TaskRetired { .. } => {
                let retired = self.retired.entry(run_id.clone()).or_default();
                *retired += 1;
                run.tasks_retired = *retired;
                run.tasks_total = run.tasks_total.max(*retired);
            }
            Fact::ModelFinished { usage, .. } => {
                run.input_tokens = run.input_tokens.saturating_add(usage.input_tokens);
                run.output_tokens = run.output_tokens.saturating_add(usage.output_tokens);
                if event.task_id.as_deref() == Some(openwrap_agent::state::ANSWER) {
                    run.phase = RunPhase::Answering;
                }
            }
            Fact::RunFinished {
                status,
                run_digest,
                answer,
                artifacts,
                ..
            } => {
                run.status = *status;
                run.phase = RunPhase::Finished;
                run.ended_at = Some(event.at);
                run.run_digest.clone_from(run_digest);
                run.answer.clone_from(answer);
                run.artifacts.clone_from(artifacts);
            }
            Fact::UndoFinished {
                tasks,
                reverted,
                conflicts,
                ..
            } => {
                // All of it at once; one file, or one task of several, leaves the run as it is.
                let whole = tasks.len() > 1 && tasks.len() == run.tasks_retired as usize;
                let all = whole || run.artifacts.iter().all(|file| reverted.contains(&file.path));
                run.undone |= all && conflicts.is_empty();
            }
            _ => {}
        }
        show_pause(&mut self.paused, run_id, run);
    }

    fn apply_spending(&mut self, event: &Event, run_id: &str) {
        let Some(run) = self.numbers.get(run_id).and_then(|number| self.runs.get_mut(number)) else {
            return;
        };
        match &event.fact {
            Fact::BudgetSet { budget } => run.budget = *budget,
            Fact::ModelRequested { .. } | Fact::ModelFinished { .. } | Fact::RunFinished { .. } => {
                let fold = self.spending.entry(run_id.to_owned()).or_default();
                fold.apply(event);
                run.spending = fold.total;
            }
            _ => {}
        }
        if let Fact::RunFinished { .. } = &event.fact {
            self.spending.remove(run_id);
        }
    }

    fn apply_approval(&mut self, sequence: u64, event: &Event, run_id: &str) {
        match &event.fact {
            Fact::ApprovalRequested { question } => {
                let pending = PendingApproval {
                    run_id: run_id.to_owned(),
                    task_id: event.task_id.clone().unwrap_or_default(),
                    asked_at: event.at,
                    sequence: u32::try_from(sequence).unwrap_or(u32::MAX),
                    question: question.clone(),
                };
                self.approvals.insert(question.approval_id.clone(), pending);
            }
            Fact::ApprovalResolved { approval_id, .. } | Fact::ApprovalWithdrawn { approval_id } => {
                self.approvals.remove(approval_id);
            }
            Fact::RunFinished { .. } => self.approvals.retain(|_, pending| pending.run_id != run_id),
            _ => {}
        }
    }

    /// The newest probe of the sandbox.
    #[must_use]
    pub fn sandbox(&self) -> Option<&SandboxReport> {
        self.sandbox.as_ref()
    }

    /// One run.
    #[must_use]
    pub fn run(&self, run_id: &str) -> Option<&RunSummary> {
        self.runs.get(self.numbers.get(run_id)?)
    }

    /// The run a pending question belongs to.
    #[must_use]
    pub fn run_of_approval(&self, approval_id: &str) -> Option<String> {
        self.approvals.get(approval_id).map(|pending| pending.run_id.clone())
    }

    /// Runs that have not ended, oldest first.
    #[must_use]
    pub fn active_runs(&self) -> Vec<RunSummary> {
        self.runs
            .values()
            .filter(|run| run.phase != RunPhase::Finished)
            .cloned()
            .collect()
    }

    /// What the start page gets.
    #[must_use]
    pub fn view(&self, head_hash: String, disabled: Vec<DisabledFeature>) -> Overview {
        let mut approvals: Vec<PendingApproval> = self.approvals.values().cloned().collect();
        approvals.sort_by(|a, b| b.question.risk.cmp(&a.question.risk).then(a.sequence.cmp(&b.sequence)));
        Overview {
            sequence: u32::try_from(self.sequence).unwrap_or(u32::MAX),
            head_hash,
            projects: self.projects.values().cloned().collect(),
            runs: self.runs.values().rev().cloned().collect(),
            approvals,
            providers: self.providers.values().cloned().collect(),
            routes: crate::routes::ordered(self.routes.values().cloned().collect()),
            default_budget: self.default_budget,
            sandbox: self.sandbox.clone().unwrap_or_else(unprobed),
            disabled,
        }
    }
}

/// What goes on behind a pause (a question answered, an answer come back) shows when it ends.
fn show_pause(paused: &mut BTreeMap<String, RunPhase>, run_id: &str, run: &mut RunSummary) {
    let Some(behind) = paused.get_mut(run_id) else { return };
    match run.phase {
        RunPhase::Stopping | RunPhase::Finished => {
            paused.remove(run_id);
        }
        RunPhase::Paused => {}
        phase => {
            *behind = phase;
            run.phase = RunPhase::Paused;
        }
    }
}

fn unprobed() -> SandboxReport {
    SandboxReport {
        level: SandboxLevel::D,
        usable: false,
        landlock_abi: 0,
        seccomp: false,
        namespaces: false,
        uid_mode: UidMode::SameUid,
        tools_uid: 0,
        tools_gid: 0,
        metadata_confined: false,
        effects: Vec::new(),
        notes: vec!["The sandbox has not been probed yet.".to_owned()],
    }
}
