//! The dependency graph of a plan.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// Faulty ids named in one message.
const NAMED_MAX: usize = 20;

/// Tasks by place; edges both ways, each list ascending and without repeats.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub dependencies: Vec<Vec<u32>>,
    pub dependents: Vec<Vec<u32>>,
    pub places: HashMap<String, u32>,
}

impl Graph {
    /// Builds the graph of `(id, dependencies)` in plan order.
    ///
    /// # Errors
    /// `INVALID_PLAN` with the ids: empty or repeated ones, unknown dependencies, a cycle.
    pub fn build<'a>(tasks: impl ExactSizeIterator<Item = (&'a str, &'a [String])> + Clone) -> Outcome<Self> {
        let mut places = HashMap::with_capacity(tasks.len());
        let mut repeated = BTreeSet::new();
        for (place, (id, _)) in tasks.clone().enumerate() {
            if id.is_empty() {
                return Err(invalid(format!("the task at place {place} has an empty id")));
            }
            let place = u32::try_from(place).map_err(|_| invalid("the plan has too many tasks"))?;
            if places.insert(id.to_owned(), place).is_some() {
                repeated.insert(id);
            }
        }
        if !repeated.is_empty() {
            return Err(invalid(format!("task ids used twice: {}", named(repeated))));
        }
        let mut graph = Self {
            dependencies: Vec::with_capacity(places.len()),
            dependents: vec![Vec::new(); places.len()],
            places,
        };
        let mut unknown = BTreeSet::new();
        for (id, depends_on) in tasks.clone() {
            let mut edges = Vec::with_capacity(depends_on.len());
            for dependency in depends_on {
                match graph.places.get(dependency) {
                    Some(place) => edges.push(*place),
                    None => {
                        unknown.insert(format!("{dependency} (of {id})"));
                    }
                }
            }
            edges.sort_unstable();
            edges.dedup();
            let place = u32::try_from(graph.dependencies.len()).unwrap_or(u32::MAX);
            for edge in &edges {
                if let Some(list) = graph.dependents.get_mut(*edge as usize) {
                    list.push(place);
                }
            }
            graph.dependencies.push(edges);
        }
        if !unknown.is_empty() {
            let unknown = named(unknown.iter().map(String::as_str));
            return Err(invalid(format!("unknown dependencies: {unknown}")));
        }
        let cycle = graph.cyclic();
        if !cycle.is_empty() {
            let ids: Vec<&str> = tasks.map(|(id, _)| id).collect();
            let ids = named(cycle.iter().filter_map(|place| ids.get(*place as usize).copied()));
            return Err(invalid(format!(
                "tasks that depend on themselves through each other: {ids}"
            )));
        }
        Ok(graph)
    }

    /// Tasks that lie on a cycle or between cycles, ascending: peeled from both ends, so nothing merely downstream is blamed.
    fn cyclic(&self) -> Vec<u32> {
        let mut left: Vec<bool> = vec![true; self.dependencies.len()];
        peel(&self.dependencies, &self.dependents, &mut left);
        peel(&self.dependents, &self.dependencies, &mut left);
        (0u32..)
            .zip(&left)
            .filter(|(_, left)| **left)
            .map(|(place, _)| place)
            .collect()
    }

    /// Places in the order of their ordinals: among tasks whose dependencies have one, the smallest (priority, place).
    pub fn order(&self, priorities: &[i32]) -> Vec<u32> {
        let mut missing: Vec<usize> = self.dependencies.iter().map(Vec::len).collect();
        let key = |place: u32| Reverse((priorities.get(place as usize).copied().unwrap_or(0), place));
        let mut heap: BinaryHeap<Reverse<(i32, u32)>> = (0u32..)
            .zip(&missing)
            .filter(|(_, missing)| **missing == 0)
            .map(|(place, _)| key(place))
            .collect();
        let mut order = Vec::with_capacity(missing.len());
        while let Some(Reverse((_, place))) = heap.pop() {
            order.push(place);
            for dependent in self.dependents.get(place as usize).into_iter().flatten() {
                if let Some(count) = missing.get_mut(*dependent as usize) {
                    *count -= 1;
                    if *count == 0 {
                        heap.push(key(*dependent));
                    }
                }
            }
        }
        order
    }

    /// The given tasks and every task that depends on one of them, directly or through others, ascending.
    pub fn with_dependents(&self, places: impl IntoIterator<Item = u32>) -> BTreeSet<u32> {
        let mut open: Vec<u32> = places.into_iter().collect();
        let mut seen: BTreeSet<u32> = open.iter().copied().collect();
        while let Some(next) = open.pop() {
            for dependent in self.dependents.get(next as usize).into_iter().flatten() {
                if seen.insert(*dependent) {
                    open.push(*dependent);
                }
            }
        }
        seen
    }
}

/// Takes away, again and again, what has no incoming edge among what is left.
fn peel(incoming: &[Vec<u32>], outgoing: &[Vec<u32>], left: &mut [bool]) {
    let is_left = |left: &[bool], place: u32| left.get(place as usize).copied().unwrap_or(false);
    let mut missing: Vec<usize> = incoming
        .iter()
        .map(|edges| edges.iter().filter(|edge| is_left(left, **edge)).count())
        .collect();
    let mut open: Vec<u32> = (0u32..)
        .zip(&missing)
        .filter(|(place, missing)| **missing == 0 && is_left(left, *place))
        .map(|(place, _)| place)
        .collect();
    while let Some(place) = open.pop() {
        if let Some(flag) = left.get_mut(place as usize) {
            *flag = false;
        }
        for next in outgoing.get(place as usize).into_iter().flatten() {
            if let Some(count) = missing.get_mut(*next as usize) {
                *count -= 1;
                if *count == 0 && is_left(left, *next) {
                    open.push(*next);
                }
            }
        }
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::InvalidPlan, message)
}

fn named<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut ids: Vec<&str> = ids.into_iter().collect();
    let more = ids.len().saturating_sub(NAMED_MAX);
    ids.truncate(NAMED_MAX);
    let mut text = ids.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
