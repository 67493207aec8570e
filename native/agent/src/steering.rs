//! What people say to a run that goes on. A message is noted, then seen by the next model step of everyone it is for; that step is
//! noted too, so that a replay shows it at the same place. One that interrupts also gives the step under way up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openwrap_contracts::ErrorCode;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::identity::{ActorKind, StepRef};
use openwrap_contracts::ports::{CancellationToken, Told};

use crate::state::{RunState, StepState};

/// What the worker of a question reads that a person interrupted.
pub const INTERRUPTED: &str = "a person interrupted; read what they say next";

/// A message to a run.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub message_id: String,
    /// A task, `planner`, `answer`; none: everyone under way and all who start later.
    pub to: Option<String>,
    pub text: String,
    pub interrupt: bool,
}

/// A message as the fold keeps it.
#[derive(Debug, Clone)]
pub struct Sent {
    pub told: Told,
    pub to: Option<String>,
    /// Set for what is said to one attempt alone.
    pub attempt: Option<u32>,
    pub interrupt: bool,
}

impl Sent {
    fn is_for(&self, place: &StepRef) -> bool {
        self.to.as_ref().is_none_or(|to| *to == place.task_id)
            && self.attempt.is_none_or(|attempt| attempt == place.attempt)
    }
}

impl RunState {
    /// Messages and what was interrupted by them.
    pub(crate) fn apply_steering(&mut self, event: &Event) {
        match &event.fact {
            Fact::MessageSent {
                message_id,
                text,
                interrupt,
                labels,
            } => {
                if self.sent.iter().any(|sent| sent.told.message_id == *message_id) {
                    return;
                }
                let told = Told {
                    message_id: message_id.clone(),
                    text: text.clone(),
                    labels: labels.clone(),
                    by_core: event.actor.kind != ActorKind::Person,
                };
                self.sent.push(Sent {
                    told,
                    to: event.task_id.clone(),
                    attempt: event.attempt,
                    interrupt: *interrupt,
                });
            }
            Fact::TaskStarted { .. } => {
                // What was handed back to a squashed attempt is nothing to the one that gets its number.
                let gone =
                    |sent: &Sent| sent.attempt.is_some() && sent.attempt == event.attempt && sent.to == event.task_id;
                self.sent.retain(|sent| !gone(sent));
            }
            Fact::MessageSeen { message_id } => {
                let step = event.step.unwrap_or(0);
                if let Some(attempt) = self.attempt_of(event) {
                    attempt.seen.push((step, message_id.clone()));
                }
            }
            Fact::ModelFinished { error: Some(error), .. } if error.code == ErrorCode::Canceled => {
                self.interrupted_at(event);
            }
            Fact::ToolFinished { interrupted: true, .. } => self.interrupted_at(event),
            Fact::ToolRefused { code, .. } if *code == ErrorCode::Canceled => self.interrupted_at(event),
            _ => {}
        }
    }

    pub(crate) fn attempt_of(&mut self, event: &Event) -> Option<&mut crate::state::AttemptState> {
        let key = (event.task_id.clone()?, event.attempt.unwrap_or(0));
        Some(self.attempts.entry(key).or_default())
    }

    fn interrupted_at(&mut self, event: &Event) {
        let step = event.step.unwrap_or(0);
        if let Some(attempt) = self.attempt_of(event) {
            attempt.interrupted.insert(step);
        }
    }

    /// Messages that were first seen at this step, in order.
    #[must_use]
    pub fn seen_at(&self, place: &StepRef) -> Vec<Told> {
        let attempt = self.attempts.get(&(place.task_id.clone(), place.attempt));
        let seen = attempt.into_iter().flat_map(|attempt| &attempt.seen);
        seen.filter(|(step, _)| *step == place.step)
            .filter_map(|(_, id)| self.sent.iter().find(|sent| sent.told.message_id == *id))
            .map(|sent| sent.told.clone())
            .collect()
    }

