//! A host of the conductor in virtual time: carries its effects out, loses all but what is written down in a crash.

mod effects;
mod happenings;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

use super::Summary;
use super::random::Random;
use super::rules::{self, Check, hold};
use super::world::{Files, Script, Shared, World};
use crate::conductor::{
    Base, Conductor, ConductorConfig, ConductorRecord, ConductorTask, Effect, FinalStatus, Input, ReplanCause,
    TaskPhase,
};

/// Happenings of one run; more means that it does not end.
const HAPPENINGS_MAX: u64 = 50_000;
const SLOTS_MAX: u64 = 64;

/// When things happen, and how much of it at once.
#[derive(Debug)]
pub(super) struct Timing {
    random: Random,
    slots: u32,
    window: u32,
    /// Longest latency of a step.
    pace: u64,
    crashes: bool,
    pauses: bool,
    resizes: bool,
    pub stop_at: Option<i64>,
    /// Places of the messages, where they are known.
    placed: Option<Vec<(u32, u32)>>,
}

impl Timing {
    /// Timing 0 gives messages their places, the others take them over. 1: one by one. 2: all at once. The last one is stopped.
    pub fn new(number: u32, mut random: Random, reference: Option<&Outcome>) -> Self {
        let last = number + 1 == super::TIMINGS;
        let (slots, window) = match number {
            1 => (1, 1),
            2 => (SLOTS_MAX, 64),
            _ => {
                let most = if random.percent(30) { SLOTS_MAX } else { 4 };
                (1 + random.below(most), 1 + random.below(64))
            }
        };
        let narrow = |value: u64| u32::try_from(value).unwrap_or(1);
        let stop_at = last.then(|| i64::try_from(random.below(400)).unwrap_or(0));
        Self {
            slots: narrow(slots),
            window: narrow(window),
            pace: 1 + random.below(30),
            crashes: number >= 2 && random.percent(80),
            pauses: number != 1 && random.percent(30),
            resizes: number != 1 && random.percent(30),
            stop_at,
            placed: reference.map(|reference| reference.places.clone()),
            random,
        }
    }
}

/// What a run left.
#[derive(Debug)]
pub(super) struct Outcome {
    pub record: ConductorRecord,
    pub status: Option<FinalStatus>,
    /// Messages and their places, in the order they were sent.
    pub places: Vec<(u32, u32)>,
    pub project: Files,
    pub counts: Summary,
}

/// The plan as the host knows it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub version: u32,
    pub tasks: Vec<ConductorTask>,
    /// Newest form of every task there was.
    specs: BTreeMap<String, ConductorTask>,
    pub retired: BTreeMap<String, u32>,
    /// Id and changed paths of retired tasks by ordinal.
    pub writers: BTreeMap<u32, (String, Vec<String>)>,
    pub accepted_after: BTreeMap<u32, u32>,
    squashed: BTreeSet<String>,
}

impl Plan {
    pub fn spec(&self, task_id: &str) -> Option<&ConductorTask> {
        self.specs.get(task_id)
    }

    /// How many settled tasks a base holds.
    pub fn held(&self, base: Base) -> u32 {
        match base {
            Base::Retired { count } => count,
            Base::Plan { version } => self.accepted_after.get(&version).copied().unwrap_or(u32::MAX),
        }
    }
}

/// An attempt under way. `step` is written down, `running` is not.
#[derive(Debug)]
struct Attempt {
    start: u32,
    script: Script,
    step: usize,
    running: bool,
    worker: String,
    base: Base,
    files: Shared,
}

/// The change set of a completed attempt and the base it was made on.
#[derive(Debug)]
struct Done {
    changed: Files,
    base: Base,
    files: Shared,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Step { task_id: String, start: u32 },
    Answer { task_id: String, start: u32 },
    RunAnswer { question: u32 },
    Commit { task_id: String },
    Planned,
    Decide { task_id: String },
    Wake,
    // From outside: a crash does not lose them.
    Say { message: u32 },
    Cancel { task_id: String },
    Slots { slots: u32 },
    Pause,
    Resume,
    Crash,
    Stop,
}

impl Happening {
    const fn is_from_outside(&self) -> bool {
        matches!(
            self,
            Self::Say { .. }
                | Self::Cancel { .. }
                | Self::Slots { .. }
                | Self::Pause
                | Self::Resume
                | Self::Crash
                | Self::Stop
        )
    }
}

pub(super) struct Host<'a> {
    world: &'a World,
    timing: Timing,
    conductor: Conductor,
    /// Written down: the inputs with their times, the rest below.
    facts: Vec<(Input, i64)>,
    plan: Plan,
    project: Files,
    bases: BTreeMap<Base, Shared>,
    done: BTreeMap<String, Done>,
    attempts: BTreeMap<String, Attempt>,
    answered: BTreeSet<u32>,
    edited: BTreeSet<u32>,
    places: Vec<(u32, u32)>,
    /// Lost in a crash.
    queue: BinaryHeap<Reverse<(i64, u64, Happening)>>,
    asked: BTreeSet<u32>,
    replan: Option<ReplanCause>,
    committing: bool,
    now: i64,
    number: u64,
    slots: u32,
    paused: bool,
    stopped: bool,
    counts: Summary,
}

