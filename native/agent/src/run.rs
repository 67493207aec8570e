//! The engine of one run: one task that owns the conductor, notes every input before it counts, and carries out its effects.

mod commands;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::event::{BaseNote, Fact};
use openwrap_contracts::identity::{Actor, StepRef};
use openwrap_contracts::ports::{CancellationToken, CommitOutcome};
use openwrap_contracts::run::RunStatus;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_workforce::conductor::{Base, Conductor, Effect, FinalStatus, Input, ReplanCause, TaskPhase};
use tokio::sync::{mpsc, oneshot, watch};

use crate::attempt::Attempt;
use crate::commit;
use crate::desk::Desk;
use crate::engine::Engine;
use crate::finish::{self, Ending};
use crate::message::{AttemptEnd, Message, Planned};
use crate::planner;
use crate::schedule;

/// A replay in which nothing has happened for so long has gone another way than the recorded run.
const REPLAY_STALL: Duration = Duration::from_secs(120);

/// A run that is under way.
pub struct Run {
    engine: Arc<Engine>,
    desk: Option<Arc<Desk>>,
    conductor: Conductor,
    inbox: mpsc::UnboundedReceiver<Message>,
    outbox: mpsc::UnboundedSender<Message>,
    pause: watch::Sender<bool>,
    running: HashMap<String, Running>,
    /// Starts that wait until an aborted attempt of the same task has wound down.
    deferred: HashMap<String, Effect>,
    going: HashMap<String, oneshot::Sender<()>>,
    /// Planner, commit or answer under way outside the attempts.
    background: u32,
    ending: Option<Ending>,
    stops: Vec<oneshot::Sender<Outcome<()>>>,
}

struct Running {
    start: u32,
    cancel: CancellationToken,
}

impl Run {
    /// Prepares the engine; the state of a run that was cut off is in its journal.
    #[must_use]
    pub fn new(
        engine: Arc<Engine>,
        desk: Option<Arc<Desk>>,
        channel: (mpsc::UnboundedSender<Message>, mpsc::UnboundedReceiver<Message>),
        pause: watch::Sender<bool>,
    ) -> Self {
        let conductor = Conductor::new(schedule::config(&engine));
        Self {
            engine,
            desk,
            conductor,
            inbox: channel.1,
            outbox: channel.0,
            pause,
            running: HashMap::new(),
            deferred: HashMap::new(),
            going: HashMap::new(),
            background: 0,
            ending: None,
            stops: Vec::new(),
        }
    }

    /// Carries the run to its end.
    pub async fn drive(mut self) -> RunStatus {
        if let Err(fault) = self.take_up().await {
            self.broken(&fault);
        }
        let cancel = self.engine.cancel.clone();
        let mut cut = false;
        loop {
            if self.running.is_empty() && self.background == 0 {
                if let Some(ending) = self.ending.take() {
                    return self.close(ending).await;
                }
                if cut && self.engine.journal.state().stopping.is_none() {
                    if let Some(stop) = self.waiting_stop() {
                        if let Err(fault) = self.handle(stop).await {
                            self.broken(&fault);
                        }
                        continue;
                    }
                    // The core is closing, or a replay went another way: nothing is noted.
                    return RunStatus::Failed;
                }
            }
            let message = tokio::select! {
                () = cancel.cancelled(), if !cut => {
                    cut = true;
                    continue;
                }
                () = tokio::time::sleep(REPLAY_STALL), if self.desk.is_none() => {
                    self.fail(&Fault::new(ErrorCode::ReplayDiverged, "the replay waits for a step the record does not have"));
                    continue;
                }
                message = self.inbox.recv() => message,
            };
            let Some(message) = message else {
                return RunStatus::Failed;
            };
            if let Err(fault) = self.handle(message).await {
                self.broken(&fault);
            }
        }
    }

    /// Who stops a run says so before it cuts the run off; what else waits comes too late.
    fn waiting_stop(&mut self) -> Option<Message> {
        std::iter::from_fn(|| self.inbox.try_recv().ok()).find(|message| matches!(message, Message::Stop { .. }))
    }

