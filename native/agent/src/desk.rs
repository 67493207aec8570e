//! The desk: where a run's questions wait for a person. Equal pending needs are one question; an answer for the task or the
//! run goes on answering. A question survives a crash: asked again by the same step, it is the same question.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::grant::{
    ApprovePolicy, Decision, EffectiveDecision, Grant, Holder, Question, QuestionKind, Scope,
};
use openwrap_contracts::identity::{Actor, Label, StepRef};
use openwrap_contracts::limits::APPROVALS_PENDING_MAX;
use openwrap_contracts::ports::{Approver, CancellationToken, Ids, Ledger, ObservedResult, Task};
use openwrap_contracts::spend::Budget;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{mpsc, oneshot};

use crate::budget;
use crate::journal::Journal;
use crate::message::Message;
use crate::state::{ANSWER, ApprovalState, PLANNER, RunState};
use crate::steering::{INTERRUPTED, Steps};

/// What holds for every step of a run, whatever is granted.
#[derive(Debug, Clone)]
pub struct Rules {
    pub policy: ApprovePolicy,
    /// Capabilities nobody gets.
    pub denies: Vec<String>,
}

/// Asks people on behalf of one live run.
pub struct Desk {
    journal: Arc<Journal>,
    ids: Arc<dyn Ids>,
    rules: Rules,
    actor: mpsc::UnboundedSender<Message>,
    waiters: Mutex<HashMap<String, Vec<Waiter>>>,
    steps: Arc<Steps>,
    /// One answer at a time: of two that come together the second finds the question answered.
    answering: tokio::sync::Mutex<()>,
    /// One question at a time: of two equal ones that come together the second finds the first.
    asking: tokio::sync::Mutex<()>,
}

struct Waiter {
    step: StepRef,
    answer: oneshot::Sender<Decision>,
}

/// How often, and how long each time, an answer waits for the fold to know its question.
const FOLD_TRIES: u32 = 100;
const FOLD_WAIT: std::time::Duration = std::time::Duration::from_millis(5);

enum Known {
    Answered(Decision),
    Pending(String),
    New,
}