impl<'a> Host<'a> {
    pub fn new(world: &'a World, timing: Timing) -> Self {
        let conductor = Self::fresh(world, &timing);
        Self {
            world,
            slots: timing.slots,
            timing,
            conductor,
            facts: Vec::new(),
            plan: Plan::default(),
            project: world.files.clone(),
            bases: BTreeMap::new(),
            done: BTreeMap::new(),
            attempts: BTreeMap::new(),
            answered: BTreeSet::new(),
            edited: BTreeSet::new(),
            places: Vec::new(),
            queue: BinaryHeap::new(),
            asked: BTreeSet::new(),
            replan: None,
            committing: false,
            now: 0,
            number: 0,
            paused: false,
            stopped: false,
            counts: Summary {
                runs: 1,
                ..Summary::default()
            },
        }
    }

    fn fresh(world: &World, timing: &Timing) -> Conductor {
        Conductor::new(ConductorConfig {
            slots: timing.slots,
            window: timing.window,
            policy: world.policy,
        })
    }

    /// Carries the run to its end.
    pub fn run(mut self) -> Result<Outcome, String> {
        self.accept(self.world.plan.clone())?;
        rules::first_ordinals(&self.conductor, &self.world.plan)?;
        self.send_from_outside();
        while self.conductor.finished().is_none() {
            let Some(Reverse((at, _, happening))) = self.queue.pop() else {
                return Err(format!(
                    "nothing is left to happen, yet the run has not ended: {:?}",
                    self.conductor.snapshot()
                ));
            };
            hold(self.number < HAPPENINGS_MAX, || "the run does not end".to_owned())?;
            self.now = at;
            self.happen(happening)?;
        }
        let record = self.conductor.record();
        rules::order(&record)?;
        let squashed: Vec<String> = self.plan.squashed.iter().cloned().collect();
        hold(record.squashed == squashed, || {
            format!("squashed {squashed:?}, recorded {:?}", record.squashed)
        })?;
        Ok(Outcome {
            record,
            status: self.conductor.finished(),
            places: self.places,
            project: self.project,
            counts: self.counts,
        })
    }

    /// What comes at moments of its own.
    fn send_from_outside(&mut self) {
        for message in 0..self.world.messages {
            if self
                .timing
                .placed
                .as_ref()
                .is_none_or(|placed| placed.iter().any(|(sent, _)| *sent == message))
            {
                self.later(300, Happening::Say { message });
            }
        }
        for _ in 0..2 {
            if self.timing.pauses {
                self.later(200, Happening::Pause);
            }
            if self.timing.resizes {
                let slots = u32::try_from(1 + self.timing.random.below(SLOTS_MAX)).unwrap_or(1);
                self.later(200, Happening::Slots { slots });
            }
        }
        if self.timing.crashes {
            for _ in 0..=self.timing.random.below(4) {
                self.later(400, Happening::Crash);
            }
        }
        if let Some(at) = self.timing.stop_at {
            self.at(at, Happening::Stop);
        }
    }

    fn at(&mut self, at: i64, happening: Happening) {
        self.number += 1;
        self.queue.push(Reverse((at, self.number, happening)));
    }

    fn later(&mut self, within: u64, happening: Happening) {
        let wait = i64::try_from(self.timing.random.below(within + 1)).unwrap_or(0);
        self.at(self.now + wait, happening);
    }

    fn soon(&mut self, happening: Happening) {
        self.later(self.timing.pace, happening);
    }

    /// Gives an input to the conductor, carries out what follows and looks at what came of it.
    fn apply(&mut self, input: Input) -> Check {
        self.feed(Input::Tick)?;
        self.say_in_time(&input)?;
        let told = format!("{input:?}");
        let effects = self.feed(input).map_err(|message| format!("{message} (at {told})"))?;
        self.after(&effects)
            .map_err(|message| format!("{message} (after {told})"))
    }

    /// Notes an input, gives it to the conductor and carries out what follows.
    fn feed(&mut self, input: Input) -> Result<Vec<Effect>, String> {
        let effects = self
            .conductor
            .apply(input.clone(), self.now)
            .map_err(|fault| fault.to_string())?;
        // Not written down: what rebuilds the conductor has to do without.
        if input != Input::Tick {
            self.facts.push((input, self.now));
            self.counts.inputs += 1;
        }
        for effect in &effects {
            self.carry_out(effect)?;
        }
        Ok(effects)
    }

