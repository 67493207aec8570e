//! What a run knows: a pure fold of its events. The live engine, recovery after a crash, the record and the replay all read this one state.

use std::collections::{BTreeMap, BTreeSet};

use openwrap_contracts::event::{BaseNote, Event, Fact, FollowNote, LabelledFiles};
use openwrap_contracts::fabric::FixedRoute;
use openwrap_contracts::fault::ErrorCode;
use openwrap_contracts::grant::{ApprovePolicy, Decision, EffectiveDecision, Grant, Question, QuestionKind};
use openwrap_contracts::identity::{Label, StepRef};
use openwrap_contracts::plan::{Plan, PlanTask};
use openwrap_contracts::playbook::PlaybookNote;
use openwrap_contracts::run::RunStatus;
use openwrap_contracts::spend::Budget;

use crate::spending::SpendingFold;
use crate::steering::Sent;

/// The planner's pseudo-task; its attempt is the plan version it works on.
pub const PLANNER: &str = "planner";
/// The final answer's pseudo-task.
pub const ANSWER: &str = "answer";

#[derive(Debug, Clone, Default)]
pub struct RunState {
    pub goal: String,
    pub run_date: String,
    pub model: String,
    pub slots: u32,
    pub approve: Option<ApprovePolicy>,
    pub project_id: String,
    pub project_hash: String,
    pub workflow_hash: String,
    pub plans: Vec<PlanVersion>,
    pub attempts: BTreeMap<(String, u32), AttemptState>,
    pub completed: BTreeMap<String, CompletedTask>,
    pub retired: Vec<RetiredTask>,
    pub commits: BTreeMap<String, String>,
    pub scheduling: Vec<(i64, Scheduling)>,
    pub approvals: BTreeMap<String, ApprovalState>,
    pub grants: Vec<Grant>,
    pub paused: bool,
    pub stopping: Option<String>,
    pub refused: Option<String>,
    pub finished: Option<RunStatus>,
    pub run_digest: Option<String>,
    pub record_hash: Option<String>,
    pub replan_reason: Option<String>,
    /// The task whose failure asks for a further plan.
    pub replan_task: Option<String>,
    pub follows: Option<FollowNote>,
    /// The program that plans and carries the run out in place of a model.
    pub playbook: Option<PlaybookNote>,
    /// Capabilities denied to this run.
    pub deny: Vec<String>,
    /// Files of the project that held text from outside when the run began.
    pub labelled: Vec<LabelledFiles>,
    /// What people said, in order.
    pub sent: Vec<Sent>,
    /// What the run may spend, and how often that was set anew.
    pub budget: Option<Budget>,
    pub budgets_set: u32,
    pub spending: SpendingFold,
    /// Models of roles that do not use the run's own: as the run began, and in force.
    pub routes_before: Vec<FixedRoute>,
    pub routes: Vec<FixedRoute>,
    /// A plan was accepted: they hold.
    pub routes_fixed: bool,
}

#[derive(Debug, Clone)]
pub struct PlanVersion {
    pub version: u32,
    pub plan_hash: String,
    pub plan: Plan,
    /// What the planner had read when it made it.
    pub labels: Vec<Label>,
    pub accepted: Option<Accepted>,
    pub rejected: bool,
}

#[derive(Debug, Clone)]
pub struct Accepted {
    pub after: u32,
    pub base_hash: String,
    /// Files of the base that held text from outside.
    pub labelled: Vec<LabelledFiles>,
}

#[derive(Debug, Clone, Default)]
pub struct AttemptState {
    pub start: u32,
    pub base: Option<BaseNote>,
    pub closure: Vec<String>,
    pub head: bool,
    pub steps: BTreeMap<u32, StepState>,
    pub failure: Option<(ErrorCode, String)>,
    /// Messages by the step that was the first to see them, in order.
    pub seen: Vec<(u32, String)>,
    /// Steps a person gave up.
    pub interrupted: BTreeSet<u32>,
    /// Steps at which the budget was asked about.
    pub budget_asked: BTreeSet<u32>,
    /// Models that stood in for the route's, by the step that was asked there.
    pub fell_back: BTreeMap<u32, String>,
}

#[derive(Debug, Clone)]
pub enum StepState {
    Model {
        request_hash: String,
        result_hash: Option<String>,
    },
    Tool(ToolStepState),
}