impl Desk {
    #[must_use]
    pub fn new(
        journal: Arc<Journal>,
        ids: Arc<dyn Ids>,
        rules: Rules,
        actor: mpsc::UnboundedSender<Message>,
    ) -> Arc<Self> {
        Arc::new(Self {
            journal,
            ids,
            rules,
            actor,
            waiters: Mutex::new(HashMap::new()),
            steps: Arc::default(),
            answering: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// The steps under way, for the engine that begins them.
    #[must_use]
    pub fn steps(&self) -> Arc<Steps> {
        Arc::clone(&self.steps)
    }

    /// Takes a person's answer.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_STATE` (answered or withdrawn already), `INVALID_ARGUMENTS` (a scope that was not offered).
    pub async fn resolve(&self, approval_id: &str, decision: Decision, actor: Actor) -> Outcome<()> {
        let _one = self.answering.lock().await;
        let (question, step) = self.known(approval_id).await?;
        if !question.scopes.contains(&decision.scope) {
            return Err(Fault::invalid(format!(
                "scope {:?} is not offered by this question",
                decision.scope
            )));
        }
        let fact = Fact::ApprovalResolved {
            approval_id: approval_id.to_owned(),
            decision: decision.clone(),
        };
        let mut events = vec![self.journal.event_at(actor.clone(), &step, fact)];
        for grant in self.grants_of(&question, &step, &decision) {
            events.push(self.journal.event(actor.clone(), Fact::GrantIssued { grant }));
        }
        if decision.allow && question.kind == QuestionKind::Budget {
            events.extend(self.raised(&question, &actor)?);
        }
        self.journal.append(events).await?;
        for waiter in self.take_waiters(approval_id) {
            let _ = waiter.answer.send(decision.clone());
        }
        Ok(())
    }

    /// What a yes makes of the budget; nothing when it was set anew since it was asked about.
    fn raised(&self, question: &Question, actor: &Actor) -> Outcome<Option<Event>> {
        let state = self.journal.state();
        let (Some(now), Some(asked)) = (state.budget, &question.arguments_hash) else {
            return Ok(None);
        };
        if budget::budget_hash(&state)? != *asked {
            return Ok(None);
        }
        let budget = Some(budget::offered(question).unwrap_or_else(|| budget::raised(now)));
        Ok(Some(self.journal.event(actor.clone(), Fact::BudgetSet { budget })))
    }

    /// Sets the budget anew, which answers what was asked about it.
    ///
    /// # Errors
    /// `INVALID_STATE` when the run is ending; as the ledger's `append`.
    pub async fn set_budget(&self, budget: Option<Budget>, actor: Actor) -> Outcome<()> {
        let _one = self.answering.lock().await;
        // What is being asked just now is known before the budget changes.
        let _asking = self.asking.lock().await;
        let decision = raised_already();
        let (open, ending) = {
            let state = self.journal.state();
            let asked = |approval: &ApprovalState| approval.question.kind == QuestionKind::Budget && is_open(approval);
            let open = state.approvals.iter().filter(|(_, approval)| asked(approval));
            let open: Vec<_> = open.map(|(id, approval)| (id.clone(), approval.step.clone())).collect();
            (open, state.stopping.is_some() || state.finished.is_some())
        };
        if ending {
            return Err(Fault::new(ErrorCode::InvalidState, "the run is ending"));
        }
        let mut events = vec![self.journal.event(actor.clone(), Fact::BudgetSet { budget })];
        events.extend(open.iter().map(|(approval_id, step)| {
            let fact = Fact::ApprovalResolved {
                approval_id: approval_id.clone(),
                decision: decision.clone(),
            };
            self.journal.event_at(actor.clone(), step, fact)
        }));
        self.journal.append(events).await?;
        for waiter in open.iter().flat_map(|(id, _)| self.take_waiters(id)) {
            let _ = waiter.answer.send(decision.clone());
        }
        Ok(())
    }

    /// A question is on disk, and seen, a moment before the fold has it.
    async fn known(&self, approval_id: &str) -> Outcome<(Question, StepRef)> {
        for _ in 0..FOLD_TRIES {
            match self.pending(approval_id) {
                Err(fault) if fault.code == ErrorCode::NotFound => tokio::time::sleep(FOLD_WAIT).await,
                known => return known,
            }
        }
        self.pending(approval_id)
    }

    fn pending(&self, approval_id: &str) -> Outcome<(Question, StepRef)> {
        let state = self.journal.state();
        let approval = state
            .approvals
            .get(approval_id)
            .ok_or_else(|| Fault::not_found(format!("no question {approval_id}")))?;
        if approval.decision.is_some() || approval.withdrawn {
            return Err(Fault::new(
                ErrorCode::InvalidState,
                format!("question {approval_id} is answered or withdrawn"),
            ));
        }
        Ok((approval.question.clone(), approval.step.clone()))
    }

    fn grants_of(&self, question: &Question, step: &StepRef, decision: &Decision) -> Vec<Grant> {
        let run_id = self.journal.run_id().to_owned();
        let holder = match decision.scope {
            Scope::Once => return Vec::new(),
            Scope::Task => Holder::Task {
                run_id,
                task_id: step.task_id.clone(),
            },
            Scope::Run => Holder::Run { run_id },
        };
        if !decision.allow {
            return Vec::new();
        }
        let grant = |capability: &String| Grant {
            grant_id: self.ids.fresh("grant"),
            capability: capability.clone(),
            holder: holder.clone(),
            issued_at: self.journal.now_ms(),
            expires_at: None,
            approval_id: Some(question.approval_id.clone()),
        };
        question.adds.iter().map(grant).collect()
    }

    /// Withdraws every pending question; nobody needs to answer any more.
    ///
    /// # Errors
    /// As the ledger's `append`.
    pub async fn withdraw_all(&self) -> Outcome<()> {
        let _one = self.answering.lock().await;
        let open: Vec<(String, StepRef)> = {
            let state = self.journal.state();
            let open = state.approvals.iter().filter(|(_, approval)| is_open(approval));
            open.map(|(id, approval)| (id.clone(), approval.step.clone())).collect()
        };
        let events = open
            .iter()
            .map(|(id, step)| {
                self.journal.event_at(
                    Actor::core("desk"),
                    step,
                    Fact::ApprovalWithdrawn {
                        approval_id: id.clone(),
                    },
                )
            })
            .collect::<Vec<_>>();
        if !events.is_empty() {
            self.journal.append(events).await?;
        }
        Ok(())
    }

    fn take_waiters(&self, approval_id: &str) -> Vec<Waiter> {
        self.waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(approval_id)
            .unwrap_or_default()
    }

    fn wait_for(&self, approval_id: &str, step: &StepRef) -> oneshot::Receiver<Decision> {
        let (answer, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let step = step.clone();
        waiters
            .entry(approval_id.to_owned())
            .or_default()
            .push(Waiter { step, answer });
        receiver
    }

    /// A person interrupted the one that waits here: it goes on with a "no", and so is the question answered when
    /// nobody else waits for it.
    async fn leave(&self, approval_id: &str, step: &StepRef) -> Outcome<Decision> {
        let _one = self.answering.lock().await;
        let _asking = self.asking.lock().await;
        let nobody = self.is_left(approval_id, step);
        let decision = Decision {
            allow: false,
            scope: Scope::Once,
            reason: Some(INTERRUPTED.to_owned()),
        };
        if nobody {
            self.take_waiters(approval_id);
            let fact = Fact::ApprovalResolved {
                approval_id: approval_id.to_owned(),
                decision: decision.clone(),
            };
            self.journal.note_at(Actor::core("desk"), step, fact).await?;
        }
        Ok(decision)
    }

    /// As [`Self::leave`], from the question about the budget: an interruption says nothing about that, so it is withdrawn.
    async fn leave_unanswered(&self, approval_id: &str, step: &StepRef) -> Outcome<()> {
        let _one = self.answering.lock().await;
        let _asking = self.asking.lock().await;
        if self.is_left(approval_id, step) {
            self.take_waiters(approval_id);
            let approval_id = approval_id.to_owned();
            let fact = Fact::ApprovalWithdrawn { approval_id };
            self.journal.note_at(Actor::core("desk"), step, fact).await?;
        }
        Ok(())
    }

    /// The step does not wait any more: whether nobody does now. Not when it was answered just now: the answer stands in the ledger, but
    /// the step was given up.
    fn is_left(&self, approval_id: &str, step: &StepRef) -> bool {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.get_mut(approval_id).is_some_and(|waiting| {
            waiting.retain(|waiter| waiter.step != *step);
            waiting.is_empty()
        })
    }

    async fn question_id(&self, step: &StepRef, mut question: Question) -> Outcome<String> {
        if self
            .journal
            .state()
            .approvals
            .values()
            .filter(|approval| is_open(approval))
            .count()
            >= APPROVALS_PENDING_MAX
        {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                "too many questions wait already in this run",
            ));
        }
        question.approval_id = self.ids.fresh("ask");
        let approval_id = question.approval_id.clone();
        let actor = Actor::worker(step.task_id.clone());
        self.journal
            .note_at(actor, step, Fact::ApprovalRequested { question })
            .await?;
        Ok(approval_id)
    }

    async fn settle(&self, step: &StepRef, question: Question, cancel: &CancellationToken) -> Outcome<Decision> {
        // Planner, answer and commits hold no slot: only a worker's question gives one back.
        let scheduled = question.kind != QuestionKind::Conflict && step.task_id != PLANNER && step.task_id != ANSWER;
        let is_budget = question.kind == QuestionKind::Budget;
        let asking = self.asking.lock().await;
        let known = known_answer(&self.journal.state(), step, &question);
        let approval_id = match known {
            Known::Answered(decision) => {
                drop(asking);
                return self.settled(step, decision, scheduled, cancel).await;
            }
            Known::Pending(approval_id) => approval_id,
            Known::New => self.question_id(step, question).await?,
        };
        // Whoever leaves the question meanwhile knows that somebody else waits.
        let answer = self.wait_for(&approval_id, step);
        drop(asking);
        // Answered between the look and the wait: the fold knows.
        let answered = self
            .journal
            .state()
            .approvals
            .get(&approval_id)
            .and_then(|approval| approval.decision.clone());
        if let Some(decision) = answered {
            return self.settled(step, decision, scheduled, cancel).await;
        }
        if scheduled {
            self.tell(Message::Waiting {
                step: step.clone(),
                approval_id: approval_id.clone(),
            })?;
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            decision = answer => {
                let decision = decision.map_err(|_| Fault::canceled())?;
                return self.settled(step, decision, scheduled, cancel).await;
            }
        }
        let Some(attempt) = self.steps.given_up(&step.task_id) else {
            return Err(Fault::canceled());
        };
        if is_budget {
            self.leave_unanswered(&approval_id, step).await?;
            if scheduled {
                self.slot_again(step, &attempt).await?;
            }
            return Err(Fault::canceled());
        }
        let decision = self.leave(&approval_id, step).await?;
        self.settled(step, decision, scheduled, &attempt).await
    }

    /// An answer goes on only with a slot. One that was there already needs it as well: after a restart the schedule may still
    /// hold the attempt as waiting for it.
    async fn settled(
        &self,
        step: &StepRef,
        decision: Decision,
        scheduled: bool,
        cancel: &CancellationToken,
    ) -> Outcome<Decision> {
        if scheduled {
            self.slot_again(step, cancel).await?;
        }
        Ok(decision)
    }

    async fn slot_again(&self, step: &StepRef, cancel: &CancellationToken) -> Outcome<()> {
        let (go, granted) = oneshot::channel();
        self.tell(Message::Ready { step: step.clone(), go })?;
        tokio::pin!(granted);
        tokio::select! {
            () = cancel.cancelled() => {}
            granted = &mut granted => return granted.map_err(|_| Fault::canceled()),
        }
        // An interruption ends the step, not the wait for a slot.
        let Some(attempt) = self.steps.given_up(&step.task_id) else {
            return Err(Fault::canceled());
        };
        tokio::select! {
            () = attempt.cancelled() => Err(Fault::canceled()),
            granted = granted => granted.map_err(|_| Fault::canceled()),
        }
    }

    fn tell(&self, message: Message) -> Outcome<()> {
        self.actor.send(message).map_err(|_| Fault::canceled())
    }
}

fn is_open(approval: &ApprovalState) -> bool {
    approval.decision.is_none() && !approval.withdrawn
}

/// An answer this step had before a crash, one that stands for the task or run, or an equal question that waits.
fn known_answer(state: &RunState, step: &StepRef, question: &Question) -> Known {
    if question.kind == QuestionKind::Budget && !is_of_now(state, question) {
        return Known::Answered(raised_already());
    }
    let mut pending = None;
    for (id, approval) in &state.approvals {
        // The hash binds: what was approved is what runs. The labels are part of what a person judged.
        // About a budget one is asked for all, whatever the call of each needs.
        let exact = question.kind == QuestionKind::Budget || approval.question.exact == question.exact;
        let same = exact
            && approval.question.adds == question.adds
            && approval.question.kind == question.kind
            && approval.question.tool == question.tool
            && approval.question.arguments_hash == question.arguments_hash
            && approval.question.labels == question.labels;
        let own = same && approval.step == *step && !approval.withdrawn;
        match &approval.decision {
            Some(decision) if own => return Known::Answered(decision.clone()),
            Some(decision) if stands(decision, approval, step, question) => return Known::Answered(decision.clone()),
            // The very same act, seen word for word and allowed for longer than this step: it is asked once.
            Some(decision) if same && decision.allow && in_scope(decision, approval, step) => {
                return Known::Answered(decision.clone());
            }
            None if own => return Known::Pending(id.clone()),
            None if same && !approval.withdrawn => pending = Some(id.clone()),
            _ => {}
        }
    }
    pending.map_or(Known::New, Known::Pending)
}

/// Whether a question is about the budget as it is: one that was set anew meanwhile is not asked about any more.
fn is_of_now(state: &RunState, question: &Question) -> bool {
    budget::budget_hash(state).is_ok_and(|hash| question.arguments_hash.as_ref() == Some(&hash))
}

fn raised_already() -> Decision {
    Decision {
        allow: true,
        scope: Scope::Run,
        reason: None,
    }
}

/// A "no" for the task or run goes on answering the same need; a "yes" is a grant already.
fn stands(decision: &Decision, approval: &ApprovalState, step: &StepRef, question: &Question) -> bool {
    let needs = !question.adds.is_empty() && approval.question.adds == question.adds;
    in_scope(decision, approval, step) && !decision.allow && needs
}

fn in_scope(decision: &Decision, approval: &ApprovalState, step: &StepRef) -> bool {
    match decision.scope {
        Scope::Once => false,
        Scope::Task => approval.step.task_id == step.task_id,
        Scope::Run => true,
    }
}

impl Approver for Desk {
    fn ask(
        &self,
        step: StepRef,
        question: Question,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<EffectiveDecision>> {
        Box::pin(async move {
            let decision = self.settle(&step, question, &cancel).await?;
            Ok(EffectiveDecision {
                allow: decision.allow,
                asked: true,
                reason: decision.reason,
            })
        })
    }

    fn grants(&self, step: &StepRef) -> Vec<Grant> {
        let state = self.journal.state();
        let mut grants = grants_for(&state, step);
        if self.rules.policy == ApprovePolicy::All {
            grants.extend(opened_before(&state, step, self.journal.run_id()));
        }
        grants
    }

    fn policy(&self) -> ApprovePolicy {
        self.rules.policy
    }

    fn denies(&self) -> Vec<String> {
        self.rules.denies.clone()
    }

    fn labels(&self, step: &StepRef) -> Vec<Label> {
        self.journal.state().attempt_labels(&step.task_id, step.attempt)
    }

    fn sources<'a>(&'a self, step: &'a StepRef) -> Task<'a, Outcome<Vec<String>>> {
        Box::pin(async move {
            // What the attempt has read a moment ago is named too.
            self.journal.settled().await?;
            Ok(self.journal.state().sources(&step.task_id, step.attempt))
        })
    }

    fn observed(&self, _step: &StepRef) -> Option<ObservedResult> {
        None
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.journal) as Arc<dyn Ledger>
    }
}

/// Where nobody is asked, a page the attempt opened is one it may go on in.
fn opened_before(state: &RunState, step: &StepRef, run_id: &str) -> Vec<Grant> {
    let grant = |capability: String| Grant {
        grant_id: format!("opened-{}", step.task_id),
        capability,
        holder: Holder::Task {
            run_id: run_id.to_owned(),
            task_id: step.task_id.clone(),
        },
        issued_at: 0,
        expires_at: None,
        approval_id: None,
    };
    let permitted = state.permitted(&step.task_id, step.attempt).into_iter();
    permitted
        .filter(|need| need.starts_with("browser:"))
        .map(grant)
        .collect()
}

/// Grants a step may use.
#[must_use]
pub fn grants_for(state: &RunState, step: &StepRef) -> Vec<Grant> {
    let mine = |grant: &&Grant| match &grant.holder {
        Holder::Run { .. } => true,
        Holder::Task { task_id, .. } => *task_id == step.task_id,
    };
    state.grants.iter().filter(mine).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openwrap_contracts::grant::Risk;

    fn step(task_id: &str) -> StepRef {
        StepRef {
            task_id: task_id.to_owned(),
            attempt: 1,
            step: 2,
        }
    }

    fn question() -> Question {
        Question {
            approval_id: "ask_1".to_owned(),
            kind: QuestionKind::Tool,
            risk: Risk::ChangesFiles,
            sentence: String::new(),
            exact: "write a.csv".to_owned(),
            why: String::new(),
            if_no: String::new(),
            adds: vec!["write:a.csv".to_owned()],
            labels: Vec::new(),
            tool: Some("file.write".to_owned()),
            arguments_hash: Some("aa".to_owned()),
            scopes: vec![Scope::Once, Scope::Task, Scope::Run],
        }
    }

    fn state(decision: Option<Decision>) -> RunState {
        let mut state = RunState::default();
        let approval = ApprovalState {
            question: question(),
            step: step("t"),
            decision,
            withdrawn: false,
        };
        state.approvals.insert("ask_1".to_owned(), approval);
        state
    }

    /// What a yes was given for is what runs: equal needs with other arguments, another tool or other reading are asked.
    #[test]
    fn an_answer_is_bound_to_what_was_shown() {
        let yes = Decision {
            allow: true,
            scope: Scope::Once,
            reason: None,
        };
        for decision in [None, Some(yes)] {
            let state = state(decision.clone());
            let known = |change: fn(&mut Question)| {
                let mut question = question();
                change(&mut question);
                known_answer(&state, &step("t"), &question)
            };
            assert!(matches!(
                (known(|_| {}), decision.is_some()),
                (Known::Answered(_), true) | (Known::Pending(_), false)
            ));
            for change in [
                (|question| question.arguments_hash = Some("bb".to_owned())) as fn(&mut Question),
                |question| question.arguments_hash = None,
                |question| question.tool = Some("file.append".to_owned()),
                |question| question.labels = vec![Label::Web],
                |question| question.adds.push("run:sh".to_owned()),
                |question| question.exact.push(' '),
            ] {
                assert!(matches!(known(change), Known::New));
            }
        }
        // One question for two tasks that want the very same; a yes for once is for the one that asked.
        assert!(matches!(
            known_answer(&state(None), &step("u"), &question()),
            Known::Pending(_)
        ));
    }

    #[test]
    fn a_no_for_the_run_answers_the_same_need_again() {
        let no = |scope| Decision {
            allow: false,
            scope,
            reason: None,
        };
        let mut other = question();
        other.arguments_hash = Some("bb".to_owned());
        for (scope, task, answered) in [
            (Scope::Once, "t", false),
            (Scope::Task, "t", true),
            (Scope::Task, "u", false),
            (Scope::Run, "u", true),
        ] {
            let known = known_answer(&state(Some(no(scope))), &step(task), &other);
            assert_eq!(matches!(known, Known::Answered(_)), answered, "{scope:?} {task}");
        }
    }
}