    fn unseen<'a>(&'a self, place: &'a StepRef) -> impl Iterator<Item = &'a Sent> {
        let attempt = self.attempts.get(&(place.task_id.clone(), place.attempt));
        let known = move |sent: &Sent| {
            attempt.is_some_and(|attempt| attempt.seen.iter().any(|(_, id)| *id == sent.told.message_id))
        };
        self.sent.iter().filter(move |sent| sent.is_for(place) && !known(sent))
    }

    /// Messages the attempt of this place has not seen yet, in the order sent.
    #[must_use]
    pub fn to_tell(&self, place: &StepRef) -> Vec<Told> {
        if self.sent.is_empty() {
            return Vec::new();
        }
        self.unseen(place).map(|sent| sent.told.clone()).collect()
    }

    /// Whether a person wants the attempt of this place to leave what it does.
    #[must_use]
    pub fn is_interrupted(&self, place: &StepRef) -> bool {
        !self.sent.is_empty() && self.unseen(place).any(|sent| sent.interrupt)
    }

    /// Whether this step was given up.
    #[must_use]
    pub fn was_interrupted(&self, place: &StepRef) -> bool {
        let attempt = self.attempts.get(&(place.task_id.clone(), place.attempt));
        attempt.is_some_and(|attempt| attempt.interrupted.contains(&place.step))
    }

    /// Whether this step is over: it has a result, or was given up.
    #[must_use]
    pub fn is_finished(&self, place: &StepRef) -> bool {
        let attempt = self.attempts.get(&(place.task_id.clone(), place.attempt));
        let step = attempt.and_then(|attempt| attempt.steps.get(&place.step));
        self.was_interrupted(place)
            || match step {
                Some(StepState::Model { result_hash, .. }) => result_hash.is_some(),
                Some(StepState::Tool(tool)) => tool.result.is_some(),
                None => false,
            }
    }
}

/// The steps under way, by task: what an interruption cancels.
#[derive(Debug, Default)]
pub struct Steps {
    live: Mutex<HashMap<String, Tokens>>,
}

#[derive(Debug, Clone)]
struct Tokens {
    step: CancellationToken,
    attempt: CancellationToken,
}

/// A step under way; it is none any more when this is dropped.
pub struct LiveStep<'a> {
    steps: &'a Steps,
    task_id: String,
    tokens: Tokens,
}

impl Steps {
    /// Begins a step of an attempt that `attempt` ends.
    pub fn begin(&self, task_id: &str, attempt: &CancellationToken) -> LiveStep<'_> {
        let tokens = Tokens {
            step: attempt.child_token(),
            attempt: attempt.clone(),
        };
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(task_id.to_owned(), tokens.clone());
        LiveStep {
            steps: self,
            task_id: task_id.to_owned(),
            tokens,
        }
    }

    /// Gives up the step under way of a task, or with none of every task.
    pub fn interrupt(&self, task_id: Option<&str>) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        for (task, tokens) in live.iter() {
            if task_id.is_none_or(|wanted| wanted == task) {
                tokens.step.cancel();
            }
        }
    }

    /// The attempt's own token, when the step under way of this task was given up and the attempt was not.
    #[must_use]
    pub fn given_up(&self, task_id: &str) -> Option<CancellationToken> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = live.get(task_id)?;
        (tokens.step.is_cancelled() && !tokens.attempt.is_cancelled()).then(|| tokens.attempt.clone())
    }
}

impl LiveStep<'_> {
    /// Cancelled with the attempt, or when a person interrupts.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.tokens.step.clone()
    }

    /// A person interrupted, and the attempt goes on.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.tokens.step.is_cancelled() && !self.tokens.attempt.is_cancelled()
    }
}

impl Drop for LiveStep<'_> {
    fn drop(&mut self) {
        let mut live = self.steps.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.remove(&self.task_id);
    }
}