#[derive(Debug, Clone)]
pub struct ToolStepState {
    pub tool: String,
    pub request_hash: String,
    pub decision: Option<EffectiveDecision>,
    /// What it was permitted to do; empty when it never ran.
    pub needs: Vec<String>,
    /// Set when the step is finished.
    pub result: Option<ToolResultState>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResultState {
    pub result_hash: String,
    pub change_set_hash: Option<String>,
    pub is_error: bool,
    pub labels: Vec<Label>,
    /// False when the call never ran.
    pub ran: bool,
    /// Steps of a script's calls, which follow this one's place.
    pub calls: u32,
}

#[derive(Debug, Clone)]
pub struct CompletedTask {
    pub attempt: u32,
    pub result_hash: String,
    pub change_set_hash: String,
    pub paths: Vec<String>,
    /// What the attempt had read when it ended.
    pub labels: Vec<Label>,
}

#[derive(Debug, Clone)]
pub struct RetiredTask {
    pub task_id: String,
    pub ordinal: u32,
    pub change_set_hash: String,
    pub tree_hash: String,
    /// As it was completed: a later task may have its name.
    pub labels: Vec<Label>,
    pub paths: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct ApprovalState {
    pub question: Question,
    pub step: StepRef,
    pub decision: Option<Decision>,
    pub withdrawn: bool,
}

/// Facts the conductor has seen, in order: it is rebuilt from them.
#[derive(Debug, Clone)]
pub enum Scheduling {
    PlanAccepted {
        version: u32,
    },
    Waiting {
        task_id: String,
        start: u32,
    },
    Ready {
        task_id: String,
        start: u32,
    },
    Completed {
        task_id: String,
        start: u32,
        paths: BTreeSet<String>,
    },
    Failed {
        task_id: String,
        start: u32,
        code: ErrorCode,
        message: String,
    },
    NeedsHead {
        task_id: String,
        start: u32,
    },
    Retired {
        task_id: String,
    },
    Canceled {
        task_id: String,
        reason: String,
    },
    Slots {
        slots: u32,
    },
    Paused,
    Resumed,
}

impl RunState {
    /// Folds one event. Unknown order never panics: a fact about something unknown changes nothing.
    pub fn apply(&mut self, event: &Event) {
        self.apply_run(event);
        self.apply_plan(event);
        self.apply_permission(event);
        self.apply_pace(event);
        self.apply_steering(event);
        self.apply_cost(event);
        let Some(task_id) = event.task_id.clone() else { return };
        let attempt = event.attempt.unwrap_or(0);
        let place = StepRef {
            task_id,
            attempt,
            step: event.step.unwrap_or(0),
        };
        self.apply_start(event, &place);
        self.apply_retirement(event, &place.task_id);
        if let Some(noted) = self.apply_attempt_end(event, &place) {
            self.scheduling.push((event.at, noted));
        }
        self.apply_model_step(event, &place);
        self.apply_tool_step(event, &place);
    }

    fn apply_run(&mut self, event: &Event) {
        match &event.fact {
            Fact::RunCreated {
                goal,
                run_date,
                model,
                slots,
                approve,
                project_hash,
                workflow_hash,
                follows,
                budget,
                routes,
                playbook,
                deny,
                labelled,
            } => {
                self.labelled.clone_from(labelled);
                self.budget = *budget;
                self.routes.clone_from(routes);
                self.routes_before.clone_from(routes);
                self.playbook.clone_from(playbook);
                self.deny.clone_from(deny);
                self.follows.clone_from(follows);
                self.goal.clone_from(goal);
                self.run_date.clone_from(run_date);
                self.model.clone_from(model);
                self.slots = *slots;
                self.approve = Some(*approve);
                self.project_hash.clone_from(project_hash);
                self.workflow_hash.clone_from(workflow_hash);
                self.project_id = event.project_id.clone().unwrap_or_default();
            }
            Fact::RunStopping { reason } => self.stopping = Some(reason.clone()),
            Fact::RunFinished {
                status,
                run_digest,
                record_hash,
                ..
            } => {
                self.finished = Some(*status);
                self.run_digest.clone_from(run_digest);
                self.record_hash.clone_from(record_hash);
            }
            _ => {}
        }
    }

