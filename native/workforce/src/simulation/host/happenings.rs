//! What happens by itself: steps, answers, commits, plans, people, crashes.

use std::collections::BTreeSet;

use super::{Attempt, Check, Done, Happening, Host, hold};
use crate::conductor::{FinalStatus, Input, TaskOutcome, TaskPhase};
use crate::simulation::random::Digest;
use crate::simulation::rules;
use crate::simulation::world::{Answer, End, Outlook, Step, digest};

impl Host<'_> {
    pub(super) fn happen(&mut self, happening: Happening) -> Check {
        // A stopped run only ends the commit under way.
        if self.stopped && !matches!(happening, Happening::Commit { .. } | Happening::Crash) {
            return Ok(());
        }
        match happening {
            Happening::Step { task_id, start } => self.step(&task_id, start),
            Happening::Answer { task_id, start } => self.answer(&task_id, start),
            Happening::RunAnswer { question } => self.answer_for_the_run(question),
            Happening::Commit { task_id } => self.commit(task_id),
            Happening::Planned => self.planned(),
            Happening::Decide { task_id } => self.decide(task_id),
            Happening::Wake => self.apply(Input::Tick),
            Happening::Say { message } => self.say(message),
            Happening::Cancel { task_id } => self.do_without(&task_id).map(|_| ()),
            Happening::Slots { slots } => {
                // What was due before still starts on the slots there were.
                self.slots = self.slots.max(slots);
                self.apply(Input::SetSlots { slots })?;
                self.slots = slots;
                Ok(())
            }
            Happening::Pause => {
                self.paused = true;
                self.later(80, Happening::Resume);
                self.apply(Input::Pause)
            }
            Happening::Resume => {
                self.paused = false;
                self.apply(Input::Resume)
            }
            Happening::Crash => self.crash(),
            Happening::Stop => {
                self.stopped = true;
                self.counts.stops += 1;
                self.apply(Input::Stop {
                    status: FinalStatus::Canceled,
                    reason: "enough".to_owned(),
                })
            }
        }
    }

    fn live(&mut self, task_id: &str, start: u32) -> Option<&mut Attempt> {
        self.attempts.get_mut(task_id).filter(|attempt| attempt.start == start)
    }

    fn step(&mut self, task_id: &str, start: u32) -> Check {
        let answered = self.answered.clone();
        let Some(attempt) = self.live(task_id, start).filter(|attempt| attempt.running) else {
            return Ok(());
        };
        let step = attempt.script.steps.get(attempt.step).copied();
        let known = matches!(step, Some(Step::Ask(Some(question))) if answered.contains(&question));
        match step {
            None => self.end(task_id, start),
            Some(Step::Ask(_)) if !known => {
                attempt.running = false;
                self.counts.waits += 1;
                self.apply(Input::AttemptWaiting {
                    task_id: task_id.to_owned(),
                    start,
                })?;
                self.ask(task_id.to_owned(), start, step);
                Ok(())
            }
            Some(_) => {
                attempt.step += 1;
                self.soon(Happening::Step {
                    task_id: task_id.to_owned(),
                    start,
                });
                Ok(())
            }
        }
    }

    fn answer(&mut self, task_id: &str, start: u32) -> Check {
        let phase = self.conductor.task(task_id).map(|task| task.phase);
        let Some(attempt) = self.live(task_id, start) else {
            return Ok(());
        };
        if phase != Some(TaskPhase::Waiting) {
            return Ok(());
        }
        attempt.step += 1;
        self.apply(Input::AttemptReady {
            task_id: task_id.to_owned(),
            start,
        })
    }

    fn answer_for_the_run(&mut self, question: u32) -> Check {
        self.answered.insert(question);
        self.asked.remove(&question);
        let asks = |attempt: &Attempt| attempt.script.steps.get(attempt.step) == Some(&Step::Ask(Some(question)));
        let waiting = self
            .attempts
            .iter()
            .filter(|(_, attempt)| !attempt.running && asks(attempt));
        let mut waiting: Vec<(String, u32)> = waiting.map(|(id, attempt)| (id.clone(), attempt.start)).collect();
        if self.timing.random.percent(50) {
            waiting.reverse();
        }
        for (task_id, start) in waiting {
            self.answer(&task_id, start)?;
        }
        Ok(())
    }

    fn end(&mut self, task_id: &str, start: u32) -> Check {
        if self.world.is_unwanted(task_id) && self.do_without(task_id)? {
            return Ok(());
        }
        let Some(attempt) = self.attempts.remove(task_id) else {
            return Ok(());
        };
        let task_id = task_id.to_owned();
        match attempt.script.end {
            End::Completed(changed) => {
                let changed_paths = changed.keys().cloned().collect();
                self.done.insert(
                    task_id.clone(),
                    Done {
                        changed,
                        base: attempt.base,
                        files: attempt.files,
                    },
                );
                self.apply(Input::AttemptCompleted {
                    task_id,
                    start,
                    changed_paths,
                })
            }
            End::Failed(code) => {
                self.counts.failures += 1;
                self.apply(Input::AttemptFailed {
                    task_id,
                    start,
                    code,
                    message: "failed".to_owned(),
                })
            }
            End::NeedsHead => {
                self.counts.needs_head += 1;
                self.apply(Input::AttemptNeedsHead { task_id, start })
            }
        }
    }

    /// Commits a change set, unless the person has changed one of its paths since its base.
    fn commit(&mut self, task_id: String) -> Check {
        let ordinal = self.conductor.settled();
        if let Some((path, content)) = self.world.edits.get(&ordinal)
            && self.edited.insert(ordinal)
        {
            self.project.insert(path.clone(), *content);
        }
        let Some(done) = self.done.get(&task_id) else {
            return Err(format!("{task_id} retires, but is not done"));
        };
        let stands = |path: &&String| {
            let here = self.project.get(*path);
            self.world
                .edits
                .values()
                .any(|(edited, content)| edited == *path && here == Some(content))
                && done.files.get(*path) != here
        };
        let paths: BTreeSet<String> = done.changed.keys().filter(stands).cloned().collect();
        if paths.is_empty() {
            let in_the_way = rules::in_the_way(&self.conductor, &self.plan, &task_id, done.base, &done.changed)?;
            hold(in_the_way.is_empty(), || {
                format!("{task_id} retires, {in_the_way:?} changed the same")
            })?;
            self.project.extend(done.changed.clone());
            if self.timing.crashes && self.timing.random.percent(3) {
                // Committed, but not written down: the commit is done again.
                return self.crash();
            }
            let paths = done.changed.keys().cloned().collect();
            self.plan.writers.insert(ordinal, (task_id.clone(), paths));
            self.plan.retired.insert(task_id.clone(), ordinal);
            self.committing = false;
            self.counts.retired += 1;
            self.apply(Input::Retired { task_id })
        } else {
            self.counts.refusals += 1;
            self.committing = false;
            self.apply(Input::RetireRefused { task_id, paths })
        }
    }

    fn planned(&mut self) -> Check {
        let Some(cause) = self.replan.clone() else {
            return Ok(());
        };
        let record = self.conductor.record();
        let lost = record.tasks.iter().filter(|task| task.outcome != TaskOutcome::Retired);
        let lost = lost
            .map(|task| task.task_id.clone())
            .filter(|id| self.conductor.task(id).is_none())
            .collect();
        let text = serde_json::to_string(&record).map_err(|error| error.to_string())?;
        let outlook = Outlook {
            version: self.plan.version,
            plan: &self.plan.tasks,
            retired: &self.plan.retired.keys().cloned().collect(),
            lost: &lost,
            digest: Digest(digest(&self.project)).text(&text).0,
        };
        match self.world.replan(&cause, &outlook) {
            Answer::Plan(tasks) => self.accept(tasks),
            Answer::Keep => {
                self.replan = None;
                self.apply(Input::PlanKept)
            }
            Answer::Cancel(task_id) => self.apply(Input::CancelTask { task_id }),
            Answer::Stop => {
                while let Some(say) = self.next_group().into_iter().next() {
                    self.feed(say)?;
                }
                self.stopped = true;
                self.apply(Input::Stop {
                    status: FinalStatus::Failed,
                    reason: "no way".to_owned(),
                })
            }
        }
    }

    fn decide(&mut self, task_id: String) -> Check {
        let Some(task) = self.conductor.task(&task_id) else {
            return Ok(());
        };
        if task.phase != TaskPhase::Escalated {
            return Ok(());
        }
        let decision = self.world.decision(&task_id, task.attempts.len());
        self.apply(Input::ResolveEscalation { task_id, decision })
    }

    /// A message at its place, or at the one the conductor finds.
    fn say(&mut self, message: u32) -> Check {
        let sent = self.places.iter().any(|(sent, _)| *sent == message);
        let next = self
            .timing
            .placed
            .as_ref()
            .and_then(|placed| placed.get(self.places.len()))
            .copied();
        let at = match (&self.timing.placed, next) {
            (None, _) => None,
            (Some(_), Some((next, at))) if next == message => Some(at),
            // Its turn comes after the ones sent before it.
            (Some(_), Some(_)) if !sent => {
                self.soon(Happening::Say { message });
                return Ok(());
            }
            _ => return Ok(()),
        };
        if sent || self.stopped {
            return Ok(());
        }
        self.apply(Input::Message {
            message_id: message.to_string(),
            at,
        })
    }

    /// True when the person had not yet done without the task.
    fn do_without(&mut self, task_id: &str) -> Result<bool, String> {
        let open = self.conductor.task(task_id).is_some_and(|task| !task.canceled);
        if !open || self.stopped {
            return Ok(false);
        }
        self.apply(Input::CancelTask {
            task_id: task_id.to_owned(),
        })?;
        Ok(true)
    }
}
