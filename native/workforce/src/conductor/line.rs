//! The line: tasks settle strictly by ordinal.

use std::collections::BTreeSet;

use super::{Conductor, Effect, FinalStatus, Replan, ReplanCause, Settled, Task, TaskOutcome, TaskPhase, TaskRecord};

impl Conductor {
    /// Moves the line on until something has to happen first.
    pub(super) fn move_line(&mut self, effects: &mut Vec<Effect>) {
        if let Some(status) = self.stopping {
            if self.finished.is_none() && self.retiring().is_none() {
                self.finish(status, effects);
            }
            return;
        }
        while self.may_move() {
            if self.take_messages(effects) {
                return;
            }
            let Some(place) = self.head_place() else {
                return self.finish(FinalStatus::Completed, effects);
            };
            let Some(task) = self.tasks.get(place as usize) else {
                return;
            };
            match task.phase {
                _ if task.canceled => self.settle(place, TaskOutcome::Canceled),
                TaskPhase::Completed => {
                    if !self.retire_or_reopen(place, effects) {
                        return;
                    }
                }
                TaskPhase::Failed => return self.ask_after_failure(place, effects),
                _ => return,
            }
        }
    }

    fn may_move(&self) -> bool {
        let planned = !self.versions.is_empty();
        planned && !self.paused && self.finished.is_none() && self.replan.is_none() && self.retiring().is_none()
    }

    /// Asks for a replan when messages have their place here. With nothing left to settle the places still to come are reached too.
    fn take_messages(&mut self, effects: &mut Vec<Effect>) -> bool {
        let Some((place, _)) = self.messages.first_key_value() else {
            return false;
        };
        if *place > self.settled() && self.head_place().is_some() {
            return false;
        }
        let Some((place, message_ids)) = self.messages.pop_first() else {
            return false;
        };
        self.last_place = Some(place);
        self.ask(ReplanCause::Messages { message_ids }, effects);
        true
    }

    fn ask_after_failure(&mut self, place: u32, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(place as usize) else {
            return;
        };
        if let Some((code, message)) = task.failure.clone() {
            let cause = ReplanCause::TaskFailed {
                task_id: task.spec.task_id.clone(),
                code,
                message,
            };
            // A person's answer may settle the task only after a pause: until then no message can come in before it.
            self.last_place = self.last_place.max(Some(self.settled()));
            self.ask(cause, effects);
        }
    }

    fn ask(&mut self, cause: ReplanCause, effects: &mut Vec<Effect>) {
        self.replan = Some(Replan { cause: cause.clone() });
        effects.push(Effect::NeedReplan { cause });
    }

    /// Starts the commit of the head; true when a conflict reopened it instead.
    fn retire_or_reopen(&mut self, place: u32, effects: &mut Vec<Effect>) -> bool {
        let Some(task) = self.tasks.get(place as usize) else {
            return false;
        };
        let since = self.base_count(task.base);
        if let Some((first, paths)) = self.writers.conflict(&task.changed, since, &task.ancestors) {
            let because_of = self.id_at(first).map(str::to_owned);
            self.reopen(place, because_of, paths, effects);
            return true;
        }
        let (task_id, ordinal) = (task.spec.task_id.clone(), task.ordinal);
        if let Some(task) = self.tasks.get_mut(place as usize) {
            task.phase = TaskPhase::Retiring;
        }
        effects.push(Effect::Retire { task_id, ordinal });
        false
    }

    /// The host has committed the head.
    pub(super) fn committed(&mut self, _effects: &mut [Effect]) {
        let Some(place) = self.head_place() else { return };
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        task.phase = TaskPhase::Completed;
        let changed = std::mem::take(&mut task.changed);
        let (ordinal, task_id) = (task.ordinal, task.spec.task_id.clone());
        self.writers.add(ordinal, &changed);
        self.retired.insert(task_id, ordinal);
        self.settle(place, TaskOutcome::Retired);
    }

    /// A person's edit stands in the way of the head's commit.
    pub(super) fn refused(&mut self, paths: BTreeSet<String>, effects: &mut Vec<Effect>) {
        if let Some(place) = self.head_place() {
            self.reopen(place, None, paths, effects);
        }
    }

    pub(super) fn settle(&mut self, place: u32, outcome: TaskOutcome) {
        let Some(task) = self.tasks.get_mut(place as usize) else {
            return;
        };
        let attempts = std::mem::take(&mut task.attempts);
        if let Some(last) = attempts.last() {
            self.numbers.insert(task.spec.task_id.clone(), last.attempt);
        }
        self.settled.push(Settled {
            spec: task.spec.clone(),
            ancestors: task.ancestors.clone(),
            record: TaskRecord {
                task_id: task.spec.task_id.clone(),
                ordinal: task.ordinal,
                plan_version: task.version,
                outcome,
                attempts,
            },
        });
    }

    /// A failed head settles: what it did is recorded, nothing of it is committed.
    pub(super) fn settle_failed(&mut self, effects: &mut Vec<Effect>) {
        let Some(place) = self.head_place() else { return };
        let Some((task_id, ordinal)) = self.tasks.get(place as usize).map(Task::named) else {
            return;
        };
        self.settle(place, TaskOutcome::Failed);
        effects.push(Effect::SettledFailed { task_id, ordinal });
    }

    fn finish(&mut self, status: FinalStatus, effects: &mut Vec<Effect>) {
        self.finished = Some(status);
        effects.push(Effect::Finished { status });
    }
}

impl Task {
    fn named(&self) -> (String, u32) {
        (self.spec.task_id.clone(), self.ordinal)
    }
}