    fn apply_plan(&mut self, event: &Event) {
        match &event.fact {
            Fact::PlanProposed {
                version,
                plan_hash,
                plan,
                labels,
                ..
            } => {
                self.plans.retain(|known| known.version != *version);
                self.plans.push(PlanVersion {
                    version: *version,
                    plan_hash: plan_hash.clone(),
                    plan: plan.clone(),
                    labels: labels.clone(),
                    accepted: None,
                    rejected: false,
                });
            }
            Fact::PlanAccepted {
                version,
                accepted_after,
                base_hash,
                routes,
                labelled,
                ..
            } => {
                if !self.routes_fixed {
                    self.routes.clone_from(routes);
                    self.routes_fixed = true;
                }
                let accepted = Accepted {
                    after: *accepted_after,
                    base_hash: base_hash.clone(),
                    labelled: labelled.clone(),
                };
                if let Some(plan) = self.plans.iter_mut().find(|plan| plan.version == *version) {
                    plan.accepted = Some(accepted);
                }
                self.replan_reason = None;
                self.replan_task = None;
                self.scheduling
                    .push((event.at, Scheduling::PlanAccepted { version: *version }));
            }
            Fact::PlanRejected { version, reason } => {
                if let Some(plan) = self.plans.iter_mut().find(|plan| plan.version == *version) {
                    plan.rejected = true;
                }
                let reason = reason.as_deref().unwrap_or("no reason given");
                self.replan_reason = Some(format!("The person said no to the plan: {reason}"));
            }
            Fact::PlanRefused { message } => self.refused = Some(message.clone()),
            Fact::ReplanRequested { reason } => {
                self.replan_reason = Some(reason.clone());
                self.replan_task.clone_from(&event.task_id);
            }
            _ => {}
        }
    }

    fn apply_permission(&mut self, event: &Event) {
        match &event.fact {
            Fact::GrantIssued { grant } => self.grants.push(grant.clone()),
            Fact::GrantRevoked { grant_id } => self.grants.retain(|grant| grant.grant_id != *grant_id),
            Fact::ApprovalRequested { question } => {
                let step = StepRef {
                    task_id: event.task_id.clone().unwrap_or_default(),
                    attempt: event.attempt.unwrap_or(0),
                    step: event.step.unwrap_or(0),
                };
                let state = ApprovalState {
                    question: question.clone(),
                    step,
                    decision: None,
                    withdrawn: false,
                };
                self.approvals.insert(question.approval_id.clone(), state);
            }
            Fact::ApprovalResolved { approval_id, decision } => {
                if let Some(approval) = self.approvals.get_mut(approval_id) {
                    approval.decision = Some(decision.clone());
                }
            }
            Fact::ApprovalWithdrawn { approval_id } => {
                if let Some(approval) = self.approvals.get_mut(approval_id) {
                    approval.withdrawn = true;
                }
            }
            _ => {}
        }
    }

    fn apply_pace(&mut self, event: &Event) {
        let noted = match &event.fact {
            Fact::RunPaused {} => {
                self.paused = true;
                Scheduling::Paused
            }
            Fact::RunResumed {} => {
                self.paused = false;
                Scheduling::Resumed
            }
            Fact::SlotsChanged { slots } => {
                self.slots = *slots;
                Scheduling::Slots { slots: *slots }
            }
            _ => return,
        };
        self.scheduling.push((event.at, noted));
    }

    fn apply_cost(&mut self, event: &Event) {
        self.spending.apply(event);
        let step = event.step.unwrap_or(0);
        match &event.fact {
            Fact::BudgetSet { budget } => {
                self.budget = *budget;
                self.budgets_set += 1;
            }
            Fact::ApprovalRequested { question } if question.kind == QuestionKind::Budget => {
                if let Some(attempt) = self.attempt_of(event) {
                    attempt.budget_asked.insert(step);
                }
            }
            Fact::ModelFellBack { to, .. } => {
                if let Some(attempt) = self.attempt_of(event) {
                    attempt.fell_back.insert(step, to.clone());
                }
            }
            _ => {}
        }
    }

