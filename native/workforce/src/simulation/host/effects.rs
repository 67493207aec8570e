//! Carrying out what the conductor says, and checking it.

use std::rc::Rc;

use super::{Attempt, Check, Happening, Host, hold};
use crate::conductor::{Base, Effect, ReplanCause, TaskPhase};
use crate::simulation::rules::{self, Given};
use crate::simulation::world::Step;

impl Host<'_> {
    pub(super) fn carry_out(&mut self, effect: &Effect) -> Check {
        match effect {
            Effect::Start { .. } => return self.start(effect),
            Effect::Continue {
                task_id,
                start,
                worker_id,
                ..
            } => return self.go_on(task_id, *start, worker_id),
            Effect::Abort { task_id, start, .. } => {
                let attempt = self.attempts.remove(task_id);
                hold(attempt.is_some_and(|attempt| attempt.start == *start), || {
                    format!("start {start} of {task_id} is aborted, but not under way")
                })?;
                self.counts.aborts += 1;
            }
            Effect::Retire { task_id, ordinal } => return self.retire(task_id, *ordinal),
            Effect::Reopened {
                task_id,
                base,
                because_of,
                paths,
            } => {
                self.reopened(task_id, *base, because_of.as_deref(), !paths.is_empty())?;
            }
            Effect::Backoff { until_ms, .. } => {
                self.counts.backoffs += 1;
                self.at(*until_ms, Happening::Wake);
            }
            Effect::NeedReplan { cause } => {
                hold(self.replan.is_none(), || "two replans at once".to_owned())?;
                self.counts.replans += 1;
                self.replan = Some(cause.clone());
                self.soon(Happening::Planned);
            }
            Effect::MessagePlaced { message_id, at } => self.placed(message_id, *at)?,
            Effect::Squashed { task_id } => {
                hold(self.plan.squashed.contains(task_id), || {
                    format!("{task_id} is squashed, the plan has it")
                })?;
                self.counts.squashed += 1;
            }
            Effect::Canceled { task_id } => {
                let failed =
                    |cause: &ReplanCause| matches!(cause, ReplanCause::TaskFailed { task_id: id, .. } if id == task_id);
                if self.replan.as_ref().is_some_and(failed) {
                    self.replan = None;
                }
                self.counts.canceled += 1;
            }
            Effect::Escalated { task_id } => {
                self.counts.escalations += 1;
                self.later(
                    60,
                    Happening::Decide {
                        task_id: task_id.clone(),
                    },
                );
            }
            Effect::SettledFailed { ordinal, .. } => {
                hold(*ordinal < self.conductor.settled(), || {
                    format!("{ordinal} settled ahead of the line")
                })?;
            }
            Effect::Finished { .. } => {}
        }
        Ok(())
    }

    fn go_on(&mut self, task_id: &str, start: u32, worker: &str) -> Check {
        self.is_free(worker)?;
        let attempt = self
            .attempts
            .get_mut(task_id)
            .filter(|attempt| attempt.start == start && !attempt.running);
        let attempt = attempt.ok_or_else(|| format!("start {start} of {task_id} goes on, but did not wait"))?;
        attempt.running = true;
        worker.clone_into(&mut attempt.worker);
        self.soon(Happening::Step {
            task_id: task_id.to_owned(),
            start,
        });
        Ok(())
    }

    fn retire(&mut self, task_id: &str, ordinal: u32) -> Check {
        let settled = self.conductor.settled();
        hold(ordinal == settled, || {
            format!("{task_id} retires at {ordinal}, {settled} are settled")
        })?;
        hold(!self.committing, || format!("{task_id} retires during another commit"))?;
        self.committing = true;
        self.soon(Happening::Commit {
            task_id: task_id.to_owned(),
        });
        Ok(())
    }

    fn reopened(&mut self, task_id: &str, base: Base, because_of: Option<&str>, conflict: bool) -> Check {
        let settled = self.conductor.settled();
        if base == (Base::Retired { count: settled }) {
            self.bases.insert(base, Rc::new(self.project.clone()));
        }
        hold(self.plan.held(base) == settled, || {
            format!("{task_id} reopened on {base:?}, {settled} are settled")
        })?;
        let Some(other) = because_of.filter(|_| conflict) else {
            return Ok(());
        };
        let done = self
            .done
            .get(task_id)
            .ok_or_else(|| format!("{task_id} is reopened, but was not done"))?;
        let in_the_way = rules::in_the_way(&self.conductor, &self.plan, task_id, done.base, &done.changed)?;
        hold(in_the_way.contains(other), || {
            format!("{task_id} reopened because of {other}, in the way: {in_the_way:?}")
        })?;
        self.counts.conflicts += 1;
        Ok(())
    }

    /// A worker has one attempt at a time.
    fn is_free(&self, worker: &str) -> Check {
        let busy = self
            .attempts
            .values()
            .any(|attempt| attempt.running && attempt.worker == worker);
        hold(!busy, || format!("{worker} gets a second attempt"))
    }

    fn placed(&mut self, message_id: &str, at: u32) -> Check {
        let message = message_id
            .parse()
            .map_err(|_| format!("message {message_id} was never sent"))?;
        if let Some(placed) = &self.timing.placed {
            let known = placed.get(self.places.len());
            hold(known == Some(&(message, at)), || {
                format!("message {message} placed at {at}, not {known:?}")
            })?;
        }
        self.places.push((message, at));
        self.counts.messages += 1;
        Ok(())
    }

    fn start(&mut self, effect: &Effect) -> Check {
        let Effect::Start {
            task_id,
            attempt,
            start,
            worker_id,
            base,
            closure,
            head,
            let_go,
        } = effect
        else {
            return Ok(());
        };
        self.is_free(worker_id)?;
        self.counts.starts += 1;
        self.counts.heads += u64::from(*head);
        self.counts.let_go += u64::from(*let_go);
        hold(!self.attempts.contains_key(task_id), || {
            format!("{task_id} starts twice at once")
        })?;
        if *head {
            self.bases.insert(*base, Rc::new(self.project.clone()));
        }
        let base_files = self
            .bases
            .get(base)
            .cloned()
            .ok_or_else(|| format!("{task_id} starts on unknown {base:?}"))?;
        let mut view = (*base_files).clone();
        for id in closure {
            let done = self
                .done
                .get(id)
                .ok_or_else(|| format!("{task_id} starts on {id}, which is not done"))?;
            view.extend(done.changed.iter().map(|(path, content)| (path.clone(), *content)));
        }
        let given = Given {
            task_id,
            base: *base,
            closure,
            head: *head,
            window: self.timing.window,
        };
        rules::start(&self.conductor, &self.plan, &given)?;
        let spec = self
            .plan
            .spec(task_id)
            .ok_or_else(|| format!("{task_id} starts, but is not planned"))?;
        let script = self.world.script(spec, *attempt, &view, *head || *let_go);
        let attempt = Attempt {
            start: *start,
            script,
            step: 0,
            running: true,
            worker: worker_id.clone(),
            base: *base,
            files: base_files,
        };
        self.insert(task_id, attempt);
        Ok(())
    }

    fn insert(&mut self, task_id: &str, attempt: Attempt) {
        let start = attempt.start;
        self.attempts.insert(task_id.to_owned(), attempt);
        self.soon(Happening::Step {
            task_id: task_id.to_owned(),
            start,
        });
    }

    /// Sends the question of an attempt; one that the whole run shares is one question.
    pub(super) fn ask(&mut self, task_id: String, start: u32, step: Option<Step>) {
        match step {
            Some(Step::Ask(Some(question))) => {
                if self.answered.contains(&question) || self.asked.insert(question) {
                    self.later(120, Happening::RunAnswer { question });
                }
            }
            _ => self.later(120, Happening::Answer { task_id, start }),
        }
    }

    /// What holds after every input.
    pub(super) fn after(&mut self, effects: &[Effect]) -> Check {
        let running = self.attempts.values().filter(|attempt| attempt.running).count();
        let told = self.conductor.running();
        hold(u32::try_from(running) == Ok(told), || {
            format!("{running} attempts run, the conductor counts {told}")
        })?;
        self.counts.running_max = self.counts.running_max.max(running as u64);
        let mut given = effects.iter().filter_map(|effect| match effect {
            Effect::Start { task_id, .. } | Effect::Continue { task_id, .. } => Some(task_id),
            _ => None,
        });
        let slots = self.slots;
        hold(given.clone().next().is_none() || told <= slots, || {
            format!("{told} attempts run on {slots} slots")
        })?;
        let Some(head) = self.idle_head() else { return Ok(()) };
        hold(told >= slots, || format!("a slot is free and the head {head} has none"))?;
        match given.next() {
            Some(other) => Err(format!("{other} got a slot before the head {head}")),
            None => Ok(()),
        }
    }

    /// The head, when it could go on and has no slot.
    fn idle_head(&self) -> Option<String> {
        if self.paused || self.stopped || self.conductor.finished().is_some() {
            return None;
        }
        let head = self.conductor.task(self.conductor.head()?)?;
        let idle = matches!(head.phase, TaskPhase::Pending | TaskPhase::Ready);
        let held = self.replan.is_some() && head.head_only && head.phase == TaskPhase::Pending;
        (idle && !held && !head.canceled).then_some(head.task_id)
    }
}
