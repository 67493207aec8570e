//! What must hold, worked out again without the conductor's own bookkeeping.

use std::collections::{BTreeMap, BTreeSet};

use super::host::{Outcome, Plan};
use super::world::Files;
use crate::conductor::{Base, Conductor, ConductorRecord, ConductorTask, TaskPhase};

pub(super) type Check = Result<(), String>;

pub(super) fn hold(holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(message()) }
}

/// Two runs of the same inputs left the same.
pub(super) fn same_record(reference: &Outcome, other: &Outcome) -> Check {
    hold(reference.record == other.record, || {
        difference(&reference.record, &other.record)
    })?;
    hold(reference.status == other.status, || {
        format!("ended {:?}, the reference {:?}", other.status, reference.status)
    })?;
    hold(reference.places == other.places, || {
        format!(
            "messages at {:?}, in the reference {:?}",
            other.places, reference.places
        )
    })?;
    hold(reference.project == other.project, || {
        "the project differs from the reference".to_owned()
    })
}

/// A stopped run settled the same as the reference, as far as it came.
pub(super) fn same_beginning(reference: &Outcome, other: &Outcome) -> Check {
    let cut = ConductorRecord {
        plan_versions: reference
            .record
            .plan_versions
            .iter()
            .take(other.record.plan_versions.len())
            .copied()
            .collect(),
        tasks: reference
            .record
            .tasks
            .iter()
            .take(other.record.tasks.len())
            .cloned()
            .collect(),
        squashed: other.record.squashed.clone(),
    };
    hold(cut == other.record, || difference(&cut, &other.record))
}

fn difference(reference: &ConductorRecord, other: &ConductorRecord) -> String {
    let first = reference.tasks.iter().zip(&other.tasks).find(|(one, two)| one != two);
    match first {
        Some((one, two)) => format!("records differ: {two:?}, in the reference {one:?}"),
        None => format!(
            "records differ: {} tasks, versions {:?}, squashed {:?}; in the reference {}, {:?}, {:?}",
            other.tasks.len(),
            other.plan_versions,
            other.squashed,
            reference.tasks.len(),
            reference.plan_versions,
            reference.squashed,
        ),
    }
}

/// Ordinals of the first plan, by the definition: among tasks whose dependencies have one, the smallest (priority, place).
pub(super) fn first_ordinals(conductor: &Conductor, tasks: &[ConductorTask]) -> Check {
    let mut left: Vec<&ConductorTask> = tasks.iter().collect();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    for ordinal in 0.. {
        let free = left
            .iter()
            .enumerate()
            .filter(|(_, task)| task.depends_on.iter().all(|id| placed.contains(id.as_str())));
        let Some((place, _)) = free.min_by_key(|(place, task)| (task.priority, *place)) else {
            break;
        };
        let task = left.remove(place);
        placed.insert(&task.task_id);
        let given = match conductor.task(&task.task_id) {
            Some(task) => task.ordinal,
            // Settled at once: a person does without it.
            None => continue,
        };
        hold(given == ordinal, || {
            format!("task {} has ordinal {given}, not {ordinal}", task.task_id)
        })?;
    }
    hold(left.is_empty(), || "the plan has a cycle".to_owned())
}

/// What an attempt must be given when it starts.
pub(super) struct Given<'a> {
    pub task_id: &'a str,
    pub base: Base,
    pub closure: &'a [String],
    pub head: bool,
    pub window: u32,
}

/// A start within the window, after its dependencies, in the view that the definition names.
pub(super) fn start(conductor: &Conductor, plan: &Plan, given: &Given) -> Check {
    let id = given.task_id;
    // The same input may have aborted it again.
    let Some(task) = conductor.task(id).filter(|task| task.phase == TaskPhase::Running) else {
        return Ok(());
    };
    hold(task.ordinal < conductor.settled() + given.window, || {
        format!("task {id} started outside the window")
    })?;
    if given.head {
        let settled = conductor.settled();
        hold(given.base == (Base::Retired { count: settled }), || {
            format!("head {id} started on {:?} with {settled} settled", given.base)
        })?;
        hold(task.ordinal == settled, || {
            format!("task {id} started as head at {}, line {settled}", task.ordinal)
        })?;
    }
    let spec = plan
        .spec(id)
        .ok_or_else(|| format!("task {id} started, the plan does not have it"))?;
    for dependency in &spec.depends_on {
        let phase = conductor.task(dependency).map(|task| task.phase);
        let done = match phase {
            Some(phase) => matches!(phase, TaskPhase::Completed | TaskPhase::Retiring),
            None => plan.retired.contains_key(dependency),
        };
        hold(done, || {
            format!("task {id} started, its dependency {dependency} is {phase:?}")
        })?;
    }
    let ancestors = ancestors(conductor, plan, id)?;
    let closure: Vec<&str> = ancestors
        .range(plan.held(given.base)..)
        .map(|(_, id)| id.as_str())
        .collect();
    hold(closure == given.closure, || {
        format!(
            "task {id} got the closure {:?}, not {closure:?}, on {:?}",
            given.closure, given.base
        )
    })
}

/// Everything a task depends on, directly or through others, by ordinal.
fn ancestors(conductor: &Conductor, plan: &Plan, id: &str) -> Result<BTreeMap<u32, String>, String> {
    let mut found = BTreeMap::new();
    let dependencies = |id: &str| plan.spec(id).map(|spec| spec.depends_on.clone()).unwrap_or_default();
    let mut open = dependencies(id);
    while let Some(id) = open.pop() {
        let ordinal = plan
            .retired
            .get(&id)
            .copied()
            .or_else(|| conductor.task(&id).map(|task| task.ordinal));
        let ordinal = ordinal.ok_or_else(|| format!("dependency {id} has no ordinal"))?;
        let above = dependencies(&id);
        if found.insert(ordinal, id).is_none() {
            open.extend(above);
        }
    }
    Ok(found)
}

/// Retired tasks, not in the base and not among what the task depends on, that changed a path the task changed too.
pub(super) fn in_the_way(
    conductor: &Conductor,
    plan: &Plan,
    id: &str,
    base: Base,
    changed: &Files,
) -> Result<BTreeSet<String>, String> {
    let ancestors = ancestors(conductor, plan, id)?;
    let met = |path: &String| changed.keys().any(|other| meet(path, other));
    let foreign = plan
        .writers
        .range(plan.held(base)..)
        .filter(|(ordinal, _)| !ancestors.contains_key(*ordinal));
    let foreign = foreign.filter(|(_, (_, paths))| paths.iter().any(met));
    Ok(foreign.map(|(_, (id, _))| id.clone()).collect())
}

/// Equal, or one is a directory the other lies in.
fn meet(one: &str, other: &str) -> bool {
    let below = |above: &str, path: &str| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
    one == other || below(one, other) || below(other, one)
}

/// The record settles ordinal by ordinal.
pub(super) fn order(record: &ConductorRecord) -> Check {
    for (ordinal, task) in (0u32..).zip(&record.tasks) {
        hold(task.ordinal == ordinal, || {
            format!("task {} settled at {ordinal} with {}", task.task_id, task.ordinal)
        })?;
    }
    Ok(())
}