    async fn close(self, ending: Ending) -> RunStatus {
        if let Some(desk) = &self.desk {
            // A ledger that cannot take this cannot take the end either; that is told below.
            let _ = desk.withdraw_all().await;
        }
        let status = finish::close(&self.engine, &self.conductor, ending).await;
        for stop in self.stops {
            let _ = stop.send(Ok(()));
        }
        status
    }

    /// Starts, or goes on after a crash: the conductor is rebuilt from the noted inputs.
    async fn take_up(&mut self) -> Outcome<()> {
        let inputs = schedule::recorded_inputs(&self.engine)?;
        for (at, input) in inputs {
            if self.conductor.is_finished() && matches!(input, Input::Pause | Input::Resume) {
                continue;
            }
            self.conductor.apply(input, at)?;
        }
        let (paused, stopping, refused) = {
            let state = self.engine.journal.state();
            (state.paused, state.stopping.clone(), state.refused.clone())
        };
        self.pause.send_replace(paused);
        if let Some(message) = refused {
            self.ending = Some(Ending::refused(message));
            return Ok(());
        }
        if let Some(reason) = stopping {
            return self.stop(&reason).await;
        }
        let snapshot = self.conductor.snapshot();
        if snapshot.plan_version == 0 {
            self.spawn_planner();
            return Ok(());
        }
        for task in &snapshot.tasks {
            if matches!(task.phase, TaskPhase::Running | TaskPhase::Waiting | TaskPhase::Ready) {
                self.take_up_attempt(&task.task_id, task.attempt, task.start, task.worker_id.clone())
                    .await?;
            }
        }
        let outstanding = self.conductor.outstanding();
        self.carry_out(outstanding).await
    }

    /// An attempt that was under way: one that was never noted comes back as an outstanding start.
    async fn take_up_attempt(
        &mut self,
        task_id: &str,
        attempt: u32,
        start: u32,
        worker: Option<String>,
    ) -> Outcome<()> {
        let noted = {
            let state = self.engine.journal.state();
            let known = state.attempts.get(&(task_id.to_owned(), attempt));
            known.filter(|known| known.start == start).map(|known| known.head)
        };
        if let Some(head) = noted {
            let worker_id = worker.unwrap_or_else(|| task_id.to_owned());
            self.spawn_attempt(task_id, attempt, start, worker_id, head)?;
        }
        Ok(())
    }

    async fn handle(&mut self, message: Message) -> Outcome<()> {
        match message {
            Message::Waiting { step, approval_id } => self.waiting(step, approval_id).await,
            Message::Ready { step, go } => self.ready(step, go).await,
            Message::Planned { outcome } => self.planned(outcome).await,
            Message::Ended {
                task_id,
                attempt,
                start,
                end,
            } => self.ended(task_id, attempt, start, end).await,
            Message::Committed {
                task_id,
                ordinal,
                outcome,
            } => self.committed(task_id, ordinal, outcome).await,
            Message::Answered { outcome } => self.answered(outcome),
            Message::Tick => self.feed(Input::Tick, self.engine.journal.now_ms()).await,
            Message::Pause { actor, done } => {
                let outcome = self.pause(actor).await;
                let _ = done.send(outcome.clone());
                outcome
            }
            Message::Resume { actor, done } => {
                let outcome = self.resume(actor).await;
                let _ = done.send(outcome.clone());
                outcome
            }
            Message::Steer { actor, message, done } => {
                let outcome = self.steer(actor, message).await;
                let broken = outcome
                    .as_ref()
                    .err()
                    .filter(|fault| fault.code == ErrorCode::StorageFailed)
                    .cloned();
                let _ = done.send(outcome);
                broken.map_or(Ok(()), Err)
            }
            Message::Stop { actor, reason, done } => {
                self.stops.push(done);
                if self.engine.journal.state().stopping.is_none() {
                    self.engine.cancel.cancel();
                    self.engine
                        .journal
                        .note(actor, Fact::RunStopping { reason: reason.clone() })
                        .await?;
                    self.stop(&reason).await?;
                }
                Ok(())
            }
        }
    }

