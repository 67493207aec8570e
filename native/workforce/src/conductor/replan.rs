//! Accepting a plan: what survives keeps base, place and work; the rest is new or squashed.

use std::collections::{BTreeMap, BTreeSet};

use openwrap_contracts::{ErrorCode, Fault, Outcome, limits};

use super::{
    AbortCause, Base, Conductor, ConductorTask, Effect, PlanVersionPlace, ReplanCause, Task, TaskPhase, count,
    state_fault,
};
use crate::graph::Graph;

/// A plan that may be accepted: the unsettled tasks, in the order of their places.
pub(super) struct Checked {
    tasks: Vec<ConductorTask>,
    /// Places in the plan before of the tasks that survive, by id.
    survivors: BTreeMap<String, u32>,
    graph: Graph,
}

impl Conductor {
    pub(super) fn check_plan(&self, version: u32, tasks: &[ConductorTask]) -> Outcome<Checked> {
        let next = count(self.versions.len()) + 1;
        if version != next {
            return Err(state_fault(format!("plan version {version} given, {next} is next")));
        }
        if version > 1 && self.replan.is_none() {
            return Err(state_fault("the plan is not being thought over"));
        }
        if tasks.len() > limits::PLAN_TASKS_MAX {
            let message = format!("{} tasks, the limit is {}", tasks.len(), limits::PLAN_TASKS_MAX);
            return Err(Fault::new(ErrorCode::LimitExceeded, message));
        }
        let mut unsettled = Vec::with_capacity(tasks.len());
        let mut listed = BTreeSet::new();
        for task in tasks {
            match self
                .retired
                .get(&task.task_id)
                .and_then(|ordinal| self.settled.get(*ordinal as usize))
            {
                None => unsettled.push(task.clone()),
                Some(settled) if settled.spec == *task && listed.insert(&task.task_id) => {}
                Some(_) => {
                    let message = format!("task {} has retired and cannot be changed", task.task_id);
                    return Err(Fault::new(ErrorCode::InvalidPlan, message).with_hint("Use another id."));
                }
            }
        }
        let survivors = self.survivors(&unsettled, &self.build(&unsettled)?);
        let unsettled = self.in_place(unsettled, &survivors);
        let graph = self.build(&unsettled)?;
        Ok(Checked {
            tasks: unsettled,
            survivors,
            graph,
        })
    }

    /// The graph of the unsettled tasks; edges to retired ones are none.
    fn build(&self, tasks: &[ConductorTask]) -> Outcome<Graph> {
        let open = |id: &&String| !self.retired.contains_key(*id);
        let edges: Vec<Vec<String>> = tasks
            .iter()
            .map(|task| task.depends_on.iter().filter(open).cloned().collect())
            .collect();
        Graph::build(
            tasks
                .iter()
                .zip(&edges)
                .map(|(task, edges)| (task.task_id.as_str(), edges.as_slice())),
        )
    }

    /// Unsettled tasks that the new plan has in the same form, all their dependencies included. A failed head is not among them.
    fn survivors(&self, tasks: &[ConductorTask], graph: &Graph) -> BTreeMap<String, u32> {
        let failed = self.failed_head();
        let mut survivors = BTreeMap::new();
        for place in graph.order(&vec![0; tasks.len()]) {
            let Some(task) = tasks.get(place as usize) else {
                continue;
            };
            let Some(before) = self.place_of(&task.task_id) else {
                continue;
            };
            let same = self.unsettled(&task.task_id).is_ok_and(|known| known.spec == *task);
            let lives = |id: &String| survivors.contains_key(id) || self.retired.contains_key(id);
            if same && failed != Some(before) && task.depends_on.iter().all(lives) {
                survivors.insert(task.task_id.clone(), before);
            }
        }
        survivors
    }

    fn failed_head(&self) -> Option<u32> {
        let failed = |cause: &ReplanCause| matches!(cause, ReplanCause::TaskFailed { .. });
        self.replan
            .as_ref()
            .filter(|replan| failed(&replan.cause))
            .and_then(|_| self.head_place())
    }

    /// New tasks stand where the plan lists them; survivors keep their order among each other, whatever the plan's.
    fn in_place(&self, tasks: Vec<ConductorTask>, survivors: &BTreeMap<String, u32>) -> Vec<ConductorTask> {
        let kept: BTreeSet<u32> = survivors.values().copied().collect();
        let mut kept = kept.into_iter().filter_map(|place| self.tasks.get(place as usize));
        let stands = |task: ConductorTask| match survivors.contains_key(&task.task_id) {
            true => kept.next().map(|survivor| survivor.spec.clone()),
            false => Some(task),
        };
        tasks.into_iter().filter_map(stands).collect()
    }

