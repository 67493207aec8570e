//! The order of one run: issue in order, run at once, retire in order. Pure: `(state, input, now) → (state, effects)`.
//!
//! What is recorded must not depend on timing, so of all that happened only this stays: attempts in a task's present *lineage*
//! (since it was introduced, or since a dependency was done again), each a function of base and closure. A task loses its lineage
//! when a dependency is reopened; a conflict is found at retirement, from ordinals and change sets alone.

mod attempts;
mod dispatch;
mod line;
mod paths;
mod replan;
mod surface;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use openwrap_contracts::{ErrorCode, Fault, Outcome, limits};

use crate::scheduler::Scheduler;
use paths::Writers;
pub use surface::*;

/// Messages of one run that may wait for their place.
pub const MESSAGES_MAX: usize = 256;

/// An attempt under way.
#[derive(Debug, Clone)]
struct Current {
    attempt: u32,
    start: u32,
    worker: u32,
    base: Base,
    closure: Vec<String>,
    head: bool,
    let_go: bool,
}

/// A task of the accepted plan.
#[derive(Debug, Clone)]
struct Task {
    spec: ConductorTask,
    version: u32,
    ordinal: u32,
    /// Ordinals of everything it depends on, directly or through others.
    ancestors: BTreeSet<u32>,
    base: Base,
    phase: TaskPhase,
    /// Out by a person's decision, or because it depends on such a task.
    canceled: bool,
    /// Ended attempts of the present lineage.
    attempts: Vec<AttemptRecord>,
    /// Failures on the present base.
    failures: u32,
    needs_head: bool,
    current: Option<Current>,
    changed: BTreeSet<String>,
    failure: Option<(ErrorCode, String)>,
    until: Option<i64>,
}

/// A task whose ordinal is settled.
#[derive(Debug, Clone)]
struct Settled {
    spec: ConductorTask,
    ancestors: BTreeSet<u32>,
    record: TaskRecord,
}

/// A replan that was asked for and is not answered.
#[derive(Debug, Clone)]
struct Replan {
    cause: ReplanCause,
}

/// The state machine of one run.
#[derive(Debug, Clone)]
pub struct Conductor {
    config: ConductorConfig,
    now: i64,
    versions: Vec<PlanVersionPlace>,
    settled: Vec<Settled>,
    /// Retired ids and their ordinals.
    retired: BTreeMap<String, u32>,
    /// Tasks of the accepted plan by place; those before the line are settled.
    tasks: Vec<Task>,
    scheduler: Scheduler,
    /// Places by ordinal, from `first_ordinal` on.
    order: Vec<u32>,
    first_ordinal: u32,
    writers: Writers,
    backoffs: BTreeSet<(i64, u32, u32)>,
    running: u32,
    paused: bool,
    stopping: Option<FinalStatus>,
    finished: Option<FinalStatus>,
    replan: Option<Replan>,
    /// Messages by the place they take.
    messages: BTreeMap<u32, Vec<String>>,
    /// Newest place at which the plan was to be thought over.
    last_place: Option<u32>,
    squashed: BTreeSet<String>,
    canceled_ids: BTreeSet<String>,
    let_go_ids: BTreeSet<String>,
    /// Starts of each id.
    starts: BTreeMap<String, u32>,
    /// Attempt numbers that settled forms of an id have used.
    numbers: BTreeMap<String, u32>,
}

