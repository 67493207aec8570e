//! What people do to a run that is under way: say something, pause, resume, stop.

use openwrap_contracts::event::Fact;
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::limits::RUN_MESSAGES_MAX;
use openwrap_contracts::ports::Ledger;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_workforce::conductor::{FinalStatus, Input, TaskPhase};

use super::Run;
use crate::finish::Ending;
use crate::state::{ANSWER, PLANNER, RunState};
use crate::steering::NewMessage;

impl Run {
    /// Notes what a person says; those it is for see it before their next step.
    pub(super) async fn steer(&mut self, actor: Actor, message: NewMessage) -> Outcome<()> {
        {
            let state = self.engine.journal.state();
            if state.sent.iter().any(|sent| sent.told.message_id == message.message_id) {
                return Ok(());
            }
            if self.ending.is_some() || state.stopping.is_some() {
                return Err(Fault::new(ErrorCode::InvalidState, "the run is ending"));
            }
            if state.playbook.is_some() {
                let message = "a playbook carries out this run, which reads no messages";
                return Err(Fault::new(ErrorCode::InvalidState, message).with_hint("Pause or stop the run instead."));
            }
            if state.sent.len() >= RUN_MESSAGES_MAX {
                return Err(Fault::new(
                    ErrorCode::LimitExceeded,
                    format!("{RUN_MESSAGES_MAX} messages were sent to this run already"),
                ));
            }
            if let Some(to) = &message.to {
                self.can_hear(&state, to)?;
            }
        }
        let NewMessage {
            message_id,
            to,
            text,
            interrupt,
        } = message;
        let fact = Fact::MessageSent {
            message_id,
            text,
            interrupt,
            labels: Vec::new(),
        };
        let event = match &to {
            Some(task_id) => {
                let place = StepRef {
                    task_id: task_id.clone(),
                    attempt: 0,
                    step: 0,
                };
                self.engine.journal.event_at(actor, &place, fact)
            }
            None => self.engine.journal.event(actor, fact),
        };
        self.engine.journal.append(vec![event]).await?;
        if interrupt {
            self.engine.steps.interrupt(to.as_deref());
        }
        Ok(())
    }

    /// Whether somebody of that name has a model step left.
    fn can_hear(&self, state: &RunState, to: &str) -> Outcome<()> {
        let over = |what: String| Err(Fault::new(ErrorCode::InvalidState, what));
        if to == ANSWER {
            return Ok(());
        }
        if to == PLANNER {
            let planning = state.current_plan().is_none() || state.replan_reason.is_some();
            return if planning {
                Ok(())
            } else {
                over("the plan is made; say it to a task, or to all".to_owned())
            };
        }
        if state.retired.iter().any(|task| task.task_id == to) {
            return over(format!("task {to} has settled"));
        }
        let Some(task) = self.conductor.task(to) else {
            return Err(Fault::not_found(format!("the plan has no task `{to}`")));
        };
        match task.phase {
            TaskPhase::Completed | TaskPhase::Retiring | TaskPhase::Failed => over(format!("task {to} has ended")),
            _ => Ok(()),
        }
    }

    pub(super) async fn pause(&mut self, actor: Actor) -> Outcome<()> {
        if *self.pause.borrow() || self.ending.is_some() {
            return Ok(());
        }
        let at = self.engine.journal.note(actor, Fact::RunPaused {}).await?;
        self.pause.send_replace(true);
        self.pace(Input::Pause, at).await
    }

    /// While the answer is written the schedule is over: a pause holds that step alone.
    async fn pace(&mut self, input: Input, at: i64) -> Outcome<()> {
        if self.conductor.is_finished() {
            return Ok(());
        }
        self.feed(input, at).await
    }

    pub(super) async fn resume(&mut self, actor: Actor) -> Outcome<()> {
        if !*self.pause.borrow() || self.ending.is_some() {
            return Ok(());
        }
        let at = self.engine.journal.note(actor, Fact::RunResumed {}).await?;
        self.pause.send_replace(false);
        self.pace(Input::Resume, at).await
    }

    /// Everything under way ends; nothing starts any more.
    pub(super) async fn stop(&mut self, reason: &str) -> Outcome<()> {
        self.engine.cancel.cancel();
        self.ending = Some(Ending::canceled());
        self.deferred.clear();
        let at = self.engine.journal.now_ms();
        self.feed(
            Input::Stop {
                status: FinalStatus::Canceled,
                reason: reason.to_owned(),
            },
            at,
        )
        .await
    }
}