    /// A message whose place is known is sent before the run passes the place.
    fn say_in_time(&mut self, input: &Input) -> Check {
        if self.stopped || self.plan.version == 0 || matches!(input, Input::Message { .. } | Input::Stop { .. }) {
            return Ok(());
        }
        let group = self.next_group();
        if group.is_empty() {
            return Ok(());
        }
        let mut ahead = self.conductor.clone();
        let passes = ahead.apply(input.clone(), self.now).is_ok()
            && group.iter().any(|say| ahead.apply(say.clone(), self.now).is_err());
        if !passes {
            return Ok(());
        }
        for say in group {
            self.feed(say)?;
        }
        self.say_in_time(input)
    }

    /// The next messages whose place is known; all of one place are thought over together.
    fn next_group(&self) -> Vec<Input> {
        let left = self
            .timing
            .placed
            .as_ref()
            .and_then(|placed| placed.get(self.places.len()..))
            .unwrap_or_default();
        let place = left.first().map(|(_, at)| *at);
        let group = left.iter().take_while(|(_, at)| Some(*at) == place);
        group
            .map(|(message, at)| Input::Message {
                message_id: message.to_string(),
                at: Some(*at),
            })
            .collect()
    }

    fn accept(&mut self, tasks: Vec<ConductorTask>) -> Check {
        // What is due still starts under the plan before.
        self.feed(Input::Tick)?;
        let version = self.plan.version + 1;
        self.bases.insert(Base::Plan { version }, Rc::new(self.project.clone()));
        let failed = u32::from(matches!(self.replan, Some(ReplanCause::TaskFailed { .. })));
        self.plan
            .accepted_after
            .insert(version, self.conductor.settled() + failed);
        let before = std::mem::replace(&mut self.plan.tasks, tasks.clone());
        let kept: BTreeSet<&str> = tasks.iter().map(|task| task.task_id.as_str()).collect();
        let head = self.conductor.head().map(str::to_owned);
        for task in &before {
            let unsettled = self.conductor.task(&task.task_id).is_some();
            let failed = failed == 1 && head.as_deref() == Some(&task.task_id);
            if unsettled && !failed && !kept.contains(task.task_id.as_str()) {
                self.plan.squashed.insert(task.task_id.clone());
            }
        }
        self.plan
            .specs
            .extend(tasks.iter().map(|task| (task.task_id.clone(), task.clone())));
        self.plan.version = version;
        self.replan = None;
        self.apply(Input::PlanAccepted {
            version,
            tasks: tasks.clone(),
        })?;
        self.wishes(&tasks)
    }

    /// What the person wants of the tasks of a new plan: let go first those that cannot be head yet, do without others.
    fn wishes(&mut self, tasks: &[ConductorTask]) -> Check {
        for task in tasks {
            let id = &task.task_id;
            let waits = task.depends_on.iter().any(|id| !self.plan.retired.contains_key(id));
            if self.conductor.task(id).is_some() && self.world.is_let_go(id) && (waits || !task.irreversible) {
                self.apply(Input::LetGoFirst { task_id: id.clone() })?;
            }
            if self.world.is_unwanted(id) {
                self.later(100, Happening::Cancel { task_id: id.clone() });
            }
        }
        Ok(())
    }

    /// All but what is written down is lost; the rest is rebuilt from that.
    fn crash(&mut self) -> Check {
        self.counts.crashes += 1;
        self.apply(Input::Tick)?;
        let before = self.conductor.snapshot();
        let mut conductor = Self::fresh(self.world, &self.timing);
        for (input, at) in &self.facts {
            conductor
                .apply(input.clone(), *at)
                .map_err(|fault| format!("a recorded input is refused: {fault}"))?;
        }
        conductor
            .apply(Input::Tick, self.now)
            .map_err(|fault| fault.to_string())?;
        let after = conductor.snapshot();
        hold(before == after, || format!("rebuilt as {after:?}, was {before:?}"))?;
        self.conductor = conductor;
        self.queue
            .retain(|Reverse((_, _, happening))| happening.is_from_outside());
        self.asked.clear();
        self.replan = None;
        self.committing = false;
        for attempt in self.attempts.values_mut() {
            attempt.running = false;
        }
        for effect in self.conductor.outstanding() {
            match effect {
                Effect::Start { task_id, start, .. } => self.take_up(&task_id, start)?,
                effect => self.carry_out(&effect)?,
            }
        }
        Ok(())
    }

    fn take_up(&mut self, task_id: &str, start: u32) -> Check {
        let phase = self.conductor.task(task_id).map(|task| task.phase);
        let attempt = self.attempts.get_mut(task_id).filter(|attempt| attempt.start == start);
        let attempt = attempt.ok_or_else(|| format!("start {start} of {task_id} is outstanding, but not under way"))?;
        attempt.running = phase == Some(TaskPhase::Running);
        let asks = attempt.script.steps.get(attempt.step).copied();
        let task_id = task_id.to_owned();
        match phase {
            Some(TaskPhase::Running) => self.soon(Happening::Step { task_id, start }),
            Some(TaskPhase::Waiting) => self.ask(task_id, start, asks),
            _ => {}
        }
        Ok(())
    }
}