    /// The model that stood in for the route's at this step.
    #[must_use]
    pub fn fallback_at(&self, step: &StepRef) -> Option<String> {
        let attempt = self.attempts.get(&(step.task_id.clone(), step.attempt))?;
        attempt.fell_back.get(&step.step).cloned()
    }

    /// Whether the budget was asked about at this step.
    #[must_use]
    pub fn budget_asked_at(&self, step: &StepRef) -> bool {
        let attempt = self.attempts.get(&(step.task_id.clone(), step.attempt));
        attempt.is_some_and(|attempt| attempt.budget_asked.contains(&step.step))
    }

    fn apply_start(&mut self, event: &Event, place: &StepRef) {
        if let Fact::TaskStarted {
            start,
            base,
            closure,
            head,
            ..
        } = &event.fact
        {
            // A squashed attempt's number is given again: the new start knows nothing of the old one's steps.
            let state = AttemptState {
                start: *start,
                base: Some(base.clone()),
                closure: closure.clone(),
                head: *head,
                ..AttemptState::default()
            };
            self.attempts.insert((place.task_id.clone(), place.attempt), state);
        }
    }

    fn apply_retirement(&mut self, event: &Event, task_id: &str) {
        match &event.fact {
            Fact::CommitRequested { commit_hash, .. } => {
                self.commits.insert(task_id.to_owned(), commit_hash.clone());
            }
            Fact::TaskRetired { ordinal, tree_hash, .. } => {
                let done = self.completed.get(task_id);
                self.retired.push(RetiredTask {
                    labels: done.map(|done| done.labels.clone()).unwrap_or_default(),
                    paths: done.map(|done| done.paths.clone()).unwrap_or_default(),
                    task_id: task_id.to_owned(),
                    ordinal: *ordinal,
                    change_set_hash: self.commits.get(task_id).cloned().unwrap_or_default(),
                    tree_hash: tree_hash.clone(),
                });
            }
            Fact::TaskReopened { .. } => {
                self.completed.remove(task_id);
            }
            _ => {}
        }
    }

    /// What the conductor is told, when the fact is one of its inputs.
    fn apply_attempt_end(&mut self, event: &Event, place: &StepRef) -> Option<Scheduling> {
        let task_id = place.task_id.clone();
        Some(match &event.fact {
            Fact::TaskWaiting { start, .. } => Scheduling::Waiting { task_id, start: *start },
            Fact::TaskReady { start } => Scheduling::Ready { task_id, start: *start },
            Fact::TaskNeedsHead { start } => Scheduling::NeedsHead { task_id, start: *start },
            Fact::TaskRetired { .. } => Scheduling::Retired { task_id },
            Fact::TaskCanceled { reason } => Scheduling::Canceled {
                task_id,
                reason: reason.clone(),
            },
            Fact::TaskCompleted {
                start,
                result_hash,
                change_set_hash,
                paths,
                labels,
                ..
            } => {
                let done = CompletedTask {
                    attempt: place.attempt,
                    result_hash: result_hash.clone(),
                    change_set_hash: change_set_hash.clone(),
                    paths: paths.clone(),
                    labels: labels.clone(),
                };
                self.completed.insert(task_id.clone(), done);
                Scheduling::Completed {
                    task_id,
                    start: *start,
                    paths: paths.iter().cloned().collect(),
                }
            }
            Fact::TaskFailed { start, code, message } => {
                let state = self.attempts.entry((task_id.clone(), place.attempt)).or_default();
                state.failure = Some((*code, message.clone()));
                Scheduling::Failed {
                    task_id,
                    start: *start,
                    code: *code,
                    message: message.clone(),
                }
            }
            _ => return None,
        })
    }

    fn steps_of(&mut self, place: &StepRef) -> &mut BTreeMap<u32, StepState> {
        &mut self
            .attempts
            .entry((place.task_id.clone(), place.attempt))
            .or_default()
            .steps
    }

    fn apply_model_step(&mut self, event: &Event, place: &StepRef) {
        let (request_hash, result_hash) = match &event.fact {
            Fact::ModelRequested { request_hash, .. } => (request_hash.clone(), None),
            Fact::ModelFinished {
                request_hash,
                result_hash,
                ..
            } => (request_hash.clone(), result_hash.clone()),
            _ => return,
        };
        let steps = self.steps_of(place);
        // A tool asked a model: the step stays the tool's, whose result holds what was answered.
        if matches!(steps.get(&place.step), Some(StepState::Tool(_))) {
            return;
        }
        steps.insert(
            place.step,
            StepState::Model {
                request_hash,
                result_hash,
            },
        );
    }