    async fn feed(&mut self, input: Input, at: i64) -> Outcome<()> {
        let effects = self.conductor.apply(input, at)?;
        self.carry_out(effects).await
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Outcome<()> {
        for effect in effects {
            self.effect(effect).await?;
        }
        Ok(())
    }

    async fn effect(&mut self, effect: Effect) -> Outcome<()> {
        match effect {
            Effect::Start { .. } => self.start(effect).await,
            Effect::Continue { task_id, .. } => {
                if let Some(go) = self.going.remove(&task_id) {
                    let _ = go.send(());
                }
                Ok(())
            }
            Effect::Abort { task_id, .. } => {
                self.deferred.remove(&task_id);
                self.going.remove(&task_id);
                if let Some(running) = self.running.get(&task_id) {
                    running.cancel.cancel();
                }
                Ok(())
            }
            Effect::Retire { task_id, ordinal } => {
                self.background += 1;
                commit::spawn(Arc::clone(&self.engine), self.outbox.clone(), task_id, ordinal);
                Ok(())
            }
            Effect::Reopened {
                task_id,
                because_of,
                paths,
                ..
            } => {
                let fact = Fact::TaskReopened {
                    because_of,
                    paths: paths.into_iter().collect(),
                };
                self.note_task(&task_id, fact).await
            }
            Effect::Backoff { until_ms, .. } => {
                self.wake_at(until_ms);
                Ok(())
            }
            Effect::NeedReplan { cause } => self.need_replan(cause).await,
            Effect::Squashed { task_id } => self.note_task(&task_id, Fact::TaskSquashed {}).await,
            Effect::Finished { status } => {
                self.finished(status);
                Ok(())
            }
            // A person's own decisions: noted where they were taken.
            Effect::MessagePlaced { .. }
            | Effect::Canceled { .. }
            | Effect::SettledFailed { .. }
            | Effect::Escalated { .. } => Ok(()),
        }
    }

    async fn note_task(&self, task_id: &str, fact: Fact) -> Outcome<()> {
        let place = StepRef {
            task_id: task_id.to_owned(),
            attempt: 0,
            step: 0,
        };
        self.engine
            .journal
            .note_at(Actor::core("workforce"), &place, fact)
            .await
            .map(|_| ())
    }

    async fn start(&mut self, effect: Effect) -> Outcome<()> {
        let Effect::Start {
            task_id,
            attempt,
            start,
            worker_id,
            base,
            closure,
            head,
            let_go,
        } = effect.clone()
        else {
            return Ok(());
        };
        if let Some(running) = self.running.get(&task_id) {
            if running.start != start {
                self.deferred.insert(task_id, effect);
            }
            return Ok(());
        }
        let role = {
            let state = self.engine.journal.state();
            state.task(&task_id).map(|task| task.role.clone()).unwrap_or_default()
        };
        let base = match base {
            Base::Plan { version } => BaseNote::Plan { version },
            Base::Retired { count } => BaseNote::Retired { count },
        };
        let head = head || let_go;
        let fact = Fact::TaskStarted {
            start,
            worker_id: worker_id.clone(),
            role,
            base,
            closure,
            head,
        };
        let place = StepRef {
            task_id: task_id.clone(),
            attempt,
            step: 0,
        };
        self.engine
            .journal
            .note_at(Actor::core("workforce"), &place, fact)
            .await?;
        self.spawn_attempt(&task_id, attempt, start, worker_id, head)
    }

    fn spawn_attempt(&mut self, task_id: &str, attempt: u32, start: u32, worker_id: String, head: bool) -> Outcome<()> {
        let task = self.engine.journal.state().task(task_id).cloned();
        let task = task.ok_or_else(|| Fault::internal(format!("the plan in force has no task {task_id}")))?;
        let cancel = self.engine.cancel.child_token();
        self.running.insert(
            task_id.to_owned(),
            Running {
                start,
                cancel: cancel.clone(),
            },
        );
        let engine = Arc::clone(&self.engine);
        let outbox = self.outbox.clone();
        let task_id = task_id.to_owned();
        tokio::spawn(async move {
            let end = Attempt {
                engine,
                task,
                attempt,
                worker_id,
                head,
                cancel,
            }
            .run()
            .await;
            let _ = outbox.send(Message::Ended {
                task_id,
                attempt,
                start,
                end,
            });
        });
        Ok(())
    }

    async fn waiting(&mut self, step: StepRef, approval_id: String) -> Outcome<()> {
        let Some(start) = self.live_start(&step.task_id) else {
            return Ok(());
        };
        let phase = self.conductor.task(&step.task_id).map(|task| task.phase);
        if phase != Some(TaskPhase::Running) {
            // After a crash the attempt reaches the question again that the conductor already knows it waits for.
            return Ok(());
        }
        let place = StepRef { step: 0, ..step };
        let fact = Fact::TaskWaiting { start, approval_id };
        let at = self
            .engine
            .journal
            .note_at(Actor::core("workforce"), &place, fact)
            .await?;
        self.feed(
            Input::AttemptWaiting {
                task_id: place.task_id,
                start,
            },
            at,
        )
        .await
    }

    async fn ready(&mut self, step: StepRef, go: oneshot::Sender<()>) -> Outcome<()> {
        let Some(start) = self.live_start(&step.task_id) else {
            return Ok(());
        };
        match self.conductor.task(&step.task_id).map(|task| task.phase) {
            Some(TaskPhase::Running) => {
                let _ = go.send(());
                Ok(())
            }
            Some(TaskPhase::Ready) => {
                self.going.insert(step.task_id, go);
                Ok(())
            }
            _ => {
                let place = StepRef { step: 0, ..step };
                self.going.insert(place.task_id.clone(), go);
                let fact = Fact::TaskReady { start };
                let at = self
                    .engine
                    .journal
                    .note_at(Actor::core("workforce"), &place, fact)
                    .await?;
                self.feed(
                    Input::AttemptReady {
                        task_id: place.task_id,
                        start,
                    },
                    at,
                )
                .await
            }
        }
    }

    /// Start number of a task's attempt under way, unless it is being aborted.
    fn live_start(&self, task_id: &str) -> Option<u32> {
        self.running
            .get(task_id)
            .filter(|running| !running.cancel.is_cancelled())
            .map(|running| running.start)
    }

    /// The core is closing: what was cut off is no failure, the run goes on at the next start.
    fn cut_off(&self, fault: &Fault) -> bool {
        fault.code == ErrorCode::Canceled && self.engine.journal.state().stopping.is_none()
    }

    async fn planned(&mut self, outcome: Outcome<Planned>) -> Outcome<()> {
        self.background -= 1;
        if self.ending.is_some() {
            return Ok(());
        }
        match outcome {
            Ok(Planned::Accepted { version }) => {
                let tasks = schedule::conductor_tasks(&self.engine, version)?;
                let at = self.engine.journal.now_ms();
                self.feed(Input::PlanAccepted { version, tasks }, at).await
            }
            Ok(Planned::Refused { message }) => {
                self.ending = Some(Ending::refused(message));
                Ok(())
            }
            Err(fault) if self.cut_off(&fault) => Ok(()),
            Err(fault) => {
                self.fail(&fault);
                Ok(())
            }
        }
    }

    async fn ended(&mut self, task_id: String, attempt: u32, start: u32, end: AttemptEnd) -> Outcome<()> {
        let aborted = self
            .running
            .remove(&task_id)
            .is_none_or(|running| running.cancel.is_cancelled());
        if !aborted {
            self.note_end(&task_id, attempt, start, end).await?;
        }
        if let Some(effect) = self.deferred.remove(&task_id) {
            self.effect(effect).await?;
        }
        Ok(())
    }

    async fn note_end(&mut self, task_id: &str, attempt: u32, start: u32, end: AttemptEnd) -> Outcome<()> {
        let place = StepRef {
            task_id: task_id.to_owned(),
            attempt,
            step: 0,
        };
        let task_id = task_id.to_owned();
        let (fact, input) = match end {
            AttemptEnd::Aborted => return Ok(()),
            AttemptEnd::Broken { fault } => return Err(fault),
            AttemptEnd::Completed {
                result_hash,
                change_set_hash,
                paths,
                preview,
                labels,
            } => {
                let changed_paths = paths.iter().cloned().collect();
                (
                    Fact::TaskCompleted {
                        start,
                        result_hash,
                        change_set_hash,
                        paths,
                        preview,
                        labels,
                    },
                    Input::AttemptCompleted {
                        task_id,
                        start,
                        changed_paths,
                    },
                )
            }
            AttemptEnd::Failed { code, message } => (
                Fact::TaskFailed {
                    start,
                    code,
                    message: message.clone(),
                },
                Input::AttemptFailed {
                    task_id,
                    start,
                    code,
                    message,
                },
            ),
            AttemptEnd::NeedsHead => (
                Fact::TaskNeedsHead { start },
                Input::AttemptNeedsHead { task_id, start },
            ),
        };
        let at = self
            .engine
            .journal
            .note_at(Actor::core("workforce"), &place, fact)
            .await?;
        self.feed(input, at).await
    }

    async fn committed(&mut self, task_id: String, ordinal: u32, outcome: Outcome<CommitOutcome>) -> Outcome<()> {
        self.background -= 1;
        let outcome = match outcome {
            Err(fault) if self.cut_off(&fault) => return Ok(()),
            outcome => outcome?,
        };
        let CommitOutcome::Committed { tree_hash } = outcome else {
            return Err(Fault::internal(format!(
                "the commit of task {task_id} was left undecided"
            )));
        };
        if self.ending.is_some() && self.engine.journal.state().stopping.is_none() {
            return Ok(());
        }
        let files = commit::delivered_files(&self.engine, &task_id).await?;
        let place = StepRef {
            task_id: task_id.clone(),
            attempt: 0,
            step: 0,
        };
        let fact = Fact::TaskRetired {
            ordinal,
            tree_hash,
            files,
        };
        let at = self
            .engine
            .journal
            .note_at(Actor::core("workforce"), &place, fact)
            .await?;
        if self.ending.is_some() {
            return Ok(());
        }
        self.feed(Input::Retired { task_id }, at).await
    }

    fn answered(&mut self, outcome: Outcome<String>) -> Outcome<()> {
        self.background -= 1;
        if self.ending.is_none() {
            match outcome {
                Ok(answer) => self.ending = Some(Ending::completed(answer)),
                Err(fault) if self.cut_off(&fault) => {}
                Err(fault) => self.fail(&fault),
            }
        }
        Ok(())
    }

    async fn need_replan(&mut self, cause: ReplanCause) -> Outcome<()> {
        let asked = self.engine.journal.state().replan_reason.is_some();
        if !asked {
            match cause {
                ReplanCause::TaskFailed { task_id, code, message } => {
                    let reason = format!("Task {task_id} failed: {}: {message}", code.as_str());
                    self.note_task(&task_id, Fact::ReplanRequested { reason }).await?;
                }
                ReplanCause::Messages { .. } => {
                    let reason = "The person sent a message.".to_owned();
                    let fact = Fact::ReplanRequested { reason };
                    self.engine.journal.note(Actor::core("workforce"), fact).await?;
                }
            }
        }
        self.spawn_planner();
        Ok(())
    }

    fn spawn_planner(&mut self) {
        self.background += 1;
        let engine = Arc::clone(&self.engine);
        let outbox = self.outbox.clone();
        let settled = self.conductor.settled();
        tokio::spawn(async move {
            let outcome = planner::plan(engine, settled).await;
            let _ = outbox.send(Message::Planned { outcome });
        });
    }

    fn finished(&mut self, status: FinalStatus) {
        match status {
            FinalStatus::Completed => {
                self.background += 1;
                let engine = Arc::clone(&self.engine);
                let outbox = self.outbox.clone();
                tokio::spawn(async move {
                    let outcome = finish::answer(engine).await;
                    let _ = outbox.send(Message::Answered { outcome });
                });
            }
            FinalStatus::Failed | FinalStatus::Canceled => {
                if self.ending.is_none() {
                    self.ending = Some(Ending::canceled());
                }
            }
        }
    }

    fn wake_at(&self, until_ms: i64) {
        let wait = u64::try_from(until_ms.saturating_sub(self.engine.journal.now_ms())).unwrap_or(0);
        let outbox = self.outbox.clone();
        let cancel = self.engine.cancel.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(std::time::Duration::from_millis(wait)) => {
                    let _ = outbox.send(Message::Tick);
                }
            }
        });
    }

    fn fail(&mut self, fault: &Fault) {
        self.engine.cancel.cancel();
        if self.ending.is_none() {
            self.ending = Some(Ending::failed(fault));
        }
    }

    /// The core itself failed: the run ends here, and says so.
    fn broken(&mut self, fault: &Fault) {
        self.deferred.clear();
        self.fail(fault);
    }
}
