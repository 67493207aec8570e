//! What happens to attempts: they wait, go on, end.

use std::collections::BTreeSet;

use openwrap_contracts::ap::WorkforceEscalationDecision;
use openwrap_contracts::{ErrorCode, Outcome};

use super::{
    AbortCause, AttemptRecord, Base, Conductor, Effect, EndedBy, ReplanCause, StartNumber, Task, TaskPhase, state_fault,
};
use crate::failure::{Verdict, verdict};

impl Task {
    /// True while an attempt is under way, with or without a slot.
    pub(super) fn under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Forgets all attempts: they saw what counts no more.
    pub(super) fn forget(&mut self) {
        self.attempts.clear();
        self.failures = 0;
        self.needs_head = false;
        self.changed.clear();
        self.failure = None;
        self.phase = TaskPhase::Pending;
    }
}

impl Conductor {
    /// The task whose attempt under way this is.
    fn live(&self, task_id: &str, start: u32) -> Option<u32> {
        let place = self.place_of(task_id)?;
        let current = self.tasks.get(place as usize)?.current.as_ref()?;
        (current.start == start).then_some(place)
    }

    pub(super) fn check_phase(&self, task_id: &str, start: u32, phases: &[TaskPhase]) -> Outcome<()> {
        let task = self
            .live(task_id, start)
            .and_then(|place| self.tasks.get(place as usize));
        match task {
            Some(task) if !phases.contains(&task.phase) => Err(state_fault(format!(
                "start {start} of task {task_id} is {:?}, not {phases:?}",
                task.phase
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn check_needs_head(&self, task_id: &str, start: u32) -> Outcome<()> {
        let current = self
            .live(task_id, start)
            .and_then(|place| self.tasks.get(place as usize)?.current.as_ref());
        match current {
            Some(current) if current.head || current.let_go => Err(state_fault(format!(
                "start {start} of task {task_id} may do acts that cannot be undone"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn check_cancel(&self, task_id: &str) -> Outcome<()> {
        let task = self.unsettled(task_id)?;
        if task.phase == TaskPhase::Retiring {
            return Err(state_fault(format!("task {task_id} is being committed")).with_hint("Undo it afterwards."));
        }
        if task.canceled {
            return Err(state_fault(format!("task {task_id} is canceled already")));
        }
        Ok(())
    }

    pub(super) fn wait(&mut self, task_id: &str, start: u32) {
        let Some(place) = self.live(task_id, start) else { return };
        if let Some(task) = self.tasks.get_mut(place as usize) {
            task.phase = TaskPhase::Waiting;
        }
        self.running -= 1;
        self.scheduler.detach(place);
    }

    pub(super) fn make_ready(&mut self, task_id: &str, start: u32) {
        let Some(place) = self.live(task_id, start) else { return };
        if let Some(task) = self.tasks.get_mut(place as usize) {
            task.phase = TaskPhase::Ready;
        }
    }

    pub(super) fn completed(&mut self, task_id: &str, start: u32, changed: BTreeSet<String>) {
        let Some(place) = self.live(task_id, start) else { return };
        self.end(place, EndedBy::Completed);
        if let Some(task) = self.tasks.get_mut(place as usize) {
            task.phase = TaskPhase::Completed;
            task.changed = changed;
        }
        for dependent in self.scheduler.complete(place) {
            self.queue(dependent);
        }
    }

    pub(super) fn failed(
        &mut self,
        task_id: &str,
        start: u32,
        failure: (ErrorCode, String),
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.live(task_id, start) else { return };
        self.end(place, EndedBy::Failed(failure.0));
        let (now, policy) = (self.now, self.config.policy);
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        task.failures += 1;
        task.failure = Some(failure);
        let task_id = task_id.to_owned();
        match verdict(policy, task.failures, task.failures) {
            Verdict::Retry { delay_ms: 0 } => {
                task.phase = TaskPhase::Pending;
                self.queue(place);
            }
            Verdict::Retry { delay_ms } => {
                let until_ms = now.saturating_add(delay_ms);
                task.phase = TaskPhase::Backoff;
                task.until = Some(until_ms);
                self.backoffs.insert((until_ms, task.ordinal, place));
                effects.push(Effect::Backoff { task_id, until_ms });
            }
            Verdict::Escalate => {
                task.phase = TaskPhase::Escalated;
                effects.push(Effect::Escalated { task_id });
            }
            Verdict::Dead => task.phase = TaskPhase::Failed,
        }
    }

    pub(super) fn needs_head(&mut self, task_id: &str, start: u32) {
        let Some(place) = self.live(task_id, start) else { return };
        self.end(place, EndedBy::NeedsHead);
        if let Some(task) = self.tasks.get_mut(place as usize) {
            task.phase = TaskPhase::Pending;
            task.needs_head = true;
            task.failures = 0;
        }
        self.queue(place);
    }

    pub(super) fn resolve(
        &mut self,
        task_id: String,
        decision: WorkforceEscalationDecision,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.place_of(&task_id) else { return };
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        match decision {
            WorkforceEscalationDecision::Retry => {
                task.phase = TaskPhase::Pending;
                self.queue(place);
            }
            WorkforceEscalationDecision::Fail => task.phase = TaskPhase::Failed,
            WorkforceEscalationDecision::Cancel => self.cancel(task_id, effects),
        }
    }

    pub(super) fn cancel(&mut self, task_id: String, effects: &mut Vec<Effect>) {
        if let Some(place) = self.place_of(&task_id) {
            self.cancel_at(place, effects);
        }
        self.canceled_ids.insert(task_id);
    }

    /// Takes a task and all that depends on it out.
    pub(super) fn cancel_at(&mut self, place: u32, effects: &mut Vec<Effect>) {
        for place in self.scheduler.graph().with_dependents([place]) {
            self.abort(place, AbortCause::Canceled, effects);
            self.unschedule(place);
            let Some(task) = self.tasks.get_mut(place as usize) else {
                continue;
            };
            if task.canceled {
                continue;
            }
            task.canceled = true;
            task.forget();
            let task_id = task.spec.task_id.clone();
            let failed =
                |cause: &ReplanCause| matches!(cause, ReplanCause::TaskFailed { task_id: id, .. } if *id == task_id);
            if self.replan.as_ref().is_some_and(|replan| failed(&replan.cause)) {
                self.replan = None;
            }
            effects.push(Effect::Canceled { task_id });
        }
    }

    /// Takes back all that the scheduler knows of a task but its dependencies.
    pub(super) fn unschedule(&mut self, place: u32) {
        self.scheduler.reopen(place);
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        if let Some(until) = task.until.take() {
            self.backoffs.remove(&(until, task.ordinal, place));
        }
    }

    /// Drops the attempt under way, when there is one.
    pub(super) fn abort(&mut self, place: u32, cause: AbortCause, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        let Some(current) = task.current.take() else { return };
        if task.phase == TaskPhase::Running {
            self.running -= 1;
        }
        task.phase = TaskPhase::Pending;
        let task_id = task.spec.task_id.clone();
        self.scheduler.park(place);
        effects.push(Effect::Abort {
            task_id,
            attempt: current.attempt,
            start: current.start,
            cause,
        });
    }

    /// Ends the attempt under way and writes it down.
    fn end(&mut self, place: u32, ended_by: EndedBy) {
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        let Some(current) = task.current.take() else { return };
        if task.phase == TaskPhase::Running {
            self.running -= 1;
        }
        task.attempts.push(AttemptRecord {
            attempt: current.attempt,
            start: StartNumber(current.start),
            base: current.base,
            closure: current.closure,
            head: current.head || current.let_go,
            ended_by,
        });
        self.scheduler.park(place);
    }

    /// Puts a pending task whose dependencies are completed up for dispatch.
    pub(super) fn queue(&mut self, place: u32) {
        let free = self.scheduler.is_free(place);
        let pending = |task: &Task| task.phase == TaskPhase::Pending && !task.canceled && !task.under_way();
        if free && self.tasks.get(place as usize).is_some_and(pending) {
            self.scheduler.hold(place, true);
            self.scheduler.queue(place);
        }
    }

    /// Does the task at the head again on what has settled before it, and with it everything that depends on it.
    pub(super) fn reopen(
        &mut self,
        place: u32,
        because_of: Option<String>,
        paths: BTreeSet<String>,
        effects: &mut Vec<Effect>,
    ) {
        let base = Base::Retired { count: self.settled() };
        self.unschedule(place);
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        if let Some(last) = task.attempts.last_mut() {
            last.ended_by = EndedBy::Conflict;
        }
        task.phase = TaskPhase::Pending;
        (task.base, task.needs_head, task.failures) = (base, true, 0);
        task.changed.clear();
        let task_id = task.spec.task_id.clone();
        effects.push(Effect::Reopened {
            task_id: task_id.clone(),
            because_of,
            paths,
            base,
        });
        for dependent in self.scheduler.graph().with_dependents([place]) {
            if dependent != place {
                self.reopen_dependent(dependent, base, &task_id, effects);
            }
        }
        self.queue(place);
    }

    fn reopen_dependent(&mut self, place: u32, base: Base, because_of: &str, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(place as usize) else {
            return;
        };
        if task.canceled {
            return;
        }
        // A base that already holds everything settled so far stays: another timing would have given the same.
        let keeps = self.base_count(task.base) >= self.settled();
        let touched = task.under_way() || !task.attempts.is_empty();
        self.abort(place, AbortCause::Reopened, effects);
        self.unschedule(place);
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        task.forget();
        if !keeps {
            task.base = base;
        }
        if touched {
            effects.push(Effect::Reopened {
                task_id: task.spec.task_id.clone(),
                because_of: Some(because_of.to_owned()),
                paths: BTreeSet::new(),
                base: task.base,
            });
        }
    }
}