    fn apply_tool_step(&mut self, event: &Event, place: &StepRef) {
        match &event.fact {
            Fact::ToolRequested {
                tool,
                request_hash,
                decision,
                needs,
                ..
            } => {
                let step = ToolStepState {
                    tool: tool.clone(),
                    request_hash: request_hash.clone(),
                    decision: Some(decision.clone()),
                    needs: needs.clone(),
                    result: None,
                };
                self.steps_of(place).insert(place.step, StepState::Tool(step));
            }
            Fact::ToolFinished {
                result_hash,
                change_set_hash,
                is_error,
                labels,
                calls,
                ..
            } => {
                let result = ToolResultState {
                    result_hash: result_hash.clone(),
                    change_set_hash: change_set_hash.clone(),
                    is_error: *is_error,
                    labels: labels.clone(),
                    ran: true,
                    calls: *calls,
                };
                if let Some(StepState::Tool(step)) = self.steps_of(place).get_mut(&place.step) {
                    step.result = Some(result);
                }
            }
            Fact::ToolRefused {
                tool,
                request_hash,
                decision,
                result_hash,
                ..
            } => {
                let result = ToolResultState {
                    result_hash: result_hash.clone(),
                    change_set_hash: None,
                    is_error: true,
                    labels: Vec::new(),
                    ran: false,
                    calls: 0,
                };
                let step = ToolStepState {
                    tool: tool.clone(),
                    request_hash: request_hash.clone(),
                    decision: decision.clone(),
                    needs: Vec::new(),
                    result: Some(result),
                };
                self.steps_of(place).insert(place.step, StepState::Tool(step));
            }
            _ => {}
        }
    }

    /// The plan version in force.
    #[must_use]
    pub fn current_plan(&self) -> Option<&PlanVersion> {
        self.plans
            .iter()
            .filter(|plan| plan.accepted.is_some())
            .max_by_key(|plan| plan.version)
    }

    /// Version the planner works on next (the one proposed and undecided, or one more than the newest).
    #[must_use]
    pub fn next_plan_version(&self) -> u32 {
        match self.plans.iter().max_by_key(|plan| plan.version) {
            Some(plan) if plan.accepted.is_none() && !plan.rejected => plan.version,
            Some(plan) => plan.version + 1,
            None => 1,
        }
    }

    /// A task as the plan version in force has it.
    #[must_use]
    pub fn task(&self, task_id: &str) -> Option<&PlanTask> {
        self.current_plan()?
            .plan
            .tasks
            .iter()
            .find(|task| task.task_id == task_id)
    }

    /// A finished tool step.
    #[must_use]
    pub fn tool_step(&self, step: &StepRef) -> Option<&ToolStepState> {
        match self
            .attempts
            .get(&(step.task_id.clone(), step.attempt))?
            .steps
            .get(&step.step)?
        {
            StepState::Tool(tool) => Some(tool),
            StepState::Model { .. } => None,
        }
    }

    /// What the steps of an attempt were permitted to do, beside their grants: a yes for once is no grant.
    #[must_use]
    pub fn permitted(&self, task_id: &str, attempt: u32) -> Vec<String> {
        let steps = self.attempts.get(&(task_id.to_owned(), attempt));
        let needs = steps.into_iter().flat_map(|attempt| attempt.steps.values());
        let needs = needs.filter_map(|step| match step {
            StepState::Tool(tool) => Some(&tool.needs),
            StepState::Model { .. } => None,
        });
        needs.flatten().cloned().collect()
    }

    /// Answer hash of a finished model step that was asked with this request.
    #[must_use]
    pub fn model_answer(&self, step: &StepRef, request_hash: &str) -> Option<String> {
        match self
            .attempts
            .get(&(step.task_id.clone(), step.attempt))?
            .steps
            .get(&step.step)?
        {
            StepState::Model {
                request_hash: asked,
                result_hash,
            } if asked == request_hash => result_hash.clone(),
            _ => None,
        }
    }
}