fn state_fault(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::InvalidState, message)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Conductor {
    /// A conductor without a plan. Slots and window are brought into 1 … 64.
    #[must_use]
    pub fn new(mut config: ConductorConfig) -> Self {
        config.window = config.window.clamp(1, count(limits::WINDOW_TASKS));
        let mut conductor = Self {
            config,
            now: i64::MIN,
            versions: Vec::new(),
            settled: Vec::new(),
            retired: BTreeMap::new(),
            tasks: Vec::new(),
            scheduler: Scheduler::default(),
            order: Vec::new(),
            first_ordinal: 0,
            writers: Writers::default(),
            backoffs: BTreeSet::new(),
            running: 0,
            paused: false,
            stopping: None,
            finished: None,
            replan: None,
            messages: BTreeMap::new(),
            last_place: None,
            squashed: BTreeSet::new(),
            canceled_ids: BTreeSet::new(),
            let_go_ids: BTreeSet::new(),
            starts: BTreeMap::new(),
            numbers: BTreeMap::new(),
        };
        conductor.set_slots(config.slots);
        conductor
    }

    /// Takes one input in. A time before the one before counts as that one. A refused input changes nothing; an input about an
    /// attempt that is no longer under way is ignored, and so are `Tick` and `Stop` after the end.
    ///
    /// # Errors
    /// `INVALID_PLAN`, `INVALID_STATE`, `NOT_FOUND`, `LIMIT_EXCEEDED`.
    pub fn apply(&mut self, input: Input, now_ms: i64) -> Outcome<Vec<Effect>> {
        let plan = self.check(&input)?;
        let mut effects = Vec::new();
        self.now = self.now.max(now_ms);
        if self.finished.is_none() {
            self.wake(&mut effects);
            self.take(input, plan, &mut effects);
            self.advance(&mut effects);
        }
        Ok(effects)
    }

    fn check(&self, input: &Input) -> Outcome<Option<replan::Checked>> {
        let ended = self.finished.is_some() || self.stopping.is_some();
        match input {
            Input::Tick => {}
            Input::AttemptWaiting { task_id, start } => {
                self.check_phase(task_id, *start, &[TaskPhase::Running])?;
            }
            Input::AttemptReady { task_id, start } => self.check_phase(task_id, *start, &[TaskPhase::Waiting])?,
            Input::AttemptCompleted { task_id, start, .. } => {
                self.check_phase(task_id, *start, &[TaskPhase::Running])?;
            }
            Input::AttemptFailed { .. } | Input::Stop { .. } => {}
            Input::AttemptNeedsHead { task_id, start } => self.check_needs_head(task_id, *start)?,
            Input::Retired { task_id } | Input::RetireRefused { task_id, .. } => {
                if self.retiring() != Some(task_id) {
                    return Err(state_fault(format!("task {task_id} is not being retired")));
                }
            }
            _ if ended => return Err(state_fault("the run has ended")),
            Input::PlanAccepted { version, tasks } => return self.check_plan(*version, tasks).map(Some),
            Input::PlanKept => {
                if !matches!(
                    &self.replan,
                    Some(Replan {
                        cause: ReplanCause::Messages { .. }
                    })
                ) {
                    return Err(state_fault("no message waits for the plan to be thought over"));
                }
            }
            Input::LetGoFirst { task_id } => {
                self.unsettled(task_id)?;
            }
            Input::CancelTask { task_id } => self.check_cancel(task_id)?,
            Input::ResolveEscalation { task_id, .. } => {
                if self.unsettled(task_id)?.phase != TaskPhase::Escalated {
                    return Err(state_fault(format!("task {task_id} is not escalated")));
                }
            }
            Input::Message { at, .. } => self.check_message(*at)?,
            Input::SetSlots { .. } | Input::Pause | Input::Resume => {}
        }
        Ok(None)
    }

    fn take(&mut self, input: Input, plan: Option<replan::Checked>, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::PlanAccepted { version, .. } => {
                if let Some(plan) = plan {
                    self.accept(version, plan, effects);
                }
            }
            Input::PlanKept => self.replan = None,
            Input::AttemptWaiting { task_id, start } => self.wait(&task_id, start),
            Input::AttemptReady { task_id, start } => self.make_ready(&task_id, start),
            Input::AttemptCompleted {
                task_id,
                start,
                changed_paths,
            } => {
                self.completed(&task_id, start, changed_paths);
            }
            Input::AttemptFailed {
                task_id,
                start,
                code,
                message,
            } => {
                self.failed(&task_id, start, (code, message), effects);
            }
            Input::AttemptNeedsHead { task_id, start } => self.needs_head(&task_id, start),
            Input::Retired { .. } => self.committed(effects),
            Input::RetireRefused { paths, .. } => self.refused(paths, effects),
            Input::LetGoFirst { task_id } => {
                self.let_go_ids.insert(task_id);
            }
            Input::CancelTask { task_id } => self.cancel(task_id, effects),
            Input::ResolveEscalation { task_id, decision } => self.resolve(task_id, decision, effects),
            Input::Message { message_id, at } => {
                let at = at.unwrap_or_else(|| self.next_place());
                self.messages.entry(at).or_default().push(message_id.clone());
                effects.push(Effect::MessagePlaced { message_id, at });
            }
            Input::SetSlots { slots } => self.set_slots(slots),
            Input::Pause => self.paused = true,
            Input::Resume => self.paused = false,
            Input::Stop { status, .. } => self.stop(status, effects),
        }
    }

    /// Brings everything up to what the state allows: the line, then the slots.
    fn advance(&mut self, effects: &mut Vec<Effect>) {
        self.move_line(effects);
        self.dispatch(effects);
    }

    fn stop(&mut self, status: FinalStatus, effects: &mut Vec<Effect>) {
        if self.stopping.is_some() {
            return;
        }
        for place in 0..count(self.tasks.len()) {
            self.abort(place, AbortCause::Stopped, effects);
        }
        self.backoffs.clear();
        self.replan = None;
        self.stopping = Some(status);
    }

    fn check_message(&self, at: Option<u32>) -> Outcome<()> {
        if self.versions.is_empty() {
            return Err(state_fault("there is no plan yet").with_hint("Put the message into the goal."));
        }
        if self.messages.values().map(Vec::len).sum::<usize>() >= MESSAGES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("{MESSAGES_MAX} messages wait already"),
            ));
        }
        match at {
            Some(at) if at < self.next_place() => Err(state_fault(format!(
                "place {at} is past, the next is {}",
                self.next_place()
            ))),
            _ => Ok(()),
        }
    }

    /// The earliest place a message can still take: one that any other timing could give it too. So not one that was thought over
    /// already or waits to be, and not before a head that stands on what has settled so far: it runs or is done again there.
    fn next_place(&self) -> u32 {
        let settled = self.settled();
        let head = self.head_place().and_then(|place| self.tasks.get(place as usize));
        let begun =
            head.is_some_and(|task| task.phase == TaskPhase::Retiring || task.base == Base::Retired { count: settled });
        let taken = begun || self.replan.is_some() || self.messages.contains_key(&settled);
        let here = settled + u32::from(taken);
        self.last_place.map_or(here, |last| here.max(last + 1))
    }

    fn set_slots(&mut self, slots: u32) {
        let slots = slots.clamp(1, count(limits::SLOTS_MAX));
        self.config.slots = slots;
        let known = count(self.scheduler.workers().count());
        for worker in 1..=slots.max(known) {
            self.scheduler
                .put_worker(&format!("worker-{worker:02}"), Vec::new(), 1, worker > slots);
        }
    }

    fn place_of(&self, task_id: &str) -> Option<u32> {
        self.scheduler.graph().places.get(task_id).copied()
    }

    fn unsettled(&self, task_id: &str) -> Outcome<&Task> {
        let task = self.place_of(task_id).and_then(|place| self.tasks.get(place as usize));
        task.filter(|task| task.ordinal >= self.settled())
            .ok_or_else(|| Fault::not_found(format!("no unsettled task {task_id} in the plan")))
    }

    /// Place of the task that holds the line.
    fn head_place(&self) -> Option<u32> {
        self.order.get((self.settled() - self.first_ordinal) as usize).copied()
    }

    fn retiring(&self) -> Option<&String> {
        let task = self.tasks.get(self.head_place()? as usize)?;
        (task.phase == TaskPhase::Retiring).then_some(&task.spec.task_id)
    }

    /// How many settled tasks a base holds.
    fn base_count(&self, base: Base) -> u32 {
        match base {
            Base::Retired { count } => count,
            Base::Plan { version } => {
                let place = self.versions.iter().find(|place| place.version == version);
                place.map_or(0, |place| place.accepted_after)
            }
        }
    }
}