    pub(super) fn accept(&mut self, version: u32, plan: Checked, effects: &mut Vec<Effect>) {
        if self.failed_head().is_some() {
            self.settle_failed(effects);
        }
        self.replan = None;
        self.drop_others(&plan, effects);
        let accepted_after = self.settled();
        self.versions.push(PlanVersionPlace {
            version,
            accepted_after,
        });
        let mut before: BTreeMap<String, Task> = std::mem::take(&mut self.tasks)
            .into_iter()
            .map(|task| (task.spec.task_id.clone(), task))
            .collect();
        let priorities: Vec<i32> = plan.tasks.iter().map(|task| task.priority).collect();
        self.order = plan.graph.order(&priorities);
        self.first_ordinal = accepted_after;
        let survivors = plan.survivors;
        self.tasks = plan
            .tasks
            .into_iter()
            .map(|spec| {
                match before
                    .remove(&spec.task_id)
                    .filter(|_| survivors.contains_key(&spec.task_id))
                {
                    Some(task) => task,
                    None => Task::new(spec, version),
                }
            })
            .collect();
        self.number();
        let none: &[String] = &[];
        self.scheduler
            .load(plan.graph, priorities.into_iter().map(|priority| (priority, none)));
        self.restore();
        self.cancel_again(effects);
    }

    /// Aborts what does not survive; ids the plan has no more are squashed.
    fn drop_others(&mut self, plan: &Checked, effects: &mut Vec<Effect>) {
        let line = (self.settled() - self.first_ordinal) as usize;
        for place in self.order.get(line..).map(<[u32]>::to_vec).unwrap_or_default() {
            let Some(task_id) = self.tasks.get(place as usize).map(|task| task.spec.task_id.clone()) else {
                continue;
            };
            if plan.survivors.contains_key(&task_id) {
                continue;
            }
            self.abort(place, AbortCause::Squashed, effects);
            if !plan.graph.places.contains_key(&task_id) {
                self.squashed.insert(task_id.clone());
                effects.push(Effect::Squashed { task_id });
            }
        }
    }

    /// Gives ordinals, and to each task those of everything it depends on.
    fn number(&mut self) {
        let mut ordinals: BTreeMap<String, (u32, BTreeSet<u32>)> = BTreeMap::new();
        for (ordinal, place) in (self.first_ordinal..).zip(&self.order) {
            let Some(task) = self.tasks.get_mut(*place as usize) else {
                continue;
            };
            let mut ancestors = BTreeSet::new();
            for dependency in &task.spec.depends_on {
                if let Some((ordinal, above)) = ordinals.get(dependency) {
                    ancestors.insert(*ordinal);
                    ancestors.extend(above);
                } else if let Some(settled) = self
                    .retired
                    .get(dependency)
                    .and_then(|ordinal| self.settled.get(*ordinal as usize))
                {
                    ancestors.insert(settled.record.ordinal);
                    ancestors.extend(&settled.ancestors);
                }
            }
            task.ordinal = ordinal;
            task.ancestors.clone_from(&ancestors);
            ordinals.insert(task.spec.task_id.clone(), (ordinal, ancestors));
        }
    }

    /// Tells the new scheduler how far the survivors are.
    fn restore(&mut self) {
        self.backoffs.clear();
        for place in 0..count(self.tasks.len()) {
            let Some(task) = self.tasks.get(place as usize) else {
                continue;
            };
            match task.phase {
                TaskPhase::Completed => {
                    self.scheduler.complete(place);
                }
                TaskPhase::Running => {
                    if let Some(current) = &task.current {
                        self.scheduler.occupy(place, current.worker);
                    }
                }
                TaskPhase::Waiting | TaskPhase::Ready => self.scheduler.detach(place),
                TaskPhase::Backoff => {
                    self.backoffs
                        .insert((task.until.unwrap_or(i64::MIN), task.ordinal, place));
                }
                _ => {}
            }
        }
        for place in 0..count(self.tasks.len()) {
            self.queue(place);
        }
    }

    /// A person's decision to do without a task holds for every form of it.
    fn cancel_again(&mut self, effects: &mut Vec<Effect>) {
        for place in 0..count(self.tasks.len()) {
            let out = |task: &Task| task.canceled || self.canceled_ids.contains(&task.spec.task_id);
            if self.tasks.get(place as usize).is_some_and(out) {
                self.cancel_at(place, effects);
            }
        }
    }
}

impl Task {
    fn new(spec: ConductorTask, version: u32) -> Self {
        Self {
            spec,
            version,
            ordinal: 0,
            ancestors: BTreeSet::new(),
            base: Base::Plan { version },
            phase: TaskPhase::Pending,
            canceled: false,
            attempts: Vec::new(),
            failures: 0,
            needs_head: false,
            current: None,
            changed: BTreeSet::new(),
            failure: None,
            until: None,
        }
    }
}
